"""A held-out metric that never moves although the loss falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..measures import Measure, better, headline_metric
from ..phrases import confidence, measured, place, x_unit
from ..reference import levels, require_progress_signal, training_curve


@dataclass(frozen=True)
class StuckMetric:
    """Reports a held-out metric that stays at zero, or at one value, while the training loss falls.

    The metric that the run is judged by must have at least `least_evaluations` values and be either exactly
    constant, other than perfect, or (where higher is better) never above `nothing`. The training loss fell
    by more than `fall` of its first value meanwhile. No other metric of the same split may have moved: then
    the metric is a hard one, not a broken one.

    Why it matters: the model may well learn; what is evaluated is something else (wrong label mapping, class
    ids off by one, an empty prediction after thresholding, weights that are not loaded), so that
    checkpoints, early stopping and comparisons all rest on a number that means nothing.

    When it is wrong: metrics that stay at zero for long and then jump, such as exact match on hard tasks;
    a run cut before that.

    What to try: evaluate a few training samples by hand: the metric there must be high once the loss is low.

    Source: ours.

    Example:
        >>> from traindoctor.run import SeriesInfo
        >>> k = np.arange(20)
        >>> series = {"loss/train": Series(k, np.geomspace(2.0, 0.1, 20)),
        ...           "dice/validation": Series(k, np.zeros(20))}
        >>> info = RunInfo(series={"dice/validation": SeriesInfo("dice", "validation", "higher")})
        >>> [(f.severity.value, f.first_step) for f in StuckMetric().check(Run("r", "r", series, info=info))]
        [('warning', 0)]
    """

    code: str = "TD408"
    name: str = "stuck-metric"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    least_evaluations: int = 6
    nothing: float = 0.01
    fall: float = 0.3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: no metric with a known direction has enough values, too few training losses, or the
                loss is no progress signal.
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
        curve, level = training_curve(run), levels(run, self.least_evaluations)
        fallen = float(np.median(curve.values[:3])) - float(curve.medians[-1])
        if not self._is_stuck(metric) or self._others_move(run, metric):
            return
        if fallen <= self.fall * abs(level.initial):
            return
        yield self._finding(run, metric, level.initial, float(curve.medians[-1]), fallen / abs(level.initial))

    def _is_stuck(self, metric: Measure) -> bool:
        values = metric.series.values
        if float(np.ptp(values)) == 0.0:
            perfect = (-1.0, -100.0) if metric.is_higher_better else (0.0,)
            return float(values[0]) not in perfect
        return metric.is_higher_better and self._is_nothing(-values)

    def _is_nothing(self, values: np.ndarray) -> bool:
        return float(values.max()) <= self.nothing and float(values.min()) >= -self.nothing

    def _others_move(self, run: Run, metric: Measure) -> bool:
        split = metric.name.rpartition("/")[2]
        for name, series in run.series.items():
            quantity, _, where = name.rpartition("/")
            if name == metric.name or where != split or quantity.endswith("loss"):
                continue
            values = series.finite().values
            is_judged = better(run, name) == "higher" and values.size >= self.least_evaluations
            if is_judged and float(np.ptp(values)) > 0.0 and not self._is_nothing(values):
                return True
        return False

    def _finding(self, run: Run, metric: Measure, initial: float, final: float, fall: float) -> Finding:
        recorded = np.array([metric.recorded(float(value)) for value in metric.series.values])
        low, high, n = float(recorded.min()), float(recorded.max()), recorded.size
        first, last = int(metric.series.steps[0]), int(metric.series.steps[-1])
        what = (
            Text("{low:.3g} in all {n} evaluations", low=low, n=n)
            if low == high
            else Text("at most {high:.3g} in {n} evaluations", high=high, n=n)
        )
        return Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(fall / self.fall),
            first,
            last,
            Text(
                "The {label} is stuck: it was {what} up to {place}, while the training loss fell "
                "from {initial:.3g} to {final:.3g}. The evaluation is more likely broken than the "
                "model.",
                label=metric.label,
                what=what,
                place=place(run, last),
                initial=initial,
                final=final,
            ),
            *measured(
                {
                    "lowest": (low, metric.unit),
                    "highest": (high, metric.unit),
                    "evaluations": (n, "evaluations"),
                    "last at": (last, x_unit(run)),
                    "training loss at first": (initial, "loss units"),
                    "training loss at the end": (final, "loss units"),
                }
            ),
            Remedy(
                Text(
                    "Evaluate a few training samples by hand and compare predictions with labels: label "
                    "mapping, thresholds, model.eval(), and whether the trained weights are the ones "
                    "evaluated."
                ),
                "model.eval()\nwith torch.no_grad():\n    print(model(x_train[:8]).argmax(-1), y_train[:8])",
            ),
        )
