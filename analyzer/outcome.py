"""How a run ended, as far as its training loss tells: the measure of whether a trouble was material."""

from __future__ import annotations

import math

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run

from .memo import memoised
from .reference import levels, training_curve


@memoised
def final_skill(run: Run) -> float:
    """Share of the baseline loss that is gone at the end: 1 - last block's median / B0.

    -inf when most of the last 5 % of the losses are not finite; NaN when there is no baseline or too little
    data. A comparison with NaN is False: what cannot be judged is not alarmed.
    """
    series = run.get(LOSS_TRAIN)
    if series is None:
        return math.nan
    tail = series.values[-max(1, len(series) // 20) :]
    if float(np.mean(~np.isfinite(tail))) > 0.5:
        return -math.inf
    try:
        return levels(run).skill(float(training_curve(run).medians[-1]))
    except NotAssessable:
        return math.nan


def first_non_finite(run: Run) -> int | None:
    """First step whose training loss is NaN or infinite; None when there is none."""
    series = run.get(LOSS_TRAIN)
    bad = np.empty(0) if series is None else np.flatnonzero(~np.isfinite(series.values))
    return int(series.steps[bad[0]]) if series is not None and bad.size else None
