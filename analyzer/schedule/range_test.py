"""What a learning-rate range test says: the LR to use, how sure that is, or why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from traindoctor.text import Text

Floats = NDArray[np.float64]

BIAS = 1.6
"""The lowest loss lies about this factor above the best LR: median over 12 tasks (docs/lr-find.md)."""

PROBE_DECADES = 0.55
"""Root mean square error of the suggestion, in decades of LR, when fixed samples were scored."""

TRAINING_DECADES = 1.44
"""The same for the training loss of changing batches."""

_LEAST_DROP = 0.02
"""Share of the starting loss that it must fall by."""

_NOISES = 4.0
"""The drop must exceed so many standard deviations of the noise from step to step."""

_EARLY = 0.2
"""Share of the test, at the lowest LRs, whose steps tell the noise."""

_SMOOTHED = 5
"""Points in the running median of a training loss."""


@dataclass(frozen=True, eq=False)
class RangeScore:
    """The answer of a range test.

    Attributes:
        lr: suggested LR of the first param group, unit 1/step; NaN when refused.
        low: lower end of the range that holds the best LR in about two of three cases.
        high: its upper end.
        half: LR at which half of the drop was done.
        minimum: LR at which the loss was lowest.
        ended: LR from which on the loss was above its start, NaN if it never was.
        refusal: why there is no suggestion, in a sentence; "" when there is one.
        why: what the answer rests on, in sentences.
        smoothed: the losses that were scored, shape (n,).
        start: loss before the test, loss units.
    """

    lr: float
    low: float
    high: float
    half: float = math.nan
    minimum: float = math.nan
    ended: float = math.nan
    refusal: str = ""
    why: str = ""
    smoothed: Floats = field(default_factory=lambda: np.empty(0))
    start: float = math.nan


def score(lrs: Floats, losses: Floats, start: float, *, is_probe: bool) -> RangeScore:
    """The LR of the lowest loss, divided by 1.6.

    What comes after the loss has risen above its start does not count: those steps train weights that a too
    large step threw away. `half`, the last LR before the lowest loss at which the loss was still above the
    middle between start and lowest, is told and not used: the more slowly the LR rises the earlier it comes
    (by a factor of 2.5 between 100 and 400 steps).

    Args:
        lrs: LR of each step of the test, increasing, unit 1/step, shape (n,).
        losses: loss after each step, shape (n,); the last may be NaN or infinite.
        start: loss before the first step.
        is_probe: whether the losses are of fixed samples; else of changing batches, which are smoothed.

    Returns:
        the answer; refused when the loss was flat, noisy, rose at once, or still fell at the highest LR.

    Source:
        Ours: docs/lr-find.md tells how rule and factor were chosen, and on what.
    """
    values = losses if is_probe else running_median(losses, _SMOOTHED)
    refused = RangeScore(math.nan, math.nan, math.nan, smoothed=values, start=start)
    if not math.isfinite(start):
        return refuse(
            refused, Text("the loss is not finite before the first step; look at the data and the model")
        )
    end = ending(values, start)
    if end < 3 or (end < len(values) and not float(values[:end].min()) < start):
        return refuse(
            refused,
            Text(
                "the loss rose from the lowest LR on ({lr:.3g}); begin lower, with a smaller --min",
                lr=float(lrs[0]),
            ),
        )
    best = int(np.argmin(values[:end]))
    drop = start - float(values[best])
    noise = step_noise(values[:end])
    needed = max(_LEAST_DROP * abs(start), _NOISES * noise)
    if not drop > needed:
        return refuse(
            refused,
            Text(
                "the loss did not fall clearly at any LR: by {drop:.3g} from {start:.4g}, where at least "
                "{needed:.3g} is needed to tell it from noise; there is nothing to choose an LR by",
                drop=drop,
                start=start,
                needed=needed,
            ),
        )
    if end == len(values) and float(lrs[best]) * BIAS > float(lrs[-1]):
        return refuse(
            refused,
            Text(
                "the loss was lowest at {lr:.3g}, next to the highest LR of the test ({highest:.3g}); go on "
                "with a larger --max",
                lr=float(lrs[best]),
                highest=float(lrs[-1]),
            ),
        )
    half = half_drop(values, start, best)
    decades = PROBE_DECADES if is_probe else TRAINING_DECADES
    middle = float(lrs[best]) / BIAS
    spread = 10.0**decades
    ended = float(lrs[end]) if end < len(values) else math.nan
    why = Text(
        "the LR of the lowest loss ({lr:.3g}), divided by {bias:g}; half of the drop was done at {half:.3g}",
        lr=float(lrs[best]),
        bias=BIAS,
        half=float(lrs[half]),
    )
    return RangeScore(
        middle,
        middle / spread,
        middle * spread,
        float(lrs[half]),
        float(lrs[best]),
        ended,
        "",
        why,
        values,
        start,
    )


def refuse(score: RangeScore, why: str) -> RangeScore:
    """The same without a suggestion."""
    return replace(score, lr=math.nan, low=math.nan, high=math.nan, refusal=why)


def ending(values: Floats, start: float) -> int:
    """Number of steps that count: up to the first loss that is not finite or clearly above the start."""
    lowest, margin = start, 0.01 * abs(start) + _NOISES * step_noise(values)
    for index, value in enumerate(values):
        if not math.isfinite(value):
            return index
        if value > start + 0.1 * (start - lowest) + margin:
            return index
        lowest = min(lowest, float(value))
    return len(values)


def half_drop(values: Floats, start: float, best: int) -> int:
    """Index of the last step before `best` whose loss was above the middle between start and lowest loss."""
    middle = start - 0.5 * (start - float(values[best]))
    above = np.flatnonzero(values[:best] > middle)
    return int(above[-1]) if above.size else 0


def step_noise(values: Floats) -> float:
    """Standard deviation of the noise, from the differences between steps at the lowest LRs."""
    n = max(4, int(len(values) * _EARLY))
    differences = np.diff(values[:n])
    if differences.size < 2:
        return 0.0
    return float(np.median(np.abs(differences - np.median(differences)))) * 1.4826 / math.sqrt(2.0)


def running_median(values: Floats, width: int) -> Floats:
    """Median of the values around each; one that is not finite ends the series.

    Example:
        >>> running_median(np.array([1.0, 9.0, 2.0, 3.0]), 3)
        array([1., 2., 3., 3.])
    """
    finite = np.isfinite(values)
    end = int(np.argmin(finite)) if not finite.all() else len(values)
    half = width // 2
    smooth = [float(np.median(values[max(0, i - half) : min(end, i + half + 1)])) for i in range(end)]
    return np.array([*smooth, *values[end:]], dtype=np.float64)
