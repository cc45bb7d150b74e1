"""Reference levels of a run's loss: what no model, an untrained model and the best moment reach."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Floats, Ints, Run, Series
from traindoctor.text import Text

from .measures import Measure, held_out
from .memo import memoised
from .phrases import is_native
from .signal import block_edges, block_medians, noise_sd

MIN_POINTS = 20
"""Fewer finite training losses than this say nothing about the trend of single steps."""

FEW_POINTS = 6
"""Fewer points than this say nothing about the trend of a curve whose points stand for many steps each."""

MIN_EVALUATIONS = 6
"""Fewer evaluations than this cannot show a best moment and a tail."""

N_BLOCKS = 20
LARGEST = 1e100  # beyond it squares overflow, and a loss that large is a failure whatever its digits
CROSS_ENTROPIES = ("cross_entropy", "nll_loss")


@dataclass(frozen=True, eq=False)
class Curve:
    """A training loss and its block medians.

    Attributes:
        steps: shape (n,), the run's x.
        values: shape (n,), finite losses.
        edges: shape (n_blocks + 1,), index bounds of the blocks in `values`.
        medians: shape (n_blocks,), median loss per block.
        noise: standard deviation of the point-to-point noise, loss units.
        label: what it is, e.g. `training loss`.
        measure: the held-out measure that stands in for a training loss; None for a training loss.
    """

    steps: Ints
    values: Floats
    edges: Ints
    medians: Floats
    noise: float
    label: str = Text("training loss")
    measure: Measure | None = None

    @property
    def unit(self) -> str:
        """Unit of the recorded values."""
        return "loss units" if self.measure is None else self.measure.unit

    @property
    def is_loss(self) -> bool:
        """Whether it is a loss, and no metric turned round."""
        return self.measure is None or self.measure.is_loss

    def recorded(self, value: float) -> float:
        """A value of the curve as the log has it: metrics are turned so that smaller is better."""
        return value if self.measure is None else self.measure.recorded(value)

    def first_step(self, block: int) -> int:
        """Step of the first point of a block."""
        return int(self.steps[self.edges[block]])

    def last_step(self, block: int) -> int:
        """Step of the last point of a block."""
        return int(self.steps[self.edges[block + 1] - 1])

    def best_block(self) -> int:
        """Index of the block with the lowest median."""
        return int(np.argmin(self.medians))


@dataclass(frozen=True)
class Levels:
    """Yardsticks for a loss, all in loss units.

    Attributes:
        baseline: B0, loss of the best constant predictor.
        baseline_source: where B0 came from, in words.
        baseline_known: False when B0 is only the loss at the start; detectors that need B0 then abstain.
        initial: median of the first three training losses.
        best: lowest block median of the training loss.
        progress: P = max(B0 - best, 0.25 |B0|), the unit of every size threshold.
    """

    baseline: float
    baseline_source: str
    baseline_known: bool
    initial: float
    best: float
    progress: float

    def skill(self, loss: float) -> float:
        """Share of the baseline loss that is gone: 1 - loss / B0. NaN where a loss can be negative."""
        if self.baseline <= 0.0 or self.best < 0.0:
            return float("nan")
        return 1.0 - loss / self.baseline


def require_progress_signal(run: Run) -> None:
    """Refuse runs whose loss does not fall when training goes well.

    Raises:
        NotAssessable: `run.info.loss_role` is not `progress`.
    """
    if run.info.loss_role != "progress":
        raise NotAssessable(
            Text(
                "the objective is {loss_role}: its value does not fall when training goes well, so "
                "judge the run by its own metric",
                loss_role=run.info.loss_role,
            )
        )


@memoised
def training_curve(run: Run, least: int = 0) -> Curve:
    """The finite training losses and their 20 block medians (as many as points where there are fewer).

    Raises:
        NotAssessable: fewer than `least` finite values (see `least_training_points` when it is 0), or the
            loss is no progress signal.
    """
    found = _finite_losses(run, LOSS_TRAIN)
    n, least = len(found), least or least_training_points(found, run)
    if n < max(least, 1):
        raise NotAssessable(
            Text("only {n} finite training losses; {least} are the least that show a trend", n=n, least=least)
        )
    return _curve(found)


def _curve(series: Series, measure: Measure | None = None) -> Curve:
    medians = block_medians(series.values, N_BLOCKS)
    label = Text("training loss") if measure is None else measure.label
    edges = block_edges(len(series), N_BLOCKS)
    return Curve(series.steps, series.values, edges, medians, noise_sd(series.values), label, measure)


@memoised
def main_curve(run: Run, least: int = FEW_POINTS) -> Curve:
    """The curve that tells how training went: the training loss, else a held-out loss, else a metric.

    A training loss of single steps must have `MIN_POINTS` values, other curves `least`.

    Raises:
        NotAssessable: none has enough points, or the loss is no progress signal.
    """
    train = _finite_losses(run, LOSS_TRAIN)
    if len(train) >= max(least, least_training_points(train, run)):
        return _curve(train)
    found = held_out(run, least)
    if found:
        first = found[0]
        values = np.clip(first.series.values, -LARGEST, LARGEST)
        return _curve(Series(first.series.steps, values), first)
    if len(train):
        raise NotAssessable(
            Text(
                "only {n_train} finite training losses; {least_training_points} are the least that "
                "show a trend",
                n_train=len(train),
                least_training_points=least_training_points(train, run),
            )
        )
    raise NotAssessable(
        Text(
            "no training loss, validation loss or metric with a known direction has {least} finite values",
            least=least,
        )
    )


def least_training_points(losses: Series, run: Run) -> int:
    """How many training losses show a trend: more where each belongs to one step and to no other."""
    steps = losses.steps
    spacing = float(np.median(np.diff(steps))) if len(losses) > 1 else 1.0
    is_single = run.info.x_unit == "optimizer steps" and spacing <= 1.0
    return MIN_POINTS if is_single or is_native(run) else FEW_POINTS


@memoised
def validation_curve(run: Run, least: int = MIN_EVALUATIONS) -> Series:
    """The finite validation losses.

    Raises:
        NotAssessable: fewer than `least` finite values, or the loss is no progress signal.
    """
    found = _finite_losses(run, LOSS_VALIDATION)
    if len(found) < max(least, 1):
        raise NotAssessable(
            Text(
                "only {n_found} evaluations with a finite validation loss; {least} are needed",
                n_found=len(found),
                least=least,
            )
        )
    return found


def _finite_losses(run: Run, name: str) -> Series:
    """The finite values of a loss, capped at `LARGEST`; empty when it was not recorded.

    Raises:
        NotAssessable: the loss is no progress signal.
    """
    require_progress_signal(run)
    finite = run.series.get(name, Series(np.empty(0, np.int64), np.empty(0))).finite()
    return Series(finite.steps, np.clip(finite.values, -LARGEST, LARGEST))


@memoised
def held_out_curve(run: Run, least: int = FEW_POINTS) -> Curve | None:
    """The validation loss as a curve, None when it has fewer than `least` finite values."""
    found = [measure for measure in held_out(run, least) if measure.is_loss]
    return _curve(found[0].series, found[0]) if found else None


@memoised
def levels(run: Run, least: int = 0) -> Levels:
    """The reference levels of the run's main curve, or of a training loss of at least `least` points.

    B0 comes from the training labels where the recorder saw them (`run.info.baseline`), else from the number
    of classes (ln C, exact for balanced classes); otherwise the loss before training stands in and
    `baseline_known` is False.

    Raises:
        NotAssessable: see `main_curve`.
    """
    return levels_of(run, training_curve(run, least) if least else main_curve(run))


def levels_of(run: Run, curve: Curve) -> Levels:
    """The reference levels of a curve."""
    initial = float(np.median(curve.values[:3]))
    best = float(curve.medians.min())
    source: str = Text("the first values of the {label}", label=curve.label)
    baseline, known = initial, False
    if curve.is_loss:
        baseline, source, known = _baseline(run, initial)
    progress = max(baseline - best, 0.25 * abs(baseline))
    if progress <= 0.0:  # a loss that starts at exactly 0
        progress = max(float(np.ptp(curve.medians)), float(np.finfo(np.float64).tiny))
    return Levels(baseline, source, known, initial, best, progress)


def validation_baseline(level: Levels, evaluations: Series) -> float:
    """B0 as a yardstick for the validation loss.

    Where B0 is unknown, the larger of the first validation and training losses: the first evaluation often
    comes late. A training loss that is ten times larger is counted in other units (summed over the batch).
    """
    if level.baseline_known:
        return level.baseline
    own = float(np.median(evaluations.values[:3]))
    return max(level.baseline, own) if level.baseline <= 10.0 * abs(own) else own


def _baseline(run: Run, initial: float) -> tuple[float, str, bool]:
    info = run.info
    if math.isfinite(info.baseline):
        return info.baseline, Text("the training labels"), True
    if info.n_classes > 1 and info.loss_name in CROSS_ENTROPIES:
        return (
            math.log(info.n_classes),
            Text("ln {n_classes} (balanced classes)", n_classes=info.n_classes),
            True,
        )
    validation = run.get(LOSS_VALIDATION)
    before = float(validation.values[0]) if validation is not None and validation.steps[0] == 0 else math.nan
    if math.isfinite(before):
        return float(np.clip(before, -LARGEST, LARGEST)), Text("the evaluation before training"), False
    return initial, Text("the first training losses"), False
