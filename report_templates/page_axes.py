"""Other ways to count along the x axis of a chart over time: epochs, and the time that training took."""

from __future__ import annotations

import numpy as np

from traindoctor import names
from traindoctor.comparing import aligned
from traindoctor.run import Floats, Run

from .chart_model import FurtherAxis
from .language import _

_KNOTS = 400
_LEAST_COVERED = 0.9
"""Share of the steps whose time must have been recorded for a time axis to be offered."""
_UNITS = ((7200.0, 3600.0, "h"), (120.0, 60.0, "min"), (0.0, 1.0, "s"))
"""Shortest length of a run, s; length of the unit, s; the unit."""


def further_axes(run: Run, limits: tuple[float, float]) -> tuple[FurtherAxis, ...]:
    """The axes that the recorded series can tell, besides the one on which they were recorded.

    Args:
        run: whose epochs and step times are read.
        limits: first and last place of the chart, on the recorded axis.
    """
    if limits[1] <= limits[0]:
        return ()
    found = (_epoch_axis(run, limits), _time_axis(run, limits))
    return tuple(axis for axis in found if axis is not None)


def _epoch_axis(run: Run, limits: tuple[float, float]) -> FurtherAxis | None:
    """Passes over the training data, with their fraction; the last one counts as long as the one before."""
    epochs = run.get(names.EPOCH)
    if run.info.x_unit == "epochs" or epochs is None or not np.isfinite(epochs.values).all():
        return None
    starts = epochs.steps[np.r_[True, np.diff(epochs.values) > 0]].astype(np.float64)
    steps = _knots(starts, limits)
    values = aligned(run, steps, "epoch")
    name = _("epoch")
    return FurtherAxis(name, name, f"{name} ", "", steps, values) if _rises(values) else None


def _time_axis(run: Run, limits: tuple[float, float]) -> FurtherAxis | None:
    """Wall-clock time since the end of the first step: evaluations and waiting for data are in it.

    Nothing is offered where the times of many steps are missing: what passed in them is not known.
    """
    times = run.get(names.STEP_TIME)
    if times is None or not np.isfinite(times.values).all() or (times.values < 0).any():
        return None
    later = times.steps > limits[0]
    at = np.r_[limits[0], times.steps[later].astype(np.float64)]
    if len(at) < _LEAST_COVERED * (limits[1] - limits[0]):
        return None
    steps = _knots(at, limits)
    seconds = np.interp(steps, at, np.r_[0.0, np.cumsum(times.values[later])])
    length, unit = next((size, unit) for least, size, unit in _UNITS if seconds[-1] >= least)
    values = seconds / length
    label = _("time since the first step, {unit}", unit=unit)
    return FurtherAxis(_("time"), label, "", f" {unit}", steps, values) if _rises(values) else None


def _knots(candidates: Floats, limits: tuple[float, float]) -> Floats:
    """At most `_KNOTS` of the places at which the axes may run at another rate, and both ends."""
    inside = candidates[(candidates > limits[0]) & (candidates < limits[1])]
    if len(inside) > _KNOTS:
        inside = inside[np.linspace(0, len(inside) - 1, _KNOTS).round().astype(np.int64)]
    return np.unique(np.r_[limits[0], inside, limits[1]])


def _rises(values: Floats) -> bool:
    return bool(values[-1] > values[0]) and bool((np.diff(values) >= 0).all())
