"""A validation loss that rises while the training loss falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import ACCURACY_VALIDATION, LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run

from ..evaluations import AfterBest, after_best
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, levels, training_curve, validation_baseline, validation_curve

KEEP_THE_BEST = """\
if validation_loss < best:
    best, waited = validation_loss, 0
    torch.save(model.state_dict(), "best.pt")
else:
    waited += 1
if waited >= 5:
    model.load_state_dict(torch.load("best.pt"))  # and leave the training loop"""


@dataclass(frozen=True)
class Overfitting:
    """Reports a validation loss that got worse after its best evaluation while training went on improving.

    The validation loss is smoothed by a 3-point median; its tail is the median of the last max(3, n/6)
    evaluations. It rose when the tail lies above the best by more than `sigmas` standard errors (from the
    evaluation-to-evaluation noise) and by more than `rise` of B0, at least as many evaluations as the tail
    has lie after the best, the training loss at the end is no higher than then, and at best at least
    `least_skill` of B0 was gone. Warning when the rise costs at least `material` of the progress on
    validation, a note otherwise.

    Why it matters: the last checkpoint is worse than an earlier one, and the steps since were wasted.

    When it is wrong: with noisy labels the validation loss may fall again much later (double descent), and a
    loss can rise from a few very confident errors while the accuracy still improves; the message says so.

    What to try: keep the best checkpoint and stop early; more data or augmentation, weight decay, dropout, a
    smaller model.

    Source: ours; a gap between the losses alone is not overfitting (Google's tuning playbook).

    Example:
        >>> steps, k = np.arange(1000), np.arange(20)
        >>> series = {"loss/train": Series(steps, 2.0 * np.exp(-steps / 200)),
        ...           "loss/validation": Series(50 * k + 49, 1.0 + np.abs(k - 6) * 0.05)}
        >>> [(f.severity.value, f.first_step) for f in Overfitting().check(Run("r", "r", series))]
        [('warning', 349)]
    """

    code: str = "TD401"
    name: str = "overfitting"
    needs: tuple[str, ...] = (LOSS_TRAIN, LOSS_VALIDATION)
    rise: float = 0.03
    sigmas: float = 3.0
    material: float = 0.1
    least_skill: float = 0.1
    least_evaluations: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few evaluations or losses, or the loss is no progress signal.
        """
        evaluations = validation_curve(run, self.least_evaluations)
        least = self.least_evaluations
        curve, level = training_curve(run, least), levels(run, least)
        after = after_best(evaluations)
        baseline = validation_baseline(level, evaluations)
        skill_at_best = (baseline - after.best) / abs(baseline) if baseline else 0.0
        sizable = self.rise * abs(baseline)
        if not level.baseline_known and after.best >= 0.1 * baseline:
            # The loss before training may be far above B0, so the best loss sets the scale as well.
            sizable = min(sizable, 0.05 * after.best)
        threshold = max(self.sigmas * after.standard_error, sizable)
        then, now = _training_levels(curve, after.best_step)
        if after.rise <= threshold or after.n_after < after.n_tail or skill_at_best < self.least_skill:
            return
        if now > then + 2.0 * curve.noise / np.sqrt(max(1.0, curve.values.size / curve.medians.size)):
            return
        progress = max(baseline - after.best, 0.25 * abs(baseline))
        yield self._finding(run, after, after.rise / progress, threshold, then, now)

    def _finding(
        self, run: Run, after: AfterBest, lost: float, threshold: float, then: float, now: float
    ) -> Finding:
        unit = x_unit(run)
        wasted, accuracy = after.last_step - after.best_step, accuracy_change(run, after.best_step)
        evidence, units = measured(
            {
                "best at": (after.best_step, unit),
                "best": (after.best, "loss units"),
                "final": (after.final, "loss units"),
                "rise": (after.rise, "loss units"),
                "progress lost": (lost, "fraction"),
                "after the best": (wasted, unit),
                "standard error": (after.standard_error, "loss units"),
                "training loss then": (then, "loss units"),
                "training loss at the end": (now, "loss units"),
            }
        )
        note = ""
        if accuracy is not None:
            evidence["accuracy change"], units["accuracy change"] = accuracy, "fraction"
            note = f" Accuracy changed by {accuracy:+.1%} over the same time."
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if lost >= self.material else Severity.INFO,
            confidence(after.rise / threshold),
            after.best_step,
            after.last_step,
            f"The model overfits from {place(run, after.best_step)} on: the validation loss rose from "
            f"{after.best:.3g} to {after.final:.3g} ({lost:.0%} of its progress) while the training loss "
            f"fell from {then:.3g} to {now:.3g}.{note}",
            evidence,
            units,
            Remedy(
                f"Use the checkpoint of {place(run, after.best_step)} and stop early: the {wasted} {unit} "
                "since were wasted. More data, augmentation or weight decay move that point later.",
                KEEP_THE_BEST,
            ),
        )


def _training_levels(curve: Curve, step: int) -> tuple[float, float]:
    """Block median of the training loss around a step, and at the end."""
    index = int(np.searchsorted(curve.steps, step, side="right")) - 1
    block = int(np.searchsorted(curve.edges, max(index, 0), side="right")) - 1
    return float(curve.medians[min(block, curve.medians.size - 1)]), float(curve.medians[-1])


def accuracy_change(run: Run, step: int) -> float | None:
    """Median of the last 3 validation accuracies minus that of the 3 around `step`; None when unknown."""
    series = run.get(ACCURACY_VALIDATION)
    finite = series.finite() if series is not None else None
    if finite is None or len(finite) < 6:
        return None
    middle = int(np.argmin(np.abs(finite.steps - step)))
    around = finite.values[max(0, middle - 1) : middle + 2]
    return float(np.median(finite.values[-3:]) - np.median(around))
