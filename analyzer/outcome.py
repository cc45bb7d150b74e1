"""How a run ended, as far as its training loss tells: the measure of whether a trouble was material."""

from __future__ import annotations

import math

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run

from .memo import memoised
from .reference import levels, training_curve, validation_baseline


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


@memoised
def validation_skill(run: Run) -> float:
    """Share of the baseline loss that is gone in validation at the end: median of the last three evaluations.

    -inf when one of them is not finite; NaN when there is no validation loss or no baseline.
    """
    series = run.get(LOSS_VALIDATION)
    if series is None:
        return math.nan
    if not np.isfinite(series.values[-3:]).all():
        return -math.inf
    try:
        baseline = validation_baseline(levels(run), series.finite())
    except NotAssessable:
        return math.nan
    return 1.0 - float(np.median(series.values[-3:])) / baseline if baseline > 0.0 else math.nan


def better_final_skill(run: Run) -> float:
    """The larger of the final skill in training and in validation: dropout and augmentation make the training
    loss look worse than the model is. -inf where the training loss ended non-finite.
    """
    skill = final_skill(run)
    return skill if skill == -math.inf else float(np.fmax(skill, validation_skill(run)))


def held_out_skill(run: Run) -> float:
    """The final skill in validation; the better known one where nothing was held out."""
    skill = validation_skill(run)
    return better_final_skill(run) if math.isnan(skill) else skill


def first_non_finite(run: Run) -> int | None:
    """First step whose training loss is NaN or infinite; None when there is none."""
    series = run.get(LOSS_TRAIN)
    bad = np.empty(0) if series is None else np.flatnonzero(~np.isfinite(series.values))
    return int(series.steps[bad[0]]) if series is not None and bad.size else None
