"""Held-out data that are easier than the training data: they may have leaked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run
from traindoctor.text import Text

from ..phrases import confidence, measured, place, x_unit
from ..reference import levels, training_curve, validation_curve
from ..signal import noise_sd, standard_error
from ..trend import trend_of


@dataclass(frozen=True)
class TooGood:
    """Reports a validation loss that is lower than the training loss once training has settled.

    Over the last third of the run the median validation loss lies below the median training loss by more
    than `sigmas` standard errors and `share` of the progress made, in each of the last `times` evaluations,
    while the training loss changes by less than that: a falling loss alone makes the average of an epoch
    higher than its end. Always a note: dropout, augmentation, label smoothing and regularisers raise the
    training loss, and a log cannot tell them from a leak.

    Why it matters: samples that are in both sets, or features that give the label away, make the held-out
    figures worthless, and nothing else in a run shows it.

    When it is wrong: whenever training is harder than evaluation on purpose.

    What to try: hash the samples of both sets and look for common ones; evaluate once on training data in
    eval mode, and compare.

    Source: ours; UMLAUT (Schoop et al. 2021) asks whether the validation accuracy exceeds that of training
    by .05.

    Example:
        >>> steps = np.arange(900)
        >>> noise = 0.02 * np.random.default_rng(0).normal(size=900)
        >>> series = {"loss/train": Series(steps, 1.0 + np.exp(-steps / 60) + noise),
        ...           "loss/validation": Series(steps[29::30], 0.5 + np.exp(-steps[29::30] / 60))}
        >>> [f.severity.value for f in TooGood().check(Run("r", "r", series))]
        ['info']
    """

    code: str = "TD406"
    name: str = "too-good"
    needs: tuple[str, ...] = (LOSS_TRAIN, LOSS_VALIDATION)
    sigmas: float = 3.0
    share: float = 0.2
    times: int = 3
    least_evaluations: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses or evaluations, or the loss is no progress signal.
        """
        curve, level = training_curve(run), levels(run)
        evaluations = validation_curve(run, self.least_evaluations)
        start = float(curve.steps[-1]) - (float(curve.steps[-1]) - float(curve.steps[0])) / 3.0
        late = curve.values[curve.steps >= start]
        last = evaluations.values[-self.times :]
        training = float(np.median(late))
        below = training - float(np.median(last))
        trend = trend_of(curve, 1.0 / 3.0)
        error = math.hypot(
            float(np.nan_to_num(1.25 * standard_error(late))),
            float(np.nan_to_num(noise_sd(evaluations.values))) / math.sqrt(last.size),
        )
        threshold = max(self.share * level.progress, self.sigmas * error)
        if below <= threshold or not bool((training - last > threshold).all()):
            return
        if abs(trend.slope.value) * trend.length > 0.5 * below:
            return
        first = int(evaluations.steps[-self.times])
        yield Finding(
            self.code,
            self.name,
            Severity.INFO,
            confidence(below / threshold),
            first,
            max(first, int(curve.steps[-1])),
            Text(
                "The held-out data are easier than the training data: since {place} the validation "
                "loss is {median:.3g} and the training loss {training:.3g}. Dropout or augmentation "
                "may explain it; samples that are in both sets would, too.",
                place=place(run, first),
                median=float(np.median(last)),
                training=training,
            ),
            *measured(
                {
                    "since": (first, x_unit(run)),
                    "validation loss": (float(np.median(last)), "loss units"),
                    "training loss": (training, "loss units"),
                    "difference": (below / level.progress, "share of progress"),
                    "standard error": (error, "loss units"),
                }
            ),
            Remedy(
                Text(
                    "Look for samples that are in both sets, and evaluate once on training data in eval mode."
                ),
                "import hashlib\n"
                "def digests(dataset):\n"
                "    return {hashlib.sha256(x.numpy().tobytes()).digest() for x, _ in dataset}\n"
                "print(len(digests(train_set) & digests(validation_set)))",
            ),
        )
