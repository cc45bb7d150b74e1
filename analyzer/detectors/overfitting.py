"""A held-out loss or metric that gets worse while the training loss falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import ACCURACY_VALIDATION, LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..evaluations import AfterBest, after_best
from ..measures import TRANSFORMED_LOSS, Measure, headline_metric, held_out, validation_loss
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, levels, require_progress_signal, training_curve, validation_baseline
from ..regularisation import regularisation_code
from ..signal import noise_sd


@dataclass(frozen=True)
class Overfitting:
    """Reports a held-out measure that got worse after its best evaluation while training went on improving.

    The validation loss is smoothed by a 3-point median; its tail is the median of the last max(3, n/6)
    evaluations. It rose when the tail lies above the best by more than `sigmas` standard errors (from the
    evaluation-to-evaluation noise) and by more than `rise` of B0, at least as many evaluations as the tail
    has lie after the best, the training loss at the end is no higher than then, and at best at least
    `least_skill` of B0 was gone. Warning when the rise costs at least `material` of the progress on
    validation (`material_alone` where the metric the run is judged by went on improving), a note otherwise.
    Where the loss did not rise or was not logged, the metric is judged the same way, if its direction is
    known: it must lose `metric_sigmas` standard errors and `metric_drop` of its progress; a warning comes
    at `metric_material` (`second` times that beside a loss that did not rise; accuracies: `accuracy_drop`
    and `accuracy_material`, as fractions of 1).

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
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    rise: float = 0.03
    sigmas: float = 3.0
    material: float = 0.1
    material_alone: float = 0.3
    least_skill: float = 0.1
    least_evaluations: int = 6
    metric_sigmas: float = 4.0
    metric_drop: float = 0.05
    metric_material: float = 0.15
    second: float = 2.0
    accuracy_drop: float = 0.02
    accuracy_material: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few evaluations or losses, or the loss is no progress signal.
        """
        require_progress_signal(run)
        measures = held_out(run, self.least_evaluations)
        if not measures:
            raise NotAssessable(_too_few_evaluations(run, self.least_evaluations))
        curve = training_curve(run, self.least_evaluations)
        for measure in measures:
            if measure.is_loss:
                found = self._loss(run, curve, measure)
            else:
                found = self._metric(run, curve, measure, 1.0 if len(measures) == 1 else self.second)
            if found is not None:
                yield found
                return

    def _loss(self, run: Run, curve: Curve, measure: Measure) -> Finding | None:
        level, after = levels(run, self.least_evaluations), after_best(measure.series)
        baseline = validation_baseline(level, measure.series)
        skill_at_best = (baseline - after.best) / abs(baseline) if baseline else 1.0
        sizable = self.rise * abs(baseline)
        if not level.baseline_known and after.best >= 0.1 * baseline:
            # The loss before training may be far above B0, so the best loss sets the scale as well.
            sizable = min(sizable, 0.05 * abs(after.best))
        threshold = max(self.sigmas * after.standard_error, sizable)
        then, now = _training_levels(curve, after.best_step)
        if after.rise <= threshold or after.n_after < after.n_tail or skill_at_best < self.least_skill:
            return None
        if now > then + _block_noise(curve):
            return None
        lost = after.rise / max(baseline - after.best, 0.25 * abs(baseline), 1e-300)
        change = metric_change(run, after.best_step)
        is_alone = change is not None and change.is_improvement
        is_material = lost >= (self.material_alone if is_alone else self.material)
        claim = Claim(measure, after, lost, after.rise / threshold, is_material, then, now)
        return self._finding(run, claim, change)

    def _metric(self, run: Run, curve: Curve, measure: Measure, strictness: float) -> Finding | None:
        after = after_best(measure.series)
        is_accuracy = measure.name == ACCURACY_VALIDATION
        scale = 1.0 if is_accuracy else measure.progress(after.best)
        least, material = self.metric_drop, self.metric_material
        if is_accuracy:
            least, material = self.accuracy_drop, self.accuracy_material
        threshold = max(self.metric_sigmas * after.standard_error, least * scale)
        gained = float(np.median(measure.series.values[:3])) - after.best
        then, now = _training_levels(curve, after.best_step)
        if (
            after.rise <= threshold
            or after.n_after < after.n_tail
            or gained < self.least_skill * abs(after.best)
        ):
            return None
        if now > then - _block_noise(curve):
            return None
        lost = after.rise / scale
        claim = Claim(measure, after, lost, after.rise / threshold, lost >= strictness * material, then, now)
        return self._finding(run, claim, None)

    def _finding(self, run: Run, claim: Claim, change: MetricChange | None) -> Finding:
        measure, after, unit = claim.measure, claim.after, x_unit(run)
        best, final = measure.recorded(after.best), measure.recorded(after.final)
        wasted = after.last_step - after.best_step
        is_share = measure.is_loss or measure.name != ACCURACY_VALIDATION
        evidence, units = measured(
            {
                "best at": (after.best_step, unit),
                "best": (best, measure.unit),
                "final": (final, measure.unit),
                "rise": (abs(final - best), measure.unit),
                "progress lost": (claim.lost, "fraction"),
                "after the best": (wasted, unit),
                "standard error": (after.standard_error, measure.unit),
                "training loss then": (claim.then, "loss units"),
                "training loss at the end": (claim.now, "loss units"),
            }
        )
        if change is not None:
            evidence |= {"metric then": change.then, "metric at the end": change.now}
            units |= dict.fromkeys(("metric then", "metric at the end"), change.unit)
        verb = Text("rose") if final > best else Text("fell")
        cost = Text(" ({lost:.0%} of its progress)", lost=claim.lost) if is_share else ""
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if claim.is_material else Severity.INFO,
            confidence(claim.margin),
            after.best_step,
            after.last_step,
            Text(
                "The model overfits from {place} on: the {label} {verb} from {best:.3g} to "
                "{final:.3g}{cost} while the training loss fell from {then:.3g} to {now:.3g}.{note}",
                place=place(run, after.best_step),
                label=measure.label,
                verb=verb,
                best=best,
                final=final,
                cost=cost,
                then=claim.then,
                now=claim.now,
                note=_note(change),
            ),
            evidence,
            units,
            Remedy(
                Text(
                    "Use the checkpoint of {place} and stop early: the {wasted} {unit} since were "
                    "wasted. More data, augmentation or weight decay move that point later; `traindoctor "
                    "prove RUN --new 'train.py with the change' -- train.py` says if it helped.",
                    place=place(run, after.best_step),
                    wasted=wasted,
                    unit=unit,
                ),
                regularisation_code(run, after.best_step) if measure.is_loss else "",
            ),
        )


@dataclass(frozen=True)
class Claim:
    """What speaks for overfitting: the measure, its course after the best moment, the training loss."""

    measure: Measure
    after: AfterBest
    lost: float
    margin: float
    is_material: bool
    then: float
    now: float


@dataclass(frozen=True)
class MetricChange:
    """A held-out metric around the best loss and at the end (medians of 3), as the log has it."""

    label: str
    then: float
    now: float
    unit: str
    is_improvement: bool


def metric_change(run: Run, step: int) -> MetricChange | None:
    """What the metric the run is judged by did since `step`; None when none was logged often enough."""
    metric = headline_metric(run, 6)
    if metric is None or metric.name.split("/")[0] in TRANSFORMED_LOSS:
        return None
    values = metric.series.values
    middle = int(np.argmin(np.abs(metric.series.steps - step)))
    then, now = float(np.median(values[max(0, middle - 1) : middle + 2])), float(np.median(values[-3:]))
    is_improvement = then - now > 2.0 * noise_sd(values)
    return MetricChange(
        metric.label, metric.recorded(then), metric.recorded(now), metric.unit, is_improvement
    )


def _note(change: MetricChange | None) -> str:
    if change is None:
        return ""
    course = Text("still improved") if change.is_improvement else Text("went")
    return Text(
        " The {label} {course} from {then:.3g} to {now:.3g} over the same time.",
        label=change.label,
        course=course,
        then=change.then,
        now=change.now,
    )


def _too_few_evaluations(run: Run, least: int) -> str:
    loss = validation_loss(run)
    if loss is None:
        return Text("no validation loss and no metric with a known direction was recorded often enough")
    return Text(
        "only {n_series} evaluations with a finite validation loss; {least} are needed",
        n_series=len(loss.series),
        least=least,
    )


def _block_noise(curve: Curve) -> float:
    """Two standard errors of a block's level, loss units."""
    return 2.0 * curve.noise / float(np.sqrt(max(1.0, curve.values.size / curve.medians.size)))


def _training_levels(curve: Curve, step: int) -> tuple[float, float]:
    """Block median of the training loss around a step, and at the end."""
    index = int(np.searchsorted(curve.steps, step, side="right")) - 1
    block = int(np.searchsorted(curve.edges, max(index, 0), side="right")) - 1
    return float(curve.medians[min(block, curve.medians.size - 1)]), float(curve.medians[-1])
