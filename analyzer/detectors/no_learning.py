"""A model that never got better than a constant answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_VALIDATION
from traindoctor.run import Run
from traindoctor.text import Text

from ..extent import training_samples
from ..measures import held_out
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, Levels, main_curve
from ..signal import block_medians, mann_kendall_z, median3
from ..trend import late_trend
from ..undivided import known_levels

OVERFIT_ONE_BATCH = """\
x, y = next(iter(train_loader))          # a sound model and loss reach ~0 on one batch
for step in range(200):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
print(loss.item())"""


@dataclass(frozen=True)
class NoLearning:
    """Reports a run whose loss never beat the best constant predictor.

    The best smoothed validation loss (3-point median; the best of 20 block medians of the training loss where
    there was no evaluation) is at least `share` of B0, the loss of the best constant predictor, after at
    least `least_steps` steps. Where the training loss itself is far below B0, the model memorised without
    generalising, and the labels are the suspect, except where fewer than `few_samples` training samples were
    learned to a quarter of B0. For a binary cross-entropy whose labels were not counted ln 2 stands in for
    B0, which is never above it, if the loss begins there. A note when the loss was still falling
    significantly at the end. Where B0 is unknown, only a loss without any trend counts: block medians that
    neither fall nor rise (Mann-Kendall score within 1.64) and a best one less than `flat` below the first
    losses, in a log that holds the beginning of the run, and no held-out measure that improved. A note where
    only a validation loss was logged.

    Why it matters: the model answers as if it had not seen the input; the whole run is wasted.

    When it is wrong: targets that cannot be predicted from the input at all, a loss reported in other units
    than B0, and fine-tuning that starts where it ends.

    What to try: overfit one batch; if that fails, the wiring, the loss or the learning rate are wrong; if it
    works, look at labels, shuffling and features.

    Source: ours; overfitting one batch is Karpathy's recipe for training neural networks.

    Example:
        >>> losses = 2.3 + 0.05 * np.random.default_rng(0).normal(size=500)
        >>> info = RunInfo(baseline=2.3026)
        >>> run = Run("r", "r", {"loss/train": Series(np.arange(500), losses)}, info=info)
        >>> [f.severity.value for f in NoLearning().check(run)]
        ['critical']
    """

    code: str = "TD107"
    name: str = "no-learning"
    needs: tuple[str, ...] = ()
    share: float = 0.9
    flat: float = 0.05
    least_steps: int = 200
    few_samples: int = 100

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses or steps, the loss is no progress signal, or the loss stays above B0
                in a way that speaks for other units.
        """
        curve, level = main_curve(run), known_levels(run)
        if run.info.x_unit == "optimizer steps" and run.n_steps < self.least_steps:
            raise NotAssessable(
                Text(
                    "only {n_steps} steps; {least_steps} are needed before a verdict",
                    n_steps=run.n_steps,
                    least_steps=self.least_steps,
                )
            )
        if not level.baseline_known or level.baseline <= 0.0:
            yield from self._without_baseline(run, curve, level)
            return
        on_validation = _best_validation(run)
        reached = level.best if math.isnan(on_validation) else on_validation
        if reached < self.share * level.baseline:
            return
        if level.best < 0.25 * level.baseline and training_samples(run) < self.few_samples:
            return  # too few samples to generalise from: the gap between the losses is another check's
        is_learning = level.best < (1.0 - 2.0 * (1.0 - self.share)) * level.baseline
        if not is_learning and level.best > 1.5 * level.baseline and level.best < 0.5 * level.initial:
            raise NotAssessable(
                Text(
                    "the loss fell to {best:.3g}, still far above the constant predictor's "
                    "{baseline:.3g}: it seems to be reported in other units",
                    best=level.best,
                    baseline=level.baseline,
                )
            )
        yield self._finding(run, level, reached, is_learning, int(curve.steps[0]), int(curve.steps[-1]))

    def _finding(
        self, run: Run, level: Levels, reached: float, is_learning: bool, first: int, last: int
    ) -> Finding:
        evidence = {
            "best loss": reached,
            "constant predictor": level.baseline,
            "best training loss": level.best,
            "share of the constant predictor's loss": reached / level.baseline,
        }
        units = dict.fromkeys(evidence, "loss units")
        units["share of the constant predictor's loss"] = "fraction"
        if is_learning:
            message, remedy = _memorises(level, reached)
            return Finding(
                self.code, self.name, Severity.CRITICAL, 0.9, first, last, message, evidence, units, remedy
            )
        is_falling = late_trend(run).is_falling
        message = Text(
            "The model never beat a constant answer: its best loss is {reached:.3g}, and "
            "answering the same for every input gives {baseline:.3g}.",
            reached=reached,
            baseline=level.baseline,
        ) + (Text(" It was still falling at the end.") if is_falling else "")
        margin = reached / level.baseline / self.share
        return Finding(
            self.code,
            self.name,
            Severity.INFO if is_falling else Severity.CRITICAL,
            confidence(1.0 + 10.0 * (margin - 1.0)),
            first,
            last,
            message,
            evidence,
            units,
            _remedy(run),
        )

    def _has_no_trend(self, curve: Curve, level: Levels) -> bool:
        if level.initial == 0.0:
            return False
        fall = max(level.initial, float(curve.medians[0])) - level.best
        return abs(mann_kendall_z(curve.medians)) < 1.64 and fall < self.flat * abs(level.initial)

    def _without_baseline(self, run: Run, curve: Curve, level: Levels) -> Iterator[Finding]:
        if not curve.is_loss:
            raise NotAssessable(Text("no loss was logged; a metric alone does not show where learning began"))
        if not _holds_the_beginning(curve):
            raise NotAssessable(
                Text("the log begins at {place}, after the run did", place=place(run, int(curve.steps[0])))
            )
        if not self._has_no_trend(curve, level) or _held_out_improves(run):
            return
        is_training = curve.measure is None
        n = int(curve.steps[-1] - curve.steps[0]) + 1
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING if is_training else Severity.INFO,
            0.7,
            int(curve.steps[0]),
            int(curve.steps[-1]),
            Text(
                "The {label} has no trend: it began at {initial:.3g}, and its best level in {n} "
                "{x_unit} is {best:.3g}.",
                label=curve.label,
                initial=level.initial,
                n=n,
                x_unit=x_unit(run),
                best=level.best,
            ),
            *measured(
                {
                    "first losses": (level.initial, "loss units"),
                    "best loss": (level.best, "loss units"),
                    "fall": (level.initial - level.best, "loss units"),
                    "length": (n, x_unit(run)),
                }
            ),
            _remedy(run),
        )


