"""Seeding a script that takes no seed: each generator as the script imports it, so that its own seed wins."""

from __future__ import annotations

import os
import sys
from typing import Any

VARIABLE = "TRAINDOCTOR_SEED"
"""Environment variable that holds the seed."""

_BETWEEN_RANKS = 1_000_003


def seed_of_process() -> int | None:
    """The seed for this process: ranks get different ones, so that they do not draw the same batches."""
    text = os.environ.get(VARIABLE, "")
    if not text.isdigit():
        return None
    rank = os.environ.get("RANK", "0")
    return (int(text) + _BETWEEN_RANKS * (int(rank) if rank.isdigit() else 0)) % 2**32


def seed_module(name: str) -> None:
    """Seed the generators of a module that has just been imported: `random`, `numpy` or `torch`."""
    seed = seed_of_process()
    module: Any = sys.modules.get(name)
    if seed is None or module is None:
        return
    if name == "random":
        module.seed(seed)
    elif name == "numpy":
        module.random.seed(seed)
    elif name == "torch":
        module.manual_seed(seed)
