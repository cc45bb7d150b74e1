"""Which schedule made this LR trace: closed-form candidates, scored by their largest relative deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from traindoctor import x_axis
from traindoctor.finding import Schedule
from traindoctor.names import ACCURACY_VALIDATION, EPOCH, LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Floats, Ints, Run

from .candidates import candidates
from .shapes import lr_values
from .staircases import Metric, staircase
from .tidying import tidied
from .torch_code import schedule_code
from .trace import Trace, cleaned, coarse_trace, epoch_trace, step_trace, thinned

LEVELS = ((1e-6, 2e-6), (1e-6, 2e-3), (1e-3, 2e-3), (1e-2, 2e-3))
"""(floor as a share of the peak LR, accepted deviation), the strictest first. Source: Ours."""

MOST_EPOCHS = 1_000_000

NEIGHBOURS = 40
"""Candidates still looked at after the first that fits to float32 precision but not exactly."""


@dataclass(frozen=True)
class Fit:
    """A candidate and its deviation at each of `LEVELS`."""

    family: str
    parameters: dict[str, Any]
    errors: tuple[float, ...]


def recognise(run: Run) -> Schedule:
    """The schedule in the LR trace of the run's first param group; never raises.

    `unknown` when no LR was recorded. With several groups, `parameters["other_groups"]` says for each whether
    it follows the first in proportion (`proportional`) or not (`differs`).
    """
    rates = run.learning_rates()
    if not rates:
        return Schedule("unknown")
    group, series = next(iter(rates.items()))
    unit = run.info.x_unit
    found = recognise_trace(
        series.steps,
        series.values,
        epoch_ends=_every_epoch(series.steps) if unit == "epochs" else epoch_ends(run),
        metrics=_metrics(run),
        scheduler=run.info.optimizers[0].scheduler if run.info.optimizers else "",
    )
    parameters = dict(found.parameters)
    others = {name: _relation(series.values, other.values) for name, other in rates.items() if name != group}
    if others:
        parameters["other_groups"] = others
    if unit == "epochs" and parameters.get("unit") == "step":
        parameters["unit"] = "epoch"
    # The code of a schedule that counts other things than steps or epochs would not do what the log shows.
    is_usable = unit == "optimizer steps" or (unit == "epochs" and found.parameters.get("unit") == "epoch")
    if unit not in ("optimizer steps", "epochs") and "unit" in parameters:
        parameters["unit"] = x_axis.nouns(unit)[0]
    return Schedule(found.family, parameters, found.code if is_usable else "", found.error, group)


def _every_epoch(steps: Ints) -> Ints:
    """Every epoch on an axis that counts them; only those of the log where it is longer than any run."""
    if not len(steps) or int(steps[-1]) - int(steps[0]) > MOST_EPOCHS:
        return steps
    return np.arange(int(steps[0]), int(steps[-1]) + 1)


def recognise_trace(
    steps: ArrayLike,
    lr: ArrayLike,
    *,
    epoch_ends: ArrayLike | None = None,
    metrics: Sequence[Metric] = (),
    scheduler: str = "",
) -> Schedule:
    """The schedule behind recorded learning rates; never raises for equally long inputs.

    Args:
        steps: shape (n,), optimizer steps; gaps and rewinds are fine.
        lr: shape (n,); non-finite entries are left out.
        epoch_ends: last optimizer step of each epoch.
        metrics: series that a plateau scheduler may have watched, the most likely first.
        scheduler: class name of the scheduler if it is known; decides only between a plateau scheduler and
            fixed milestones that would look the same.

    Raises:
        ValueError: `steps` and `lr` differ in length.

    Source: Ours; measured with `benchmarks/recogniser.py`.
    """
    x, y = cleaned(steps, lr)
    if not x.size:
        return Schedule("unknown")
    if float(np.ptp(y)) <= 1e-7 * float(np.abs(y).max()):
        return _schedule(Fit("constant", {"lr": float(y[0])}, (0.0,)), step_trace(x, y), 0.0)
    if bool(np.any(y < 0)):
        return Schedule("custom", {"unit": "step"})
    trace = epoch_trace(x, y, epoch_ends) or step_trace(x, y)
    with np.errstate(all="ignore"):
        found = _best(trace, x, y, metrics, scheduler)
        coarse = coarse_trace(trace) if found.family == "custom" else None
        if coarse is not None:
            again = _best(coarse, x, y, (), scheduler)
            found = again if again.family != "custom" else found
    return found


def epoch_ends(run: Run) -> Ints:
    """Last optimizer step of each epoch that was followed by another one, shape (n_epochs - 1,)."""
    series = run.get(EPOCH)
    if series is None:
        return np.array(
            [event.step - 1 for event in run.events_of("epoch") if event.step > 0], dtype=np.int64
        )
    finite = series.finite()
    return finite.steps[np.flatnonzero(np.diff(finite.values) > 0) + 1] - 1


def _metrics(run: Run) -> list[Metric]:
    found: list[Metric] = []
    for name, mode in ((LOSS_VALIDATION, "min"), (ACCURACY_VALIDATION, "max")):
        series = run.get(name)
        if series is not None:
            found.append(Metric(name, series.steps, series.values, mode))
    loss, ends = run.get(LOSS_TRAIN), epoch_ends(run)
    if loss is not None and ends.size:
        which = np.searchsorted(ends, loss.finite().steps, side="left")
        totals, counts = np.bincount(which, loss.finite().values), np.bincount(which)
        means = totals[: ends.size] / np.maximum(counts[: ends.size], 1)
        found.append(Metric(LOSS_TRAIN, ends[: means.size], means, "min"))
    return found


def _relation(first: Floats, other: Floats) -> str:
    if first.shape != other.shape:
        return "differs"
    with np.errstate(all="ignore"):
        ratio = other[first > 0] / first[first > 0]
    return (
        "proportional"
        if ratio.size and bool(np.all(np.abs(ratio - ratio[0]) <= 1e-6 * abs(ratio[0])))
        else "differs"
    )


def _best(trace: Trace, steps: Ints, lr: Floats, metrics: Sequence[Metric], scheduler: str) -> Schedule:
    sample = thinned(trace)
    fits: list[Fit] = []
    exact: Fit | None = None
    patience = NEIGHBOURS
    for family, parameters in candidates(sample, trace, steps, lr, metrics, scheduler):
        fit = _scored(family, parameters, sample)
        fits.append(fit)
        is_better = exact is None or (fit.family == exact.family and fit.errors[0] < 0.1 * exact.errors[0])
        if fit.errors[0] < LEVELS[0][1] and is_better and _holds(fit, trace, 0):
            exact = fit
        # a neighbouring candidate (the warm-up one step longer) may fit a long trace better still
        patience -= exact is not None
        if exact is not None and (exact.errors[0] < 1e-9 or patience < 0):
            return _finished(exact, sample, trace, 0)
    if exact is not None:
        return _finished(exact, sample, trace, 0)
    for level, (_, accepted) in enumerate(LEVELS):
        for fit in fits:
            if fit.errors[level] < accepted and _holds(fit, trace, level):
                return _finished(fit, sample, trace, level)
    return _custom(fits, trace)


def _holds(fit: Fit, trace: Trace, level: int) -> bool:
    """Whether a candidate fits the whole trace, not only the thinned one."""
    return _scored(fit.family, fit.parameters, trace).errors[level] < LEVELS[level][1]


def _finished(fit: Fit, sample: Trace, trace: Trace, level: int) -> Schedule:
    def error(parameters: Mapping[str, Any]) -> float:
        return _scored(fit.family, parameters, sample).errors[level]

    tidy = tidied(fit.parameters, error, LEVELS[level][1])
    return _schedule(Fit(fit.family, tidy, ()), trace, _scored(fit.family, tidy, trace).errors[level])


def _custom(fits: Sequence[Fit], trace: Trace) -> Schedule:
    parameters: dict[str, Any] = {**next(staircase(trace), {}), "unit": trace.unit, "every": trace.every}
    close = [fit for fit in fits if np.isfinite(fit.errors[-1])]
    if close:
        smallest = min(fit.errors[-1] for fit in close)
        nearest = next(fit for fit in close if fit.errors[-1] <= 1.01 * smallest)
        parameters |= {"nearest": nearest.family, "nearest_error": nearest.errors[-1]}
    return Schedule(
        "custom",
        parameters,
        schedule_code("custom", parameters),
        parameters.get("nearest_error", float("nan")),
    )


def _schedule(fit: Fit, trace: Trace, error: float) -> Schedule:
    parameters = {**fit.parameters, "unit": trace.unit}
    if trace.every > 1:
        parameters["every"] = trace.every
    return Schedule(fit.family, parameters, schedule_code(fit.family, parameters), error)


def _scored(family: str, parameters: Mapping[str, Any], trace: Trace) -> Fit:
    try:
        fitted = lr_values(family, parameters, trace.ticks)
    except (ArithmeticError, ValueError):
        return Fit(family, dict(parameters), (float("inf"),) * len(LEVELS))
    off = np.abs(fitted - trace.values)
    size = np.abs(trace.values)
    errors = [float(np.max(off / (floor * trace.peak + size))) for floor, _ in LEVELS]
    return Fit(family, dict(parameters), tuple(e if np.isfinite(e) else float("inf") for e in errors))
