"""A run that went on long after its best evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import ACCURACY_VALIDATION, LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run, Series

from ..evaluations import AfterBest, after_best
from ..phrases import confidence, measured, place, x_unit
from ..reference import MIN_EVALUATIONS, levels, require_progress_signal, validation_baseline


@dataclass(frozen=True)
class TrainedPastBest:
    """Reports that the last model is worse than an earlier one, and how much compute came after the best.

    The held-out measure (validation loss, else validation accuracy) is smoothed by a 3-point median. Its
    best evaluation lies at least `late` of the run before the end, and the tail, the median of the last
    max(3, n/6) evaluations, is worse by more than `sigmas` standard errors and by more than `least_rise` of
    the progress on that measure (`least_drop` for accuracy). Warning when the loss is worse by `material` of
    that progress (accuracy by `material_drop`), a note otherwise.

    Why it matters: whoever uses the last checkpoint gets a worse model, and pays for the steps besides.

    When it is wrong: the best evaluation of many is partly luck, which the tail's standard error only partly
    allows for; with noisy labels the measure may improve again later.

    What to try: keep the best checkpoint, stop early, or plan the learning-rate decay to end there.

    Source: ours.

    Example:
        >>> k = np.arange(20)
        >>> accuracy = Series(50 * k + 49, 0.9 - 0.01 * np.abs(k - 8))
        >>> [(f.severity.value, f.first_step) for f in TrainedPastBest().check(
        ...     Run("r", "r", {"accuracy/validation": accuracy}))]
        [('warning', 449)]
    """

    code: str = "TD407"
    name: str = "trained-past-best"
    needs: tuple[str, ...] = ()
    late: float = 0.2
    sigmas: float = 4.0
    least_rise: float = 0.05
    least_drop: float = 0.02
    material: float = 0.1
    material_drop: float = 0.05
    least_evaluations: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: no held-out measure with at least `least_evaluations` values, or the loss is no
                progress signal.
        """
        require_progress_signal(run)
        evaluations, is_loss = self._measure(run)
        after = after_best(evaluations)
        unit_of_progress = _loss_progress(run, after, evaluations) if is_loss else 1.0
        least = self.least_rise if is_loss else self.least_drop
        material = self.material if is_loss else self.material_drop
        since = after.last_step - after.best_step
        lost = after.rise / unit_of_progress
        threshold = max(self.sigmas * after.standard_error / unit_of_progress, least)
        if lost <= threshold or since < self.late * run.n_steps:
            return
        yield self._finding(run, after, is_loss, lost, threshold, lost >= material)

    def _measure(self, run: Run) -> tuple[Series, bool]:
        """The measure to judge by, turned so that smaller is better, and whether it is a loss."""
        for name, is_loss in ((LOSS_VALIDATION, True), (ACCURACY_VALIDATION, False)):
            series = run.get(name)
            finite = series.finite() if series is not None else None
            if finite is not None and len(finite) >= self.least_evaluations:
                return (finite, True) if is_loss else (Series(finite.steps, -finite.values), False)
        raise NotAssessable(
            f"fewer than {self.least_evaluations} evaluations of a validation loss or accuracy"
        )

    def _finding(
        self, run: Run, after: AfterBest, is_loss: bool, lost: float, threshold: float, is_material: bool
    ) -> Finding:
        what, unit, sign = ("loss", "loss units", 1.0) if is_loss else ("accuracy", "fraction", -1.0)
        best, final = sign * after.best, sign * after.final
        since = after.last_step - after.best_step
        share = since / max(run.n_steps, 1)
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_material else Severity.INFO,
            confidence(lost / threshold),
            after.best_step,
            after.last_step,
            f"The best model was at {place(run, after.best_step)}: validation {what} {best:.3g} then, "
            f"{final:.3g} at the end. {share:.0%} of the run came after it.",
            *measured(
                {
                    "best at": (after.best_step, x_unit(run)),
                    "best": (best, unit),
                    "final": (final, unit),
                    "share after": (share, "fraction"),
                    "lost": (lost, "share of progress" if is_loss else "fraction"),
                }
            ),
            Remedy(
                f"Use the checkpoint of {place(run, after.best_step)}, and plan the next run to end there: "
                f"{after.best_step + 1} {x_unit(run)}.",
                f"if validation_{what} {'<' if is_loss else '>'} best:\n"
                f"    best = validation_{what}\n"
                '    torch.save(model.state_dict(), "best.pt")',
            ),
        )


def _loss_progress(run: Run, after: AfterBest, evaluations: Series) -> float:
    """Fall of the validation loss that the best moment stands for, loss units."""
    baseline = float(np.median(evaluations.values[:3]))
    if run.get(LOSS_TRAIN) is not None:
        with suppress(NotAssessable):
            baseline = validation_baseline(levels(run, MIN_EVALUATIONS), evaluations)
    return max(baseline - after.best, 0.25 * abs(baseline), 1e-300)
