"""The best evaluation of a run, and what came after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor.run import Floats, Series

from .signal import median3, noise_sd

BEFORE, FEWEST = 5, 3
"""Evaluations that tell the level before a jump: so many where there are, so few at least."""


@dataclass(frozen=True)
class AfterBest:
    """How a held-out measure went on after its best evaluation; worse is larger.

    Attributes:
        best_step: step of the best evaluation, next to the best smoothed one.
        last_step: step of the last evaluation.
        best: the best smoothed value.
        final: median of the last max(3, n/6) evaluations.
        rise: final - best; positive when it got worse.
        standard_error: of the rise, from the evaluation-to-evaluation noise.
        n_after: evaluations after the best one.
        n_tail: evaluations in the tail.
    """

    best_step: int
    last_step: int
    best: float
    final: float
    rise: float
    standard_error: float
    n_after: int
    n_tail: int


def after_best(evaluations: Series) -> AfterBest:
    """Compare the end of a held-out measure with its best moment; smaller values are better.

    Args:
        evaluations: at least 6 finite values.
    """
    smooth = median3(evaluations.values)
    n = len(evaluations)
    best = _lowest_near(evaluations.values, np.flatnonzero(smooth == smooth.min()))
    level = float(smooth.min())
    tail = max(3, n // 6)
    final = float(np.median(smooth[-tail:]))
    noise = noise_sd(evaluations.values)
    # Both levels are medians: of 3 evaluations at the best moment, of `tail` at the end.
    error = noise * float(np.sqrt(1.0 / tail + 1.0 / 3.0))
    return AfterBest(
        best_step=int(evaluations.steps[best]),
        last_step=int(evaluations.steps[-1]),
        best=level,
        final=final,
        rise=final - level,
        standard_error=error,
        n_after=n - 1 - best,
        n_tail=tail,
    )


@dataclass(frozen=True)
class Jump:
    """A held-out loss that stepped up between two evaluations and stayed there.

    Attributes:
        before_step: step of the last evaluation before it.
        step: step of the first evaluation after it.
        before: the median of the evaluations just before, loss units.
        after: the lowest value after it, loss units.
    """

    before_step: int
    step: int
    before: float
    after: float


def jump_of(evaluations: Series, least: float) -> Jump | None:
    """The largest step up that every later evaluation confirms; None without one.

    The lowest value after it exceeds the highest of the up to `BEFORE` before it by `least`, by four times
    the range of those, and no change from one of those to the next was a fifth of the step.

    Args:
        evaluations: finite values; smaller is better.
        least: how large it must be, loss units.
    """
    values, found = evaluations.values, []
    for i in range(FEWEST, values.size - 1):
        before, floor = values[max(0, i - BEFORE) : i], float(values[i:].min())
        height = floor - float(before.max())
        if height <= max(least, 4.0 * float(np.ptp(before))):
            continue
        if 5.0 * float(np.abs(np.diff(before)).max()) < float(values[i]) - float(before[-1]):
            steps = evaluations.steps[i - 1 : i + 1]
            found.append((height, Jump(int(steps[0]), int(steps[1]), float(np.median(before)), floor)))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _lowest_near(values: Floats, centres: np.ndarray) -> int:
    """Index of the lowest value at or beside the given indices."""
    near = np.unique(np.clip(np.concatenate([centres - 1, centres, centres + 1]), 0, values.size - 1))
    return int(near[np.argmin(values[near])])
