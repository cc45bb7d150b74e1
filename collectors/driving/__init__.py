"""Run an unmodified script under a learning rate, a seed and a length that we choose."""
