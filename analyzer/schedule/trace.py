"""An LR trace cleaned and put on the clock of its scheduler: one value per call of `scheduler.step()`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from traindoctor.run import Floats, Ints

CHANGE = 1e-7
"""Relative LR difference from which on two neighbouring values count as different (float32 logs: 6e-8)."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Learning rates over scheduler ticks.

    Attributes:
        ticks: shape (n,), strictly increasing from 0; a tick that was not recorded is absent.
        values: shape (n,), LR in force during the tick, finite.
        unit: `epoch` when a tick is an epoch, else `step`.
        every: optimizer steps per tick when `unit` is `step`; 1 for an epoch clock.
        length: ticks up to the end of the trace, including those without a record.
        spacing: usual number of ticks from one record to the next; 1 unless the log is sparse.
    """

    ticks: Ints
    values: Floats
    unit: str
    every: int
    length: int
    spacing: int = 1

    @property
    def peak(self) -> float:
        """Largest learning rate."""
        return float(self.values.max())

    def since(self, origin: int) -> Trace:
        """The records from tick `origin` on, ticks counted from it; the first need not lie on it."""
        first = int(np.searchsorted(self.ticks, origin))
        return Trace(
            self.ticks[first:] - origin,
            self.values[first:],
            self.unit,
            self.every,
            self.length - origin,
            self.spacing,
        )

    def between(self, first: int, last: int) -> list[int]:
        """Ticks after record `first` up to and including record `last`, at most 24, the last one first.

        Where every tick was recorded these are the ticks of the records; in a sparse log something that shows
        in record `last` may have happened at any tick in between.
        """
        high = int(self.ticks[last])
        low = max(int(self.ticks[first]) + 1 if first >= 0 else 0, high - self.spacing * (last - first) + 1)
        return [
            int(tick) for tick in np.unique(np.linspace(low, high, min(high - low + 1, 24)).round())[::-1]
        ]


def cleaned(steps: ArrayLike, lr: ArrayLike) -> tuple[Ints, Floats]:
    """Finite records in step order, both shape (n,); after a rewind the later record of a step counts.

    Raises:
        ValueError: the two differ in length.
    """
    x = np.asarray(steps, dtype=np.float64).ravel()
    y = np.asarray(lr, dtype=np.float64).ravel()
    if x.size != y.size:
        raise ValueError(f"expected as many steps as learning rates, found {x.size} steps and {y.size} rates")
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep].astype(np.int64), y[keep]
    if x.size > 1 and not bool(np.all(np.diff(x) > 0)):
        # np.unique keeps the first of equal steps: reversing makes it the one recorded last
        x, index = np.unique(x[::-1], return_index=True)
        y = y[::-1][index]
    return np.asarray(x, dtype=np.int64), np.asarray(y, dtype=np.float64)


def change_points(values: Floats) -> Ints:
    """Indices i >= 1 with values[i] different from values[i - 1]."""
    size = np.maximum(np.abs(values[1:]), np.abs(values[:-1]))
    return np.flatnonzero(np.abs(np.diff(values)) > CHANGE * size) + 1


def step_trace(steps: Ints, lr: Floats) -> Trace:
    """The trace on the clock of the optimizer; `steps` non-empty and increasing."""
    ticks = steps - steps[0]
    spacing = max(1, int(np.median(np.diff(ticks)))) if ticks.size > 1 else 1
    return Trace(ticks, lr, "step", 1, int(ticks[-1]) + 1, spacing)


def epoch_trace(steps: Ints, lr: Floats, epoch_ends: ArrayLike | None) -> Trace | None:
    """The trace on the clock of the epochs, or None unless every LR change falls on the end of an epoch.

    Args:
        steps: shape (n,), increasing.
        lr: shape (n,).
        epoch_ends: last optimizer step of each epoch.
    """
    ends = np.unique(np.asarray([] if epoch_ends is None else epoch_ends, dtype=np.float64))
    ends = ends[np.isfinite(ends)]
    changes = change_points(lr)
    if not ends.size or not changes.size:
        return None
    epoch = np.searchsorted(ends, steps, side="left")
    if not bool(np.all(epoch[changes] > epoch[changes - 1])):
        return None
    epoch = epoch - epoch[0]
    ticks, first = np.unique(epoch, return_index=True)
    return Trace(ticks.astype(np.int64), lr[first], "epoch", 1, int(ticks[-1]) + 1)


def coarse_trace(trace: Trace) -> Trace | None:
    """The trace on a clock whose tick is the greatest common divisor of all changes; None if that is 1.

    This is the clock of a scheduler stepped once per epoch when the epochs themselves were not recorded.
    """
    changes = change_points(trace.values)
    if trace.unit == "epoch" or changes.size < 2:
        return None
    every = int(np.gcd.reduce(trace.ticks[changes]))
    if every < 2:
        return None
    ticks, first = np.unique(trace.ticks // every, return_index=True)
    return Trace(ticks, trace.values[first], "step", every * trace.every, int(ticks[-1]) + 1)


def thinned(trace: Trace, limit: int = 3000) -> Trace:
    """At most about `limit` records: evenly spread ones, both ends, the sharpest bends."""
    n = trace.ticks.size
    if n <= limit:
        return trace
    spread = np.linspace(0, n - 1, limit // 2).astype(np.int64)
    bends = np.abs(np.diff(trace.values, 2))
    sharp = np.argpartition(bends, -limit // 12)[-limit // 12 :]
    near = (sharp[:, None] + np.arange(-1, 4)[None, :]).ravel()
    ends = np.concatenate([np.arange(64), np.arange(n - 64, n)])
    index = np.unique(np.clip(np.concatenate([spread, near, ends]), 0, n - 1))
    return replace(trace, ticks=trace.ticks[index], values=trace.values[index])
