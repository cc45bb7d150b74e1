"""Training losses that were divided by the number of accumulated batches, brought back to their units."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION, MICRO_BATCHES
from traindoctor.run import Run, Series

from .reference import CROSS_ENTROPIES, Levels, levels

BINARY = "binary_cross_entropy_with_logits"
TOLERANCE = 1.25
"""The loss of an untrained model lies within this factor of that of a uniform answer."""


def undivided(run: Run) -> Run:
    """The run with its training loss in the units of its validation loss; the same object where it is.

    Under gradient accumulation each loss is usually divided by the number of batches of a step before
    `backward`. Compared as they are, such losses make a run that has learned nothing look half solved, and
    the validation loss look far too high.
    """
    n = divisor(run)
    if n == 1:
        return run
    losses = run.series[LOSS_TRAIN]
    return replace(run, series={**run.series, LOSS_TRAIN: Series(losses.steps, n * losses.values)})


def divisor(run: Run) -> int:
    """What the training losses were divided by: the batches per step where three facts agree, else 1.

    Every step has the same number k > 1 of batches; the loss begins within `TOLERANCE` of 1/k of that of a
    uniform answer (ln of the classes); and over the first third of the evaluations the validation loss is
    nearer to k times the training loss than to the training loss itself.
    """
    batches, losses, held_out = (run.get(name) for name in (MICRO_BATCHES, LOSS_TRAIN, LOSS_VALIDATION))
    if batches is None or losses is None or held_out is None or not len(batches):
        return 1
    n, losses, held_out = round(float(np.median(batches.values))), losses.finite(), held_out.finite()
    uniform = uniform_loss(run)
    if n < 2 or math.isnan(uniform) or len(losses) < 3 or not len(held_out):
        return 1
    begins = n * float(np.median(losses.values[:3])) / uniform
    if float(np.mean(batches.values == n)) < 0.9 or not 1.0 / TOLERANCE <= begins <= TOLERANCE:
        return 1
    early = held_out.steps[: max(1, len(held_out) // 3)]
    near = [
        float(np.median(losses.between(int(s) - 9, int(s)).values)) for s in early if s >= losses.steps[0]
    ]
    values = held_out.values[: len(near)]
    usable = [v / x for v, x in zip(values, near, strict=False) if x > 0.0]
    return n if usable and float(np.median(usable)) > math.sqrt(n) else 1


def uniform_loss(run: Run) -> float:
    """Cross-entropy of the answer that every class is as likely, nats; NaN for another loss."""
    info = run.info
    if info.loss_name in CROSS_ENTROPIES and info.n_classes > 1:
        return math.log(info.n_classes)
    return math.log(2.0) if info.loss_name == BINARY else math.nan


def known_levels(run: Run) -> Levels:
    """The levels of a run, with ln 2 as B0 of a binary cross-entropy whose labels were not counted.

    B0 is then the entropy of the labels, ln 2 at most: a loss above a share of ln 2 is above that share of
    B0, too. Only where the loss begins near ln 2: with weights for the classes it begins elsewhere.

    Raises:
        NotAssessable: see `levels`.
    """
    level = levels(run)
    begins = level.initial / math.log(2.0)
    if level.baseline_known or run.info.loss_name != BINARY or not 1.0 / TOLERANCE <= begins <= TOLERANCE:
        return level
    return replace(level, baseline=math.log(2.0), baseline_known=True)
