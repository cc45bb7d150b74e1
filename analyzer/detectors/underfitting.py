"""A training that has ended with a high loss on the very data it learned from."""

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

from ..causes import NARROWEST
from ..network import has_operation
from ..parameter_signals import matrices
from ..phrases import confidence, measured, x_unit
from ..reference import training_curve, validation_curve
from ..trend import late_trend
from ..undivided import known_levels


@dataclass(frozen=True)
class Underfitting:
    """Reports a model that did learn, has stopped, and still fits its own training data badly.

    The training skill 1 - loss/B0 lies between `least_skill` (below, it has not learned at all, which is
    another check's) and `poor_skill`; the last quarter does not fall any more, or gains less than `slow` of
    the progress made if its trend goes on; and the validation loss is no higher than the training loss by
    `gap` of B0. Where it is lower by that much, the regularisation is named as the likely reason. Needs a
    constant predictor that is known; for a binary cross-entropy ln 2 will do, which its loss never exceeds. A
    note; a warning where both the training skill and the validation skill are below `very_poor` (not for
    networks that look up tokens, of which the next can often only be guessed), or where a
    hidden layer has at most `narrow` units, no more than it is given; then a gain of five times `slow` is
    still called little, and a model that has not learned at all counts, too. Where every hidden layer is that
    narrow it is a warning with a skill below `good_skill` in training and in validation, whatever the trend.

    Why it matters: more data, early stopping and regularisation, the remedies for overfitting, make it worse.
    What limits the run is the model, its optimisation, or what the inputs say about the labels.

    When it is wrong: labels that can only be guessed: no model gets lower, however large.

    What to try: a wider or deeper model, less dropout and weight decay, and another learning rate; if none
    of them changes anything, the floor lies in the data.

    Source: ours; the distinction is the usual one of bias and variance (Goodfellow, Bengio and Courville
    2016, section 5.2).

    Example:
        >>> steps = np.arange(1000)
        >>> losses = 1.9 + 0.4 * np.exp(-steps / 50)
        >>> series = {"loss/train": Series(steps, losses),
        ...           "loss/validation": Series(steps[99::100], losses[99::100] + 0.01)}
        >>> run = Run("r", "r", series, info=RunInfo(baseline=2.3, n_classes=10, loss_name="cross_entropy"))
        >>> [(f.severity.value, round(f.evidence["training skill"], 2)) for f in Underfitting().check(run)]
        [('warning', 0.17)]
    """

    code: str = "TD402"
    name: str = "underfitting"
    needs: tuple[str, ...] = (LOSS_TRAIN, LOSS_VALIDATION)
    least_skill: float = 0.1
    poor_skill: float = 0.5
    very_poor: float = 0.2
    narrow: int = 4
    good_skill: float = 0.85
    slow: float = 0.03
    gap: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses or evaluations, no progress signal, or the loss of a constant answer
                is unknown.
        """
        curve, level, evaluations = training_curve(run), known_levels(run), validation_curve(run, 3)
        is_thin = widest(run) <= self.narrow
        if not level.baseline_known and not is_thin:
            raise NotAssessable(
                Text("the loss of the best constant predictor is unknown: the labels were not seen")
            )
        trend = late_trend(run)
        skill = level.skill(float(curve.medians[-1]))
        held_out = float(np.median(evaluations.values[-3:]))
        above = (held_out - float(curve.medians[-1])) / level.baseline
        fall = trend.largest_gain(trend.length) / level.progress
        width = narrowest(run)
        is_narrow = width <= self.narrow
        is_still = trend.slope.value >= 0.0 or fall < (5.0 if is_narrow else 1.0) * self.slow
        least = -math.inf if is_narrow or is_thin else self.least_skill
        if is_thin:  # whatever the trend: nothing wider than this can come out of it
            width, is_narrow = widest(run), True
            if not max(skill, level.skill(held_out)) < self.good_skill:
                return
        elif not least < skill < self.poor_skill or not is_still or above > self.gap:
            return
        both = max(skill, level.skill(held_out))
        is_regularised = above < -self.gap
        why = (
            Text(
                " The held-out loss is lower than the training loss, so dropout, augmentation or "
                "another regulariser takes its part."
            )
            if is_regularised
            else ""
        )
        if is_narrow:
            why += Text(" Its narrowest hidden layer has {width} units.", width=width)
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING
            if is_narrow or (both < self.very_poor and not has_operation(run, "Embedding"))
            else Severity.INFO,
            confidence(self.poor_skill / max(skill, self.least_skill)),
            0 if is_narrow else trend.first_step,
            trend.last_step,
            Text(
                "The model underfits: on its own training data it lost only {skill:.0%} of the loss "
                "of a constant answer, and the last {length} {x_unit} changed little.{why}",
                skill=max(skill, 0.0),
                length=trend.length,
                x_unit=x_unit(run),
                why=why,
            ),
            *measured(
                {
                    "training skill": (skill, "share of the constant predictor's loss"),
                    "validation skill": (level.skill(held_out), "share of the constant predictor's loss"),
                    "validation above training": (above, "share of the constant predictor's loss"),
                    "window": (trend.length, x_unit(run)),
                    "largest gain": (fall, "share of progress"),
                    "constant predictor": (level.baseline, "loss units"),
                }
                | ({NARROWEST: (width, "units")} if is_narrow else {})
            ),
            _remedy(is_regularised),
        )


def _remedy(is_regularised: bool) -> Remedy:
    if is_regularised:
        return Remedy(
            Text("Lower the dropout and the weight decay first, then enlarge the model."),
            "for module in model.modules():\n"
            "    if isinstance(module, torch.nn.Dropout):\n"
            "        module.p /= 3",
        )
    return Remedy(
        Text(
            "Double the width of the model and check that there is a nonlinearity between its "
            "layers; if the training loss does not move, look for what the inputs do not say."
        )
    )


def widest(run: Run) -> int:
    """Values that the widest hidden layer passes on; a large number without any, or with convolutions."""
    hidden = matrices(run)[1:]
    if not hidden or any(len(info.shape) != 2 for info in matrices(run)):
        return 1 << 30
    return max(info.shape[1] for info in hidden)


def narrowest(run: Run) -> int:
    """Units of the narrowest hidden layer that is narrower than its input; a large number without any."""
    hidden = [info for info in matrices(run)[:-1] if len(info.shape) == 2]
    return min((info.shape[0] for info in hidden if info.shape[0] <= info.shape[1]), default=1 << 30)
