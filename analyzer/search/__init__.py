"""Hyper-parameter search: the space in a command line, the design of trials, and what finished trials say."""
