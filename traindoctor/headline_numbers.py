"""The few numbers that say how a run went, taken the same way for every run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np

from . import names
from .comparison import Number
from .headline import headline_rank
from .run import Run, Series
from .text import Text

MAX_METRICS = 3
_SPLITS = ("validation", "test")
_Value = tuple[float, int]


def headline_numbers(runs: Sequence[Run]) -> tuple[Number, ...]:
    """Headline numbers of several runs, the one they are judged by first; what no run has is left out.

    Metrics come first where their direction is known, then the losses, then what the run was given.
    """
    found: list[Number] = []
    for name, better in _metrics(runs):
        kind = names.in_words(name)
        unit = names.unit_of(name) or next((u for r in runs if (u := _unit(r, name))), "")
        found.append(
            _number(
                Text("best {kind}", kind=kind), unit, better, runs, partial(_best, name=name, better=better)
            )
        )
        found.append(_number(Text("final {kind}", kind=kind), unit, better, runs, partial(_final, name=name)))
    loss = "loss units"
    found += [
        _number(
            Text("best validation loss"),
            loss,
            "lower",
            runs,
            lambda run: _best(run, names.LOSS_VALIDATION, "lower"),
        ),
        _number(
            Text("final validation loss"), loss, "lower", runs, lambda run: _final(run, names.LOSS_VALIDATION)
        ),
        _number(Text("final training loss"), loss, "lower", runs, _final_training_loss),
        _number(Text("peak learning rate"), "lr", "", runs, _peak, is_outcome=False),
        _number(
            Text("length"),
            runs[0].info.x_unit,
            "",
            runs,
            lambda run: (float(run.n_steps), -1),
            is_outcome=False,
        ),
        _number(Text("wall-clock time"), "s", "", runs, lambda run: (run.info.seconds, -1), is_outcome=False),
        _number(Text("median time per step"), "s", "", runs, _step_time, is_outcome=False),
    ]
    return tuple(number for number in found if any(map(math.isfinite, number.values)))


def _number(
    name: str,
    unit: str,
    better: Literal["lower", "higher", ""],
    runs: Sequence[Run],
    value: Callable[[Run], _Value],
    *,
    is_outcome: bool = True,
) -> Number:
    values, places = zip(*(value(run) for run in runs), strict=True)
    return Number(name, unit, better, is_outcome, values, places)


def _metrics(runs: Sequence[Run]) -> list[tuple[str, Literal["lower", "higher"]]]:
    """Held-out metrics of known direction that every run has, the most telling first."""
    shared = [name for name in runs[0].series if all(run.get(name) is not None for run in runs)]
    found: list[tuple[int, str, Literal["lower", "higher"]]] = []
    for name in shared:
        quantity, _, split = name.rpartition("/")
        better = _direction(runs[0], name)
        is_ours = names.quantity_of(name) is not None and name != names.ACCURACY_VALIDATION
        if split in _SPLITS and better and not quantity.endswith("loss") and not is_ours:
            found.append((headline_rank(quantity), name, better))
    return [(name, better) for _, name, better in sorted(found)[:MAX_METRICS]]


def _direction(run: Run, name: str) -> Literal["lower", "higher", ""]:
    known = run.info.series.get(name)
    if known is not None and known.better:
        return "lower" if known.better == "lower" else "higher"
    return "higher" if name.startswith("accuracy/") else ""


def _unit(run: Run, name: str) -> str:
    known = run.info.series.get(name)
    return known.unit if known is not None else ""


def _finite(run: Run, name: str) -> Series | None:
    series = run.get(name)
    kept = series.finite() if series is not None else None
    return kept if kept is not None and len(kept) else None


def _best(run: Run, name: str, better: str) -> _Value:
    kept = _finite(run, name)
    if kept is None:
        return math.nan, -1
    at = int(np.argmin(kept.values) if better == "lower" else np.argmax(kept.values))
    return float(kept.values[at]), int(kept.steps[at])


def _final(run: Run, name: str) -> _Value:
    """The last value as it is: a run that diverged ends in NaN, not in its last good value."""
    series = run.get(name)
    return (float(series.values[-1]), int(series.steps[-1])) if series is not None else (math.nan, -1)


def _final_training_loss(run: Run) -> _Value:
    """Median over the last 5 % of the values."""
    series = run.get(names.LOSS_TRAIN)
    if series is None:
        return math.nan, -1
    return float(np.median(series.values[-max(1, len(series) // 20) :])), -1


def _peak(run: Run) -> _Value:
    rates = [rate for series in run.learning_rates().values() if len(rate := series.finite())]
    return max((float(rate.values.max()) for rate in rates), default=math.nan), -1


def _step_time(run: Run) -> _Value:
    kept = _finite(run, names.STEP_TIME)
    return (float(np.median(kept.values)) if kept is not None else math.nan), -1
