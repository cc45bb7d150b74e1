"""Fits of schedules that jump and stay: StepLR, MultiStepLR, ReduceLROnPlateau by exact replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from traindoctor.run import Floats, Ints

from .trace import Trace, change_points

Parameters = dict[str, Any]

MAX_STAIRS = 64
"""A trace with more changes than this is not described level by level."""

PATIENCES = range(31)
THRESHOLDS = (1e-4, 0.0, 1e-3, 1e-2)
COOLDOWNS = (0, 1, 2, 3, 5, 10)


@dataclass(frozen=True, eq=False)
class Metric:
    """A series that a plateau scheduler may have watched.

    Attributes:
        name: series name, one of ours.
        steps: shape (n,), last optimizer step that influenced each value.
        values: shape (n,).
        mode: `min` or `max`, as in `ReduceLROnPlateau`.
    """

    name: str
    steps: Ints
    values: Floats
    mode: str = "min"


def is_staircase(trace: Trace) -> bool:
    """Whether the LR jumps a few times and stays in between."""
    changes = change_points(trace.values)
    return 1 <= changes.size <= MAX_STAIRS and bool(np.all(np.diff(changes) > 1)) and trace.values.size > 2


def step(trace: Trace) -> Iterator[Parameters]:
    """`StepLR`: equal ratios, equal gaps (the first counted from tick 0), and no longer wait at the end."""
    changes = change_points(trace.values)
    if not 1 <= changes.size <= trace.values.size // 2:
        return
    # change k happened after the record before it, up to the record that shows it
    k = np.arange(1, changes.size + 1)
    low = int(np.max(np.floor(trace.ticks[changes - 1] / k))) + 1
    high = int(np.min(trace.ticks[changes] // k))
    if low > high or high < 2 or trace.length - int(trace.ticks[changes[-1]]) > high:
        return
    size = max(range(max(low, 2), high + 1), key=trailing_zeros, default=0)
    gamma = _common_ratio(trace.values, changes)
    if gamma and size:
        yield {"lr": float(trace.values[0]), "step_size": size, "gamma": gamma}


def trailing_zeros(count: int) -> int:
    """How round a positive number is in base ten."""
    return len(str(count)) - len(str(count).rstrip("0"))


def multistep(trace: Trace) -> Iterator[Parameters]:
    """`MultiStepLR`: equal ratios at any ticks."""
    changes = change_points(trace.values)
    if not 1 <= changes.size <= MAX_STAIRS:
        return
    gamma = _common_ratio(trace.values, changes)
    if gamma:
        milestones = [int(tick) for tick in trace.ticks[changes]]
        yield {"lr": float(trace.values[0]), "milestones": milestones, "gamma": gamma}


def _common_ratio(values: Floats, changes: Ints) -> float:
    """Median ratio of neighbouring levels; 0 where jumps are too small to be deliberate."""
    before, after = values[changes - 1], values[changes]
    if bool(np.any(before <= 0)) or bool(np.any(after <= 0)):
        return 0.0
    ratios = after / before
    spread = float(np.ptp(ratios))
    gamma = float(np.median(ratios))
    is_exact, is_large = spread < 1e-6 * gamma, abs(1 - gamma) > 0.05
    return gamma if is_exact or is_large else 0.0


def staircase(trace: Trace) -> Iterator[Parameters]:
    """Any levels at any ticks, up to `MAX_STAIRS` changes."""
    changes = change_points(trace.values)
    if 1 <= changes.size <= min(MAX_STAIRS, trace.values.size // 2):
        levels = trace.values[np.concatenate([[0], changes])]
        yield {
            "milestones": [int(tick) for tick in trace.ticks[changes]],
            "levels": [float(v) for v in levels],
        }


def plateau(trace: Trace, steps: Ints, lr: Floats, metrics: Sequence[Metric]) -> Iterator[Parameters]:
    """`ReduceLROnPlateau`, if replaying it on a recorded metric gives exactly the recorded reductions.

    Args:
        trace: the trace on its clock, for the positions of the reductions.
        steps: shape (n,), increasing optimizer steps of `lr`.
        lr: shape (n,).
        metrics: candidates, the most likely first.
    """
    changes = change_points(lr)
    levels = lr[np.concatenate([[0], changes])]
    if not 1 <= changes.size <= MAX_STAIRS or bool(np.any(levels <= 0)) or bool(np.any(np.diff(levels) > 0)):
        return
    ratios = levels[1:] / levels[:-1]
    factor = float(np.median(ratios[: max(1, ratios.size - 1)]))
    is_clipped = ratios.size > 1 and ratios[-1] > factor * 1.002
    if bool(np.any(np.abs(ratios[: -1 if is_clipped else None] - factor) > 2e-3 * factor)):
        return
    for metric in metrics:
        found = _replayed(metric, steps, changes, is_clipped)
        if found:
            yield {
                "lr": float(levels[0]),
                **found,
                "factor": factor,
                "min_lr": float(levels[-1]) if is_clipped else 0.0,
                "reductions": [int(tick) for tick in trace.ticks[change_points(trace.values)]],
            }


def _replayed(metric: Metric, steps: Ints, changes: Ints, is_clipped: bool) -> Parameters | None:
    """The settings that reduce after exactly these evaluations, torch's defaults preferred."""
    finite = np.isfinite(metric.values)
    at, values = metric.steps[finite], metric.values[finite].tolist()
    # evaluation k decides the LR of the steps in (at[k], at[k+1]]
    decided = np.searchsorted(at, steps[changes], side="left") - 1
    before = np.searchsorted(at, steps[changes - 1], side="left") - 1
    if not values or bool(np.any(decided <= before)) or np.unique(decided).size < decided.size:
        return None
    wanted = [int(k) for k in decided]
    final = int(np.searchsorted(at, steps[-1], side="left"))
    for cooldown in COOLDOWNS:
        for threshold in THRESHOLDS:
            for patience in PATIENCES:
                if _reductions_match(
                    values[:final], wanted, metric.mode, patience, threshold, cooldown, is_clipped
                ):
                    return {
                        "mode": metric.mode,
                        "patience": patience,
                        "threshold": threshold,
                        "threshold_mode": "rel",
                        "cooldown": cooldown,
                        "metric": metric.name,
                    }
    return None


def _reductions_match(
    values: Sequence[float],
    wanted: Sequence[int],
    mode: str,
    patience: int,
    threshold: float,
    cooldown: int,
    is_clipped: bool,
) -> bool:
    """Whether `ReduceLROnPlateau` fed with `values` reduces exactly after the evaluations `wanted`.

    At its minimum LR the scheduler keeps "reducing" without effect: extra reductions at the end are allowed.
    """
    best = float("inf") if mode == "min" else float("-inf")
    bad = cool = hits = 0
    for k, value in enumerate(values):
        # written as torch does: the sign of a negative metric matters
        better = value < best * (1 - threshold) if mode == "min" else value > best * (1 + threshold)
        if better:
            best, bad = value, 0
        else:
            bad += 1
        if cool > 0:
            cool, bad = cool - 1, 0
        if bad > patience:
            if hits == len(wanted):
                return is_clipped
            if wanted[hits] != k:
                return False
            hits, cool, bad = hits + 1, cooldown, 0
        elif hits < len(wanted) and wanted[hits] <= k:
            return False
    return hits == len(wanted)
