"""A model that solved its training data and not the validation data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run
from traindoctor.text import Text

from ..extent import training_samples
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, Levels, levels, training_curve, validation_curve
from ..regularisation import regularisation_code
from ..signal import median3


@dataclass(frozen=True)
class MemorisationGap:
    """Reports a large gap between validation and training loss when the training data are nearly solved.

    (validation - training) / B0 at the end exceeds `gap`, and three standard errors of the validation loss
    where its predictions tell them, while the training skill 1 - training/B0 exceeds `solved`; B0 is the loss
    of the best constant predictor (with fewer than `few_samples` training samples the first losses stand in
    for one that is not known, and a gap of `gap_of_few` is enough for one that is). Both losses are medians
    over the end of the run. Warning when the run went on for `many_passes` epochs after that and the training
    skill exceeds `memorised` (not asked of fewer than `few_samples` samples), or when the validation loss
    ended above its best by `worsening` of B0; a note otherwise, for a gap alone also comes with good settings
    on little data. The ratio of the two losses is not used: it grows without bound in every run that fits its
    training data.

    Why it matters: the model has capacity to spare for memorising; the validation loss is limited by data
    and regularisation, not by training longer.

    When it is wrong: the two losses are not comparable (label smoothing, a regulariser or mixup in one of
    them only), or the validation data come from elsewhere on purpose.

    What to try: more data or augmentation, weight decay, dropout, label smoothing, a smaller model.

    Source: ours; thresholds from trials on small networks.

    Example:
        >>> steps, k = np.arange(1000), np.arange(10)
        >>> series = {"loss/train": Series(steps, 2.3 * np.exp(-steps / 100)),
        ...           "loss/validation": Series(100 * k + 99, 1.0 + np.exp(-k / 2.0))}
        >>> run = Run("r", "r", series, info=RunInfo(baseline=2.3026, epochs=100))
        >>> [f.severity.value for f in MemorisationGap().check(run)]
        ['warning']
    """

    code: str = "TD403"
    name: str = "memorisation-gap"
    needs: tuple[str, ...] = (LOSS_TRAIN, LOSS_VALIDATION)
    gap: float = 0.15
    solved: float = 0.9
    gap_of_few: float = 0.1
    few_samples: int = 50
    memorised: float = 0.97
    many_passes: float = 20.0
    worsening: float = 0.05
    least_evaluations: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: B0 is unknown, too few evaluations or losses, or the loss is no progress signal.
        """
        evaluations = validation_curve(run, self.least_evaluations)
        curve, level = training_curve(run), levels(run)
        is_few = training_samples(run) < self.few_samples
        if not (level.baseline_known or is_few) or level.baseline <= 0.0:
            raise NotAssessable(
                Text("the loss of the best constant predictor is unknown: the labels were not seen")
            )
        training = float(curve.medians[-1])
        validation = float(np.median(evaluations.values[-3:]))
        skill, gap = level.skill(training), (validation - training) / level.baseline
        least = self.gap_of_few if is_few and level.baseline_known else self.gap
        if gap > max(least, 3.0 * held_out_error(run) / level.baseline) and skill > self.solved:
            best = float(median3(evaluations.values).min())
            yield self._finding(run, curve, level, training, validation, best, is_few)

    def _finding(
        self,
        run: Run,
        curve: Curve,
        level: Levels,
        training: float,
        validation: float,
        best: float,
        is_few: bool,
    ) -> Finding:
        skill, gap = level.skill(training), (validation - training) / level.baseline
        solved = curve.medians < (1.0 - self.solved) * level.baseline
        start = curve.first_step(int(np.argmax(solved)))
        passes = _passes_since(run, start)
        worsening = (validation - best) / level.baseline
        has_memorised = passes >= self.many_passes and (is_few or skill > self.memorised)
        is_material = has_memorised or worsening >= self.worsening
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_material else Severity.INFO,
            confidence(gap / self.gap),
            start,
            int(curve.steps[-1]),
            Text(
                "The model memorises its training data: since {place} {skill:.0%} of the constant "
                "predictor's loss is gone in training, but only {skill_2:.0%} in validation "
                "({training:.3g} against {validation:.3g}).",
                place=place(run, start),
                skill=skill,
                skill_2=level.skill(validation),
                training=training,
                validation=validation,
            ),
            *measured(
                {
                    "gap": (gap, "share of the constant predictor's loss"),
                    "training skill": (skill, "fraction"),
                    "validation skill": (level.skill(validation), "fraction"),
                    "training loss": (training, "loss units"),
                    "validation loss": (validation, "loss units"),
                    "solved since": (start, x_unit(run)),
                    "passes since": (passes, "epochs"),
                    "validation worse than its best by": (
                        worsening,
                        "share of the constant predictor's loss",
                    ),
                }
            ),
            Remedy(
                Text("Use more data or augmentation, or regularise more; training longer will not help."),
                regularisation_code(run),
            ),
        )


def _passes_since(run: Run, step: int) -> float:
    """Passes over the training data since a step, epochs; 0 where the number of epochs is unknown."""
    if run.info.x_unit == "epochs":
        return float(run.n_steps - step)
    epochs = run.info.epochs
    return epochs * (1.0 - step / max(run.n_steps, 1)) if math.isfinite(epochs) else 0.0


def held_out_error(run: Run) -> float:
    """Standard error of a cross-entropy over the captured predictions, nats; 0 when they do not tell."""
    found = run.predictions
    if found is None or found.y_score.ndim != 2 or found.kind != "logits" or found.y_true.size < 2:
        return 0.0
    scores = found.y_score - found.y_score.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(scores)), found.y_true]
    error = float(losses.std(ddof=1)) / math.sqrt(losses.size)
    return error if math.isfinite(error) else 0.0
