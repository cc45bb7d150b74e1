"""Trials as arrays: parameters on the scale they were drawn on, the objective so that lower is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from traindoctor.run import Floats
from traindoctor.search import Parameter, Study, Trial

LEARNING_RATE_NAMES = ("lr", "learning_rate", "learningrate", "max_lr", "peak_lr", "base_lr", "eta", "lr0")
BATCH_SIZE_NAMES = ("batch_size", "batchsize", "batch", "bs", "train_batch_size", "mini_batch_size")


def learning_rate(study: Study) -> Parameter | None:
    """The searched learning rate, known by its name; None when there is none."""
    return _named(study, LEARNING_RATE_NAMES, needs_range=True)


def batch_size(study: Study) -> Parameter | None:
    """The searched batch size, known by its name; None when there is none."""
    return _named(study, BATCH_SIZE_NAMES, needs_range=False)


def _named(study: Study, names: Sequence[str], *, needs_range: bool) -> Parameter | None:
    for parameter in study.parameters:
        short = parameter.name.lower().replace("-", "_").rsplit(".", 1)[-1]
        if short in names and (parameter.is_numeric or not needs_range):
            return parameter
    return None


def positions(parameter: Parameter, trials: Sequence[Trial]) -> Floats:
    """Shape (n,): the parameter's values, log10 where it was drawn so; NaN where a trial has none."""
    values = np.array([as_number(trial.parameters.get(parameter.name)) for trial in trials], np.float64)
    if parameter.kind != "log":
        return values
    return np.log10(np.where(values > 0, values, np.nan))


def from_position(parameter: Parameter, position: float) -> float:
    """The value at a position."""
    return float(10**position) if parameter.kind == "log" else float(position)


def bounds(parameter: Parameter) -> tuple[float, float]:
    """Both ends of the range as positions."""
    if parameter.kind == "log":
        return float(np.log10(parameter.low)), float(np.log10(parameter.high))
    return parameter.low, parameter.high


def costs(study: Study, trials: Sequence[Trial]) -> Floats:
    """Shape (n,): the objective, negated where higher is better."""
    values = np.array([trial.value for trial in trials], np.float64)
    return -values if study.better == "higher" else values


def completed(study: Study) -> list[Trial]:
    """The trials that ended by themselves with a finite objective."""
    return [trial for trial in study.of_state("complete") if np.isfinite(trial.value)]


def as_number(value: Any) -> float:
    """A parameter's value as a number, NaN for one that is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
