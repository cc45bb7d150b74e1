"""Tensors of which each process holds a part (DTensor): how often each part exists. Nothing is communicated.

Norms of the parts are put together when the logs of all ranks are read: the squares are added, each divided
by the number of ranks that hold the same part.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor


def copies_of(tensor: Tensor) -> int:
    """How many ranks hold the same part of a tensor; 0 for one that every rank holds whole.

    Only what the tensor says about itself is asked: its mesh and its placements. What is still to be reduced
    over ranks counts as a part: that is right for norms on their way to a total, see `is_summand` for others.
    """
    if getattr(tensor, "_local_tensor", None) is None:
        return 0
    mesh: Any = getattr(tensor, "device_mesh", None)
    placements: Any = getattr(tensor, "placements", ())
    copies, is_whole = 1, True
    for dimension, placement in enumerate(placements):
        if placement.is_replicate():
            copies *= int(mesh.size(dimension))
        else:
            is_whole = False
    return 0 if is_whole else copies


def copies(tensors: Iterable[Tensor]) -> tuple[int, ...]:
    """`copies_of` each tensor; () when every rank holds all of them whole."""
    found = tuple(map(copies_of, tensors))
    return found if any(found) else ()


def is_summand(tensor: Tensor) -> bool:
    """Whether the value is a sum over ranks that nobody has added up: no rank knows its norm."""
    placements: Any = getattr(tensor, "placements", ())
    return any(placement.is_partial() for placement in placements)
