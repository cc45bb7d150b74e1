"""A validation loss that swings too much from one evaluation to the next to choose a model by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run
from traindoctor.text import Text

from ..phrases import confidence, measured, x_unit
from ..reference import levels, training_curve, validation_curve
from ..signal import noise_sd


@dataclass(frozen=True)
class ValidationTooNoisy:
    """Reports validation losses whose evaluation-to-evaluation noise hides which checkpoint is best.

    Over the second half of the evaluations the noise, 1.4826 MAD of the differences / sqrt 2, is larger than
    `share` of the median loss there, larger than `of_progress` of the progress on the training loss, and more
    than `times` that of the training loss (both relative to their level). Warning when the noise is at least
    `large` of the level and a tenth of the progress, a note otherwise. Losses that are not positive are
    not judged.

    Why it matters: the best of many noisy evaluations is mostly luck; checkpoints, early stopping and
    comparisons between runs chosen that way do not hold.

    When it is wrong: tasks that jump by nature (few, very unequal samples), and metrics that were logged per
    batch under the name of a validation loss.

    What to try: a larger and fixed validation set; BatchNorm statistics that are settled (larger momentum
    window, more samples per device) or an average of the weights.

    Source: ours; median absolute deviation of differences as in signal processing.

    Example:
        >>> k = np.arange(40)
        >>> swings = 1.0 + 0.9 * np.sin(2.4 * k)
        >>> series = {"loss/train": Series(k, 0.2 + 2.0 * np.exp(-k / 9.0)),
        ...           "loss/validation": Series(k, swings)}
        >>> [f.severity.value for f in ValidationTooNoisy().check(Run("r", "r", series))]
        ['warning']
    """

    code: str = "TD405"
    name: str = "validation-too-noisy"
    needs: tuple[str, ...] = (LOSS_TRAIN, LOSS_VALIDATION)
    share: float = 0.15
    of_progress: float = 0.03
    times: float = 3.0
    large: float = 0.3
    least_evaluations: int = 10

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few evaluations or training losses, or the loss is no progress signal.
        """
        evaluations = validation_curve(run, self.least_evaluations)
        curve, level = training_curve(run), levels(run, self.least_evaluations)
        late = evaluations.values[len(evaluations) // 2 :]
        middle, noise = float(np.median(late)), noise_sd(late)
        training = curve.medians[curve.medians.size // 2 :]
        training_noise = noise_sd(training) / max(abs(float(np.median(training))), 1e-300)
        if middle <= 0.0 or noise <= self.share * middle or noise <= self.of_progress * level.progress:
            return
        if noise / middle <= self.times * training_noise:
            return
        is_large = noise >= self.large * middle and noise >= 0.1 * level.progress
        first, last = int(evaluations.steps[len(evaluations) // 2]), int(evaluations.steps[-1])
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING if is_large else Severity.INFO,
            confidence(noise / (self.share * middle)),
            first,
            last,
            Text(
                "The validation loss is too noisy to choose a model by: from one evaluation to the "
                "next it scatters by {noise:.3g} around {middle:.3g} in the second half of the run, "
                "{middle_2:.0%} of its level.",
                noise=noise,
                middle=middle,
                middle_2=noise / middle,
            ),
            *measured(
                {
                    "noise": (noise, "loss units"),
                    "level": (middle, "loss units"),
                    "noise share": (noise / middle, "fraction"),
                    "training noise share": (training_noise, "fraction"),
                    "since": (first, x_unit(run)),
                }
            ),
            Remedy(
                Text(
                    "Evaluate on a larger, fixed set, and average the weights (EMA) or let BatchNorm see "
                    "more samples before each evaluation."
                ),
                "averaged = torch.optim.swa_utils.AveragedModel(\n"
                "    model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999))",
            ),
        )
