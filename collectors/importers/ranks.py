"""Ranks of one run side by side: whether they kept in step, and whether one kept the others waiting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from traindoctor.names import GRAD_NORM, STEP_TIME, TIME_BEFORE_BACKWARD, WEIGHT_CHECKSUM
from traindoctor.run import Event, Series

from .process_log import ProcessLog

Floats = NDArray[np.float64]
OF_RANKS = (TIME_BEFORE_BACKWARD,)
"""Series that are compared over ranks, and told of no single one."""

_LATE_SHARE = 0.2
"""A rank that takes so much of a step longer than the others is a straggler."""
_LATE_STEPS = 0.75
"""It has to be the slowest in so many of the steps."""
_FEWEST_STEPS = 8
_NAMED = 3


def comparison(ranks: Sequence[ProcessLog]) -> tuple[list[str], list[Event]]:
    """Sentences about the ranks of one attempt, and the same as events `desync` and `straggler`."""
    sentences: list[str] = []
    events: list[Event] = []
    for find in (_desync, _straggler):
        for sentence, event in find(ranks):
            sentences.append(sentence)
            events.append(event)
    return sentences, events


def _desync(ranks: Sequence[ProcessLog]) -> Iterable[tuple[str, Event]]:
    """The first step at which weights that every rank holds whole are not the same on all of them."""
    tables = [rank.parameters.get(WEIGHT_CHECKSUM, {}) for rank in ranks]
    first: dict[str, tuple[int, int | None, list[int]]] = {}
    for name in tables[0]:
        aligned = _aligned([table.get(name) for table in tables])
        if aligned is None:
            continue
        steps, rows = aligned
        wrong = np.flatnonzero((rows != rows[0]).any(axis=0))
        if len(wrong):
            at = int(wrong[0])
            others = [rank.rank for rank, row in zip(ranks, rows, strict=True) if row[at] != rows[0][at]]
            first[name] = (int(steps[at]), int(steps[at - 1]) if at else None, others)
    if not first:
        return
    step, before, others = min(first.values(), key=lambda found: found[0])
    named = [name for name, found in first.items() if found[0] == step]
    which = ", ".join(named[:_NAMED]) + (f" and {len(named) - _NAMED} more" if len(named) > _NAMED else "")
    if before is None and not _have_equal_norms(ranks):
        why = "and so do their gradients: each rank trains on its own"
    else:
        why = "training in step keeps them the same to the bit"
    until = f"; they were the same until step {before}" if before is not None else ""
    sentence = (
        f"the weights of {_worded(others)} differ from rank {ranks[0].rank}'s from step {step} on "
        f"({which}){until}: {why}"
    )
    yield sentence, Event(step, "desync", {"ranks": others, "parameters": named[:100]})


def _have_equal_norms(ranks: Sequence[ProcessLog]) -> bool:
    """Whether the gradient norms of the first common step agree to 0.1 %; true when they are not known."""
    aligned = _aligned([rank.series.get(GRAD_NORM) for rank in ranks])
    return aligned is None or bool(np.allclose(aligned[1][:, 0], aligned[1][0, 0], rtol=1e-3, equal_nan=True))


def _straggler(ranks: Sequence[ProcessLog]) -> Iterable[tuple[str, Event]]:
    """A rank that is late for the collectives of nearly every step: slow data, or a slow forward pass.

    The time of whole steps would not tell: every rank waits for the slowest.
    """
    aligned = _aligned([rank.series.get(TIME_BEFORE_BACKWARD) for rank in ranks])
    times = ranks[0].series.get(STEP_TIME)
    if aligned is None or times is None or len(ranks) < 2 or len(aligned[0]) < _FEWEST_STEPS:
        return
    steps, rows = aligned
    medians = np.median(rows, axis=1)
    slow = int(np.argmax(medians))
    others = np.delete(rows, slow, axis=0)
    late = float(np.median(rows[slow] - others.max(axis=0)))
    whole = float(np.median(times.finite().values))
    is_slowest = float(np.mean(rows[slow] > others.max(axis=0)))
    if not late > _LATE_SHARE * whole > 0 or is_slowest < _LATE_STEPS:
        return
    rank, usual = ranks[slow].rank, float(np.median(others))
    sentence = (
        f"rank {rank} keeps the others waiting: from the end of a step to its backward call it takes "
        f"{medians[slow]:.3g} s, the others {usual:.3g} s, of {whole:.3g} s per step (medians)"
    )
    yield sentence, Event(int(steps[0]), "straggler", {"rank": rank, "seconds": late, "step_seconds": whole})


def _aligned(parts: Sequence[Series | None]) -> tuple[NDArray[np.int64], Floats] | None:
    """Common steps, shape (n,), and values, shape (n_ranks, n); None where a rank or any is missing."""
    present = [part for part in parts if part is not None]
    if len(present) < 2 or len(present) < len(parts):
        return None
    steps = reduce(np.intersect1d, [part.steps for part in present])
    if not len(steps):
        return None
    return steps, np.stack([part.values[np.searchsorted(part.steps, steps)] for part in present])


def _worded(ranks: Sequence[int]) -> str:
    shown = ", ".join(map(str, ranks[:_NAMED])) + (" and others" if len(ranks) > _NAMED else "")
    return f"rank {shown}" if len(ranks) == 1 else f"ranks {shown}"
