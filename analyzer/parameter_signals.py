"""What detectors read from per-parameter series: tables over sampled steps, by role and in depth order."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.run import Floats, Ints, ParameterInfo, Run, Series
from traindoctor.text import Text

from .memo import memoised

SIGMAS = 3.0
"""Standard errors within which the moments of weights are those of a recipe."""


@dataclass(frozen=True, eq=False)
class Table:
    """One quantity of several parameters over the sampled steps.

    Attributes:
        names: parameters in forward order.
        steps: shape (n,), every step at which one of them was sampled.
        values: shape (n, len(names)); NaN where a parameter was not sampled or was recorded as NaN.
    """

    names: tuple[str, ...]
    steps: Ints
    values: Floats

    def column(self, name: str) -> Floats:
        """Values of one parameter, shape (n,)."""
        return self.values[:, self.names.index(name)]

    def median(self) -> Series:
        """Median over the parameters per step, only where some value is finite or infinite (not NaN)."""
        medians = known_median(self.values, axis=1)
        known = ~np.isnan(medians)
        return Series(self.steps[known], medians[known])


def known_median(values: Floats, axis: int | None = None) -> Floats:
    """Median of the values that are not NaN; NaN where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy warns of slices without a known value
        return np.asarray(np.nanmedian(values, axis=axis), dtype=np.float64)


@memoised
def matrices(run: Run) -> tuple[ParameterInfo, ...]:
    """Trainable weight matrices and kernels that an optimizer holds, in forward order.

    Where the log does not say which ones an optimizer holds, all trainable ones count; where it says nothing
    about roles, every recorded parameter whose name ends in `weight`.
    """
    known = tuple(p for p in run.info.parameters if p.role == "matrix" and p.trainable)
    held = tuple(p for p in known if p.group)
    if run.info.parameters:
        return held if any(p.group for p in run.info.parameters) else known
    recorded = run.parameter("weight_norm") or run.parameter("update_ratio")
    return tuple(ParameterInfo(name, (), "matrix") for name in recorded if name.endswith("weight"))


@memoised
def table(run: Run, quantity: str, names: tuple[str, ...]) -> Table:
    """One quantity of the named parameters; those that were not recorded are left out."""
    recorded = run.parameter(quantity)
    kept = tuple(name for name in names if name in recorded and len(recorded[name]))
    if not kept:
        return Table((), np.empty(0, dtype=np.int64), np.empty((0, 0)))
    steps = np.unique(np.concatenate([recorded[name].steps for name in kept]))
    values = np.full((steps.size, len(kept)), np.nan)
    for column, name in enumerate(kept):
        values[np.searchsorted(steps, recorded[name].steps), column] = recorded[name].values
    return Table(kept, steps, values)


def matrix_table(run: Run, quantity: str) -> Table:
    """One quantity of the trainable matrices.

    Raises:
        NotAssessable: it was recorded for none of them.
    """
    found = table(run, quantity, tuple(info.name for info in matrices(run)))
    if not found.names:
        raise NotAssessable(Text("{quantity} was recorded for no trainable weight matrix", quantity=quantity))
    return found


@memoised
def update_ratios(run: Run) -> Table:
    """Update norm / weight norm of the matrices that did not start near zero.

    A matrix that starts at zero (the last layer of a residual branch, LoRA's B) must first grow, and its
    ratios say nothing about the learning rate.

    Raises:
        NotAssessable: no such matrix was recorded.
    """
    found = matrix_table(run, "update_ratio")
    shapes = {info.name: info for info in matrices(run)}
    kept = [i for i, name in enumerate(found.names) if not _starts_near_zero(run, shapes[name])]
    if not kept:
        raise NotAssessable(Text("every weight matrix starts near zero, so update ratios say nothing"))
    return Table(tuple(found.names[i] for i in kept), found.steps, found.values[:, kept])


def _starts_near_zero(run: Run, info: ParameterInfo) -> bool:
    ratio, update = (run.parameter(q).get(info.name) for q in ("update_ratio", "update_norm"))
    if ratio is None or not len(ratio):
        return False
    first = float(ratio.values[0])
    if not math.isfinite(first):
        return True
    expected = theoretical_rms(info) * math.sqrt(info.size)
    if update is None or not len(update) or first == 0.0 or not math.isfinite(expected):
        return False
    return float(update.values[0]) / first < 0.05 * expected