def _holds_the_beginning(curve: Curve) -> bool:
    """Whether the first point is no later than two logging intervals, or a tenth of the run."""
    spacing = float(np.median(np.diff(curve.steps)))
    return float(curve.steps[0]) <= max(2.0 * spacing, 0.1 * float(curve.steps[-1]))


def _held_out_improves(run: Run) -> bool:
    """Whether a held-out measure got better, significantly (1 %, one-sided) and by more than a twentieth."""
    for measure in held_out(run, 4):
        values = block_medians(measure.series.values)
        start = float(np.median(values[:3]))
        if mann_kendall_z(values) < -2.33 and start - float(values.min()) > 0.05 * abs(start):
            return True
    return False


def _memorises(level: Levels, reached: float) -> tuple[str, Remedy]:
    """Message and remedy where training works and nothing carries over to validation."""
    message = Text(
        "The model memorises but does not generalise: the training loss fell to {best:.3g}, "
        "while the validation loss never got below {reached:.3g}, and a constant answer "
        "gives {baseline:.3g}.",
        best=level.best,
        reached=reached,
        baseline=level.baseline,
    )
    return message, Remedy(
        Text(
            "Check that labels belong to their inputs, that training and validation data are "
            "prepared the same way, and that there are enough training data."
        ),
        "for x, y in itertools.islice(train_loader, 3):\n    print(x.mean(), x.std(), y[:10])",
    )


def _best_validation(run: Run) -> float:
    """Best 3-point median of the validation loss; NaN with fewer than 2 finite evaluations."""
    series = run.get(LOSS_VALIDATION)
    finite = series.finite().values if series is not None else np.empty(0)
    return float(median3(finite).min()) if finite.size >= 2 else float("nan")


def _remedy(run: Run) -> Remedy:
    return Remedy(
        Text(
            "Try to overfit one batch: if that fails, the wiring or the learning rate is wrong, "
            "else look at the data."
        ),
        OVERFIT_ONE_BATCH,
    )
