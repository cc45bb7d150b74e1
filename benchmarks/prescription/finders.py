"""The suggestion rules of three learning-rate finders, on training losses of a test as each makes it.

Source: how Lightning 2.6 (`Tuner.lr_find`), fastai 2.8 (`lr_find`, valley) and pytorch-lr-finder 0.2 describe
and set their tests; written anew here, because one call trains at many rates at once. `tests/frameworks`
compares them with the first two packages' own suggestions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from traindoctor.run import Floats

STEPS = 100
"""Of each test; the default of all three."""


@dataclass(frozen=True)
class Finder:
    """One tool.

    Attributes:
        low: first LR.
        high: last LR.
        rule: (LRs, training losses up to the first that is not finite) -> suggestion, NaN for none.
    """

    low: float
    high: float
    rule: Callable[[Floats, Floats], float]

    def plan(self) -> Floats:
        """LR of each step of its test."""
        return np.geomspace(self.low, self.high, STEPS)

    def suggestion(self, losses: Floats) -> float:
        """What it suggests after that test; NaN when it suggests nothing."""
        finite = np.isfinite(losses)
        end = len(losses) if finite.all() else int(np.argmin(finite))
        return self.rule(self.plan()[:end], losses[:end])


def smoothed(losses: Floats, weight: float) -> Floats:
    """Exponential moving average, corrected for its start; `weight` is that of the past."""
    out, mean = np.empty(len(losses)), 0.0
    for index, loss in enumerate(losses):
        mean = weight * mean + (1.0 - weight) * loss
        out[index] = mean / (1.0 - weight ** (index + 1))
    return out


def until_above(losses: Floats, factor: float) -> int:
    """Number of losses up to and with the first that is more than `factor` times the lowest before it."""
    lowest = np.minimum.accumulate(losses)
    above = np.flatnonzero(losses > factor * lowest)
    return int(above[0]) + 1 if above.size else len(losses)


def lightning(lrs: Floats, losses: Floats) -> float:
    """Where the smoothed loss falls most steeply with the LR itself; the first 10 points are left out.

    In single precision, as there: at the lowest rates the rounding of the loss decides about the slope.
    """
    curve = smoothed(losses, 0.98)
    end = until_above(curve, 4.0)
    x, y = (torch.tensor(values[10 : end - 1], dtype=torch.float32) for values in (lrs, curve))
    if len(x) < 2:
        return math.nan
    return float(lrs[10 + int(torch.gradient(y, spacing=[x])[0].argmin())])


def fastai(lrs: Floats, losses: Floats) -> float:
    """Half way down the longest falling sequence of the smoothed loss (the valley)."""
    curve = smoothed(losses, 0.98)
    end = until_above(curve, 4.0)
    x, y = lrs[STEPS // 10 : end - 5], curve[STEPS // 10 : end - 5]
    if len(y) < 2:
        return math.nan
    length, start = longest_fall(y)
    return float(x[start + length // 3 + length // 6])


def longest_fall(values: Floats) -> tuple[int, int]:
    """Length of the longest falling subsequence, and its end less that length: -1 where all of it falls."""
    lengths = np.ones(len(values), dtype=np.int64)
    for index in range(1, len(values)):
        higher = lengths[:index][values[:index] > values[index]]
        lengths[index] = 1 + (int(higher.max()) if higher.size else 0)
    last = int(np.argmax(lengths))
    return int(lengths[last]), last - int(lengths[last])


def pytorch_lr_finder(lrs: Floats, losses: Floats) -> float:
    """The steepest fall from one step to the next, 10 points left out at the start and 5 at the end."""
    curve = losses.copy()
    for index in range(1, len(curve)):
        curve[index] = 0.05 * losses[index] + 0.95 * curve[index - 1]
    end = until_above(curve, 5.0)
    x, y = lrs[10 : end - 5], curve[10 : end - 5]
    return float(x[np.argmin(np.gradient(y))]) if len(x) >= 2 else math.nan


FINDERS: Mapping[str, Finder] = {
    "Lightning": Finder(1e-8, 1.0, lightning),
    "fastai valley": Finder(1e-7, 10.0, fastai),
    "pytorch-lr-finder": Finder(1e-7, 10.0, pytorch_lr_finder),
}
