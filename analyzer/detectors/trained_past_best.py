"""A run that went on long after its best evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import ACCURACY_VALIDATION, LOSS_TRAIN
from traindoctor.run import Run, Series
from traindoctor.text import Text

from ..evaluations import AfterBest, after_best
from ..extent import extent
from ..measures import Measure, held_out
from ..phrases import confidence, measured, place, x_unit
from ..reference import MIN_EVALUATIONS, levels, require_progress_signal, validation_baseline


@dataclass(frozen=True)
class TrainedPastBest:
    """Reports that the last model is worse than an earlier one, and how much compute came after the best.

    The held-out measure (the validation loss; where it shows nothing or was not logged, the metric the run
    is judged by, if its direction is known) is smoothed by a 3-point median. Its best evaluation lies at
    least `late` of the run before the end, and the tail, the median of the last max(3, n/6) evaluations, is
    worse by more than `sigmas` standard errors and by more than `least_rise` of the progress on that
    measure (`least_drop` for accuracy). Warning when it is worse by `material` of that progress (accuracy
    by `material_drop`, other metrics by `material_metric`; beside a loss that did not turn, by `second`
    times that), a note otherwise.

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
    material_metric: float = 0.15
    material_drop: float = 0.05
    second: float = 2.0
    least_evaluations: int = 6

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, about the first measure that turned.

        Raises:
            NotAssessable: no held-out measure with at least `least_evaluations` values, or the loss is no
                progress signal.
        """
        require_progress_signal(run)
        measures = held_out(run, self.least_evaluations)
        if not measures:
            raise NotAssessable(
                Text(
                    "fewer than {least_evaluations} evaluations of a validation loss or of a metric "
                    "whose direction is known",
                    least_evaluations=self.least_evaluations,
                )
            )
        for measure in measures:
            is_second = not measure.is_loss and len(measures) > 1
            found = self._turned(run, measure, self.second if is_second else 1.0)
            if found is not None:
                yield found
                return

    def _turned(self, run: Run, measure: Measure, strictness: float) -> Finding | None:
        after = after_best(measure.series)
        least, material, scale = self.least_rise, self.material_metric, measure.progress(after.best)
        if measure.is_loss:
            material, scale = self.material, _loss_progress(run, after, measure.series)
        elif measure.name == ACCURACY_VALIDATION:
            least, material, scale = self.least_drop, self.material_drop, 1.0
        since = after.last_step - after.best_step
        lost = after.rise / scale
        threshold = max(self.sigmas * after.standard_error / scale, least)
        if lost <= threshold or since < self.late * extent(run).length:
            return None
        return self._finding(run, measure, after, lost, lost / threshold, lost >= strictness * material)

    def _finding(
        self, run: Run, measure: Measure, after: AfterBest, lost: float, margin: float, is_material: bool
    ) -> Finding:
        best, final = measure.recorded(after.best), measure.recorded(after.final)
        share = (after.last_step - after.best_step) / max(extent(run).length, 1)
        is_share = measure.name != ACCURACY_VALIDATION
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_material else Severity.INFO,
            confidence(margin),
            after.best_step,
            after.last_step,
            Text(
                "The best model was at {place}: {label} {best:.3g} then, {final:.3g} at the end. "
                "{share:.0%} of the run came after it.",
                place=place(run, after.best_step),
                label=measure.label,
                best=best,
                final=final,
                share=share,
            ),
            *measured(
                {
                    "best at": (after.best_step, x_unit(run)),
                    "best": (best, measure.unit),
                    "final": (final, measure.unit),
                    "share after": (share, "fraction"),
                    "lost": (lost, "share of progress" if is_share else "fraction"),
                }
            ),
            _remedy(run, measure, after.best_step),
        )


def _remedy(run: Run, measure: Measure, best_step: int) -> Remedy:
    """Keep the best checkpoint; the metric's name is foreign text, so the code says only what it is."""
    what = "loss" if measure.is_loss else "accuracy" if measure.name == ACCURACY_VALIDATION else "metric"
    return Remedy(
        Text(
            "Use the checkpoint of {place}, and plan the next run to end there.", place=place(run, best_step)
        ),
        f"if validation_{what} {'>' if measure.is_higher_better else '<'} best:\n"
        f"    best = validation_{what}\n"
        '    torch.save(model.state_dict(), "best.pt")',
    )


def _loss_progress(run: Run, after: AfterBest, evaluations: Series) -> float:
    """Fall of the validation loss that the best moment stands for, loss units."""
    baseline = float(np.median(evaluations.values[:3]))
    if run.get(LOSS_TRAIN) is not None:
        with suppress(NotAssessable):
            baseline = validation_baseline(levels(run, MIN_EVALUATIONS), evaluations)
    return max(baseline - after.best, 0.25 * abs(baseline), 1e-300)
