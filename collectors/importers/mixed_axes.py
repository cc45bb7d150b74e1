"""Series of one run that count epochs while others count steps, brought to the steps by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from traindoctor.run import Floats

LEAST_POINTS = 3
"""Points of a series below which its axis is not judged."""

FINER = 3.0
"""The steps run at least this many times further than the epochs."""

STRAIGHT = 0.1
"""Largest deviation from a straight line of epochs over steps, as a share of the steps."""


@dataclass(frozen=True, eq=False)
class Clocked:
    """The points of one series with the time at which each was written, all of shape (n,).

    Attributes:
        x: the source's x.
        times: unix time in seconds.
    """

    x: Floats
    times: Floats


def on_steps(series: Mapping[str, Clocked]) -> dict[str, Floats]:
    """New x for the series that count epochs beside others that count steps; {} when all count the same.

    A series counts epochs when its x are consecutive whole numbers from 0 or 1, the run's longest axis
    reaches much further, and over the clock the two grow in proportion: a series that was only logged at the
    beginning does not.
    """
    sized = {name: s for name, s in series.items() if s.x.size >= LEAST_POINTS}
    if len(sized) < 2:
        return {}
    finest = max(sized, key=lambda name: (float(sized[name].x.max()), sized[name].x.size))
    reference = sized[finest]
    if np.any(np.diff(reference.x) < 0) or np.any(np.diff(reference.times) < 0):
        return {}
    out: dict[str, Floats] = {}
    for name, found in sized.items():
        moved = _moved(found, reference)
        if moved is not None:
            out[name] = moved
    return out


def _moved(found: Clocked, reference: Clocked) -> Floats | None:
    counts = np.array_equal(np.diff(found.x), np.ones(found.x.size - 1)) and found.x[0] in (0.0, 1.0)
    if not counts or reference.x.max() < FINER * found.x.max():
        return None
    index = np.searchsorted(reference.times, found.times, side="right") - 1
    if index[0] < 0:
        return None
    steps = reference.x[index]
    slope, offset = np.polyfit(found.x, steps, 1)
    spread = float(steps.max() - steps.min())
    off = np.abs(steps - (slope * found.x + offset)).max()
    if slope < FINER or off > STRAIGHT * spread or np.any(np.diff(steps) <= 0):
        return None
    return steps.astype(np.float64)
