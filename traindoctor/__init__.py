"""traindoctor records PyTorch training runs, diagnoses them and prescribes a learning-rate schedule."""
