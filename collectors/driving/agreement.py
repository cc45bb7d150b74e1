"""Ranks that end together: the lowest one decides, the others read its decision from a file."""

from __future__ import annotations

import os
import time
from pathlib import Path

_PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.005


class Agreement:
    """Decisions that all ranks of a run make alike, without a collective of ours.

    A rank that ended alone would leave the others waiting in their next all-reduce for ever.
    """

    def __init__(self, folder: Path, rank: int, world_size: int) -> None:
        self._folder = folder
        self._rank = rank
        self._is_alone = world_size < 2

    def decide(self, key: str, mine: bool) -> bool:
        """What rank 0 decided about `key`; every rank asks for the same keys.

        Raises:
            TimeoutError: rank 0 said nothing for two minutes, or the ranks share no folder.
        """
        if self._is_alone:
            return mine
        path = self._folder / f"decided.{key}"
        if self._rank == 0:
            half = path.with_suffix(".tmp")
            half.write_text("1" if mine else "0")
            os.replace(half, path)
            return mine
        began = time.monotonic()
        while not path.exists():
            if time.monotonic() - began > _PATIENCE_SECONDS:
                raise TimeoutError(f"rank 0 decided nothing about {key}; the ranks need a common folder")
            time.sleep(_POLL_SECONDS)
        return path.read_text() == "1"