def initial_rms(run: Run, info: ParameterInfo) -> float:
    """Root mean square of a matrix before the first step; NaN where the first step was not recorded.

    What was recorded is that after the step. Where the step changed the weights by more than half their size,
    the weights before it are told exactly by the norm of the update over its ratio to them.
    """
    quantities = ("update_ratio", "update_norm", "weight_rms")
    ratio, update, rms = (run.parameter(quantity).get(info.name) for quantity in quantities)
    if ratio is not None and len(ratio) and int(ratio.steps[0]) == 0 and float(ratio.values[0]) > 0.5:
        if update is None or not len(update) or int(update.steps[0]) > 0:
            return math.nan
        return float(update.values[0]) / float(ratio.values[0]) / math.sqrt(info.size)
    return float(rms.values[0]) if rms is not None and len(rms) and int(rms.steps[0]) == 0 else math.nan


def theoretical_rms(info: ParameterInfo) -> float:
    """Root mean square of torch's default initial weights, 1 / sqrt(3 fan-in); NaN for vectors.

    Source: `torch.nn.Linear.reset_parameters`, uniform in +-1 / sqrt(fan-in).
    """
    fan_in = math.prod(info.shape[1:]) if len(info.shape) > 1 else 0
    return 1.0 / math.sqrt(3.0 * fan_in) if fan_in else math.nan


def has_initial_weights(run: Run, info: ParameterInfo) -> bool:
    """Whether a matrix still holds the random numbers it was created with, untrained, at its first sample.

    torch's default is uniform in +-1 / sqrt(fan-in): the largest value sits at that bound and the standard
    deviation at bound / sqrt 3. He's and Xavier's recipes are told by mean and standard deviation, each
    within `SIGMAS` standard errors. Trained weights practically never have both. False when the statistics
    were not recorded, or for fewer than 32 elements.
    """
    largest, spread, mean = (_first(run, q, info.name) for q in ("weight_max", "weight_std", "weight_mean"))
    expected, n = theoretical_rms(info), info.size
    if math.isnan(largest) or math.isnan(spread) or n < 32:
        return False
    at_bound = 1.0 - min(0.3, 10.0 / n) <= largest / (expected * math.sqrt(3.0)) <= 1.01
    if at_bound and abs(spread / expected - 1.0) <= max(0.02, 3.0 / math.sqrt(n)):
        return True
    fan_in = math.prod(info.shape[1:])
    fan_out = n / info.shape[1] if len(info.shape) > 1 else math.nan
    recipes = (math.sqrt(2.0 / fan_in), math.sqrt(2.0 / (fan_in + fan_out)))
    is_recipe = any(abs(spread / one - 1.0) <= SIGMAS / math.sqrt(2.0 * n) for one in recipes)
    return is_recipe and abs(mean) <= SIGMAS * spread / math.sqrt(n)


def _first(run: Run, quantity: str, name: str) -> float:
    found = run.parameter(quantity).get(name)
    return float(found.values[0]) if found is not None and len(found) else math.nan


def held_share(infos: Sequence[ParameterInfo], run: Run) -> float:
    """Share of the model's elements that `infos` hold, 0..1; 0 for a model without known parameters."""
    total = sum(info.size for info in run.info.parameters)
    return sum(info.size for info in infos) / total if total else 0.0


def late(found: Table, share: float = 1.0 / 3.0) -> Floats:
    """The rows of a table that lie in the last `share` of its steps, shape (m, n_parameters), m >= 1."""
    if not found.steps.size:
        return found.values
    start = found.steps[-1] - share * (found.steps[-1] - found.steps[0])
    return np.asarray(found.values[found.steps >= start])


def is_dead_from_the_start(run: Run) -> bool:
    """Whether a matrix got no gradient at nine of ten output rows from the beginning; the last one aside."""
    rows = table(run, "grad_dead_rows", tuple(info.name for info in matrices(run)[:-1]))
    return bool(rows.names) and bool(np.any(rows.values[0] >= 0.9))
