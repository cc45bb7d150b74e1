"""One file per trouble."""
