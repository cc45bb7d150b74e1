"""Labels that are probably wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_VALIDATION, MICRO_BATCHES
from traindoctor.run import Floats, Ints, Run
from traindoctor.text import Text

from ..answers import Answers, answers
from ..network import has_operation
from ..phrases import confidence, measured
from ..reference import levels, training_curve, validation_curve

SHOWN = 5
MASKING = ("Mul", "NativeDropout")
"""Operations that dropout as a function may leave in the graph."""

TIMES = 1.3
"""Validation skill over training skill from which the training data are called harder."""


@dataclass(frozen=True)
class LabelNoise:
    """Reports signs of wrong labels: in the held-out set, or in the training set alone.

    Held-out labels: a sample is suspect when the probability of another class reaches the mean probability
    that class has on its own samples, is `certain` at least, and the labelled class has a tenth of it at
    most. They count when they are more than `noisy` of the samples and twice as many as the probabilities
    themselves allow for (the sum, over the certain answers, of 1 - probability).

    Training labels: a model that learned from noisy labels answers rightly on clean ones, and is far too
    unsure: the held-out accuracy exceeds the mean confidence by `unsure` and `sigmas` standard errors.

    Both are notes: label smoothing, mixup and strong dropout make the second picture, too.

    The losses: at the end the training loss lies above the validation loss by more than `gap` of B0, while
    the validation skill is more than 1.3 times the training skill, although nothing in the network could set
    them apart: no dropout, no batch normalisation, no label smoothing, no convolution (whose inputs are
    usually augmented), the plain loss of one batch per step. Then the training answers are harder than the
    held-out ones, which is a warning.

    Why it matters: wrong labels put a floor under the loss, are memorised at the end of training, and in the
    held-out set they hide which model is better.

    When it is wrong: see above; and rare kinds of inputs that look like another class.

    What to try: look at the samples listed in the evidence first, by the index they have in the evaluation;
    relabel or drop them. For noisy training labels a loss that saturates, or an earlier stop.

    Source: Northcutt, Jiang and Chuang 2021, equation 1 (thresholds per class); the other conditions and the
    sign of noise in the training labels are ours.

    Example:
        >>> from traindoctor.run import Predictions
        >>> labels = np.arange(300) % 3
        >>> scores = 8.0 * np.eye(3)[labels]
        >>> labels[:30] = (labels[:30] + 1) % 3
        >>> run = Run("r", "r", predictions=Predictions(labels, scores, 100, kind="logits"))
        >>> [round(f.evidence["suspect samples"]) for f in LabelNoise().check(run)]
        [30]
    """

    code: str = "TD505"
    name: str = "label-noise"
    needs: tuple[str, ...] = ()
    certain: float = 0.9
    noisy: float = 0.02
    unsure: float = 0.15
    sigmas: float = 3.0
    good: float = 0.6
    least: int = 100
    gap: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few predictions, a single class, scores that are no probabilities, or a model
                too poor to judge labels by.
        """
        gap = unexplained_gap(run)
        if gap > self.gap and not has_operation(run, "Convolution"):
            yield self._of_losses(run, gap)
            return
        if run.predictions is None and math.isnan(gap):
            raise NotAssessable(
                Text(
                    "needs captured predictions, or a training and a validation loss that no dropout and no "
                    "batch normalisation set apart"
                )
            )
        if run.predictions is None:
            return
        found = answers(run, self.least)
        if found.probabilities is None:
            raise NotAssessable(
                Text("the captured scores are of unknown kind, neither logits nor probabilities")
            )
        if found.balanced_accuracy < self.good:
            raise NotAssessable(
                Text(
                    "the balanced accuracy is {balanced_accuracy:.0%}; a model of at least {good:.0%} is "
                    "needed to judge labels by",
                    balanced_accuracy=found.balanced_accuracy,
                    good=self.good,
                )
            )
        suspects, allowed = self._suspects(found, found.probabilities)
        if suspects.size > max(self.noisy * found.truth.size, 2.0 * allowed, 2.0):
            yield self._held_out(found, suspects, allowed)
            return
        trust = float(found.probabilities.max(axis=1).mean())
        gap = found.accuracy - trust
        error = float(np.sqrt(found.accuracy * (1.0 - found.accuracy) / found.truth.size))
        if gap > max(self.unsure, self.sigmas * error):
            yield self._training(found, trust, gap)

    def _of_losses(self, run: Run, gap: float) -> Finding:
        curve, level = training_curve(run), levels(run)
        held_out = float(np.median(run.series[LOSS_VALIDATION].finite().values[-3:]))
        training = float(curve.medians[-1])
        figures = {
            "training above validation": (gap, "share of the constant predictor's loss"),
            "training loss": (training, "loss units"),
            "validation loss": (held_out, "loss units"),
            "training skill": (level.skill(training), "share of the constant predictor's loss"),
            "validation skill": (level.skill(held_out), "share of the constant predictor's loss"),
        }
        evidence, units = measured(figures)
        return Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(gap / self.gap),
            curve.first_step(curve.medians.size // 2),
            int(curve.steps[-1]),
            Text(
                "Some training labels are probably wrong: the model does better on held-out data "
                "({held_out:.3g}) than on the data it learns from ({training:.3g}), and it has no dropout, "
                "batch normalisation or label smoothing that would explain it. Augmented training inputs "
                "would.",
                held_out=held_out,
                training=training,
            ),
            evidence,
            units,
            _remedy(),
        )

    def _suspects(self, found: Answers, probabilities: Floats) -> tuple[Ints, float]:
        """Indices of the suspect samples, surest first, and how many the probabilities allow for."""
        n, n_classes = probabilities.shape
        usual = np.ones(n_classes)
        for c in np.unique(found.truth):
            usual[c] = probabilities[found.truth == c, c].mean()
        top = probabilities.max(axis=1)
        is_sure = (top >= np.maximum(usual[found.answer], self.certain)) & (found.answer != found.truth)
        is_sure &= probabilities[np.arange(n), found.truth] <= 0.1 * top
        suspects = np.flatnonzero(is_sure)
        allowed = float((1.0 - top[top >= self.certain]).sum())
        return suspects[np.argsort(-top[suspects], kind="stable")].astype(np.int64), allowed

    def _held_out(self, found: Answers, suspects: Ints, allowed: float) -> Finding:
        share = suspects.size / found.truth.size
        figures = {
            "suspect samples": (float(suspects.size), "samples"),
            "share": (share, "fraction"),
            "expected of certain answers": (allowed, "samples"),
            "accuracy": (found.accuracy, "fraction"),
        }
        figures |= {
            Text("suspect {i}", i=i): (float(at), "sample index") for i, at in enumerate(suspects[:SHOWN], 1)
        }
        shown = ", ".join(str(at) for at in suspects[:20])
        return self._finding(
            found,
            share / self.noisy,
            Text(
                "{size} held-out labels are suspect, {share:.1%} of the samples: the model is "
                "certain of another class, and certain answers should be wrong {allowed:.2g} times.",
                size=suspects.size,
                share=share,
                allowed=allowed,
            ),
            figures,
            Remedy(
                Text(
                    "Look at these samples first, by their index in the evaluation, and relabel or drop them."
                ),
                f"for index in [{shown}]:\n    print(index, validation_set[index])",
            ),
        )

    def _training(self, found: Answers, trust: float, gap: float) -> Finding:
        return self._finding(
            found,
            gap / self.unsure,
            Text(
                "The training labels may be noisy: {accuracy:.0%} of the held-out answers are right, "
                "but the model is only {trust:.0%} sure of them on average. Label smoothing, mixup "
                "or strong dropout would explain it as well.",
                accuracy=found.accuracy,
                trust=trust,
            ),
            {
                "accuracy": (found.accuracy, "fraction"),
                "mean confidence": (trust, "fraction"),
                "gap": (gap, "fraction"),
            },
            _remedy(),
        )

    def _finding(
        self,
        found: Answers,
        margin: float,
        message: str,
        figures: dict[str, tuple[float, str]],
        remedy: Remedy,
    ) -> Finding:
        evidence, units = measured(figures)
        return Finding(
            self.code,
            self.name,
            Severity.INFO,
            confidence(margin),
            found.step,
            found.step,
            message,
            evidence,
            units,
            remedy,
        )


def _remedy() -> Remedy:
    return Remedy(
        Text("Check a hundred training labels by hand, those with the largest loss first."),
        'losses = torch.nn.functional.cross_entropy(model(x_train), y_train, reduction="none")\n'
        "print(losses.topk(100).indices)",
    )


def unexplained_gap(run: Run) -> float:
    """How far the training loss ends above the validation loss where nothing known sets them apart.

    Share of B0; NaN where dropout, batch normalisation, label smoothing, accumulated batches or an unknown
    network may do so, where the validation loss is no plain one, or where there are too few losses.
    """
    network, batches = run.info.network, run.get(MICRO_BATCHES)
    if network is None or not network.is_whole or network.dropouts or network.label_smoothing:
        return math.nan
    if any("BatchNorm" in kind or kind in MASKING for kind in network.operations) or not network.output:
        return math.nan
    if batches is not None and float(batches.values.max()) > 1.0:
        return math.nan
    try:
        curve, level, held_out = training_curve(run), levels(run), validation_curve(run, 3)
    except NotAssessable:
        return math.nan
    training, best = (
        level.skill(float(curve.medians[-1])),
        level.skill(float(np.median(held_out.values[-3:]))),
    )
    return best - training if best > TIMES * max(training, 0.0) else 0.0
