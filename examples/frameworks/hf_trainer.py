"""The Trainer of transformers: a one-layer GPT-2 made from its config, accumulation, warm-up, evaluation."""

import json

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed


def sentences(n, seed):
    """Counting upwards from a random number, with now and then a wrong one; the first two are the prompt."""
    make = torch.Generator().manual_seed(seed)
    rows = (torch.randint(0, 50, (n, 1), generator=make) + torch.arange(12)) % 50
    rows = torch.where(torch.rand(rows.shape, generator=make) < 0.05, 0, rows)
    labels = rows.masked_fill(torch.arange(12) < 2, -100)
    return [{"input_ids": row, "labels": label} for row, label in zip(rows, labels, strict=True)]


if __name__ == "__main__":
    set_seed(0)
    shape = {"vocab_size": 50, "n_positions": 16, "n_embd": 32, "n_layer": 1, "n_head": 2}
    model = GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=0, eos_token_id=0))
    arguments = TrainingArguments(
        "checkpoints", num_train_epochs=3, per_device_train_batch_size=16, gradient_accumulation_steps=2,
        learning_rate=5e-3, warmup_steps=4, logging_steps=1, eval_strategy="epoch", save_strategy="no",
        report_to=[], use_cpu=True, disable_tqdm=True, seed=0,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=sentences(320, 1), eval_dataset=sentences(64, 2))
    trainer.train()
    with open("log.json", "w") as file:
        json.dump(trainer.state.log_history, file)
    torch.save(model.state_dict(), "weights.pt")
