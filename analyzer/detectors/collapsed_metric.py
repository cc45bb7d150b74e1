"""A held-out metric that was good and fell to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import ACCURACY_VALIDATION
from traindoctor.run import Run
from traindoctor.text import Text

from ..measures import Measure, headline_metric
from ..phrases import confidence, measured, place, x_unit
from ..reference import require_progress_signal
from ..signal import median3


@dataclass(frozen=True)
class CollapsedMetric:
    """Reports a held-out metric that was good once and ended at nothing, or at chance.

    Only metrics where higher is better are judged, on at least `least_evaluations` values. The best 3-point
    median lies above `good` times the first value and above zero; the last `tail` values all lie below
    `share` of the best (for accuracies with a known number of classes: within a fifth of chance, counted
    from chance to the best). It begins with the last value above half the best.

    Why it matters: the last checkpoint is useless, and what happened there (a loss of only some of the
    classes, a threshold, a collapsed representation, NaN in the weights) is often invisible in the loss.

    When it is wrong: a test set that changes during training, or a metric that is reset on purpose.

    What to try: the checkpoint before the fall; compare predictions before and after; look at the learning
    rate and at what was switched on at that moment.

    Source: ours.

    Example:
        >>> from traindoctor.run import SeriesInfo
        >>> k = np.arange(20)
        >>> metric = Series(k, np.where(k < 14, 0.1 + 0.03 * k, 0.001))
        >>> info = RunInfo(series={"map50/validation": SeriesInfo("mAP50", "validation", "higher")})
        >>> [(f.severity.value, f.first_step) for f in CollapsedMetric().check(
        ...     Run("r", "r", {"map50/validation": metric}, info=info))]
        [('critical', 14)]
    """

    code: str = "TD409"
    name: str = "collapsed-metric"
    needs: tuple[str, ...] = ()
    least_evaluations: int = 6
    good: float = 1.2
    share: float = 0.2
    tail: int = 2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: no metric whose direction is known has enough values, or the loss is no progress
                signal.
        """
        require_progress_signal(run)
        metric = headline_metric(run, self.least_evaluations)
        if metric is None:
            raise NotAssessable(
                Text(
                    "no held-out metric with a known direction has {least_evaluations} values",
                    least_evaluations=self.least_evaluations,
                )
            )
        if not metric.is_higher_better:
            return
        values = -metric.series.values
        floor = self._floor(run, metric)
        best, end = float(median3(values)[:-1].max()), float(values[-self.tail :].max())
        if best - floor <= 0.0 or best < self.good * float(values[0]) or values.min() < min(0.0, floor):
            return
        if end - floor >= self.share * (best - floor):
            return
        yield self._finding(run, metric, values, best, floor)

    def _floor(self, run: Run, metric: Measure) -> float:
        known = run.info.n_classes > 1 and metric.name == ACCURACY_VALIDATION
        return 1.0 / run.info.n_classes if known else 0.0

    def _finding(self, run: Run, metric: Measure, values: np.ndarray, best: float, floor: float) -> Finding:
        steps, end = metric.series.steps, float(np.median(values[-self.tail :]))
        last_good = int(np.flatnonzero(values - floor >= 0.5 * (best - floor))[-1])
        start = int(steps[min(last_good + 1, steps.size - 1)])
        return Finding(
            self.code,
            self.name,
            Severity.CRITICAL,
            confidence((best - floor) / max(end - floor, 1e-9) * self.share),
            start,
            int(steps[-1]),
            Text(
                "The {label} collapsed at {place}: its best level was {best:.3g}, and it ended at {end:.3g}.",
                label=metric.label,
                place=place(run, start),
                best=best,
                end=end,
            ),
            *measured(
                {
                    "collapsed at": (start, x_unit(run)),
                    "best": (best, metric.unit),
                    "final": (end, metric.unit),
                    "nothing or chance": (floor, metric.unit),
                }
            ),
            Remedy(
                Text(
                    "Go back to the last checkpoint before {place}, and compare its predictions with "
                    "those after: one class only, a constant output, or values that are not finite?",
                    place=place(run, start),
                ),
                "print(torch.bincount(predictions, minlength=n_classes))",
            ),
        )
