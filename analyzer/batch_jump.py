"""A loss that is suddenly huge although the weights are what they were: the batch is the reason."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from traindoctor.names import GRAD_NORM, GRAD_NORM_PRECLIP, LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run

from .memo import memoised
from .outcome import first_non_finite
from .reference import levels

CALM, LEAST_CALM = 50, 20
TIMES = 30.0
USUAL = 3.0
HUGE = 3.0
FIND_HUGE_INPUTS = """\
for i, (x, y) in enumerate(train_loader):
    if not x.isfinite().all() or x.abs().max() > 100 * x.abs().mean():
        print(i, x.abs().max())"""
"""Code that names the batches with huge inputs."""


@dataclass(frozen=True)
class BatchJump:
    """Where one batch threw the loss up.

    Attributes:
        step: step of that batch.
        loss: its loss; infinite where it was not finite.
        times: its loss over the largest of the losses before.
        lost: what it cost for good, as a share of the progress made; infinite where the run broke.
    """

    step: int
    loss: float
    times: float
    lost: float


@memoised
def batch_jump(run: Run) -> BatchJump | None:
    """The first jump of the loss by a batch after the first twentieth of a run; None without one.

    The loss of a step is taken before its update. So a loss of more than `TIMES` times the largest of the
    50 before it, after gradients of at most `USUAL` times their usual norm (the median of those 50), cannot
    come from the step before: an instability of training grows over several steps, each with larger
    gradients. Where it came from a too large step, that step had a large gradient. Ours.
    """
    losses, norms = run.get(LOSS_TRAIN), run.get(GRAD_NORM_PRECLIP) or run.get(GRAD_NORM)
    if losses is None or norms is None or len(losses) < 2 * LEAST_CALM:
        return None
    values = losses.values
    first = max(LEAST_CALM, values.size // 20)
    level = levels(run)
    huge = HUGE * max(abs(level.baseline), abs(level.initial))
    for i in _candidates(values, first):
        if values[i] <= huge:
            continue
        before = values[max(0, i - CALM) : i]
        steps = losses.steps[max(0, i - CALM) : i + 1]
        calm = norms.between(int(steps[0]), int(steps[-2])).finite().values
        if calm.size >= LEAST_CALM and np.isfinite(before).all():
            near = calm[-3:]
            if float(near.max()) <= USUAL * float(np.median(calm)):
                loss = float(values[i]) if np.isfinite(values[i]) else float("inf")
                at = int(losses.steps[i])
                return BatchJump(at, loss, loss / float(before.max()), lost_since(run, at))
            return None
    return None


def lost_since(run: Run, step: int) -> float:
    """How much worse the training or the validation loss ended than it was before a step, share of progress.

    Medians of the last 20 losses and of 3 evaluations; infinite where the training loss became non-finite.
    """
    broken, level = first_non_finite(run), levels(run)
    if broken is not None and broken >= step:
        return math.inf
    costs = [0.0]
    for name, n in ((LOSS_TRAIN, LEAST_CALM), (LOSS_VALIDATION, 3)):
        series = run.get(name)
        before = series.between(0, step - 1).finite().values if series is not None else np.empty(0)
        after = series.between(step + 1, run.n_steps).values if series is not None else np.empty(0)
        if before.size >= n and after.size:
            costs.append((float(np.median(after[-n:])) - float(np.median(before[-n:]))) / level.progress)
    return max(math.inf if math.isnan(cost) else cost for cost in costs)


def _candidates(values: np.ndarray, first: int) -> list[int]:
    """Indices from `first` on whose finite loss is `TIMES` that of the one before, which was positive."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = values[first:] / values[first - 1 : -1]
    sudden = first + np.flatnonzero((ratio > TIMES) & (values[first - 1 : -1] > 0.0))
    return [int(i) for i in sudden if values[i] > TIMES * np.nanmax(values[max(0, i - CALM) : i])]
