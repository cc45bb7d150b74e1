"""Epochs and time as further x axes: right at every knot, and not offered where they are not known."""

from __future__ import annotations

import numpy as np
import pytest

from traindoctor import names
from traindoctor.report_templates.chart_model import FurtherAxis
from traindoctor.report_templates.page_axes import further_axes
from traindoctor.run import Run, RunInfo, Series


def axes(series: dict[str, Series], last: int, unit: str = "optimizer steps") -> dict[str, FurtherAxis]:
    run = Run("r", "r", series, info=RunInfo(x_unit=unit))
    return {axis.name: axis for axis in further_axes(run, (0.0, float(last)))}


def epochs(steps: np.ndarray, per_epoch: int) -> Series:
    return Series(steps, (steps // per_epoch).astype(np.float64))


def test_an_epoch_has_its_fraction() -> None:
    axis = axes({names.EPOCH: epochs(np.arange(100), 25)}, 99)["epoch"]
    at = np.asarray([0.0, 10.0, 25.0, 60.0, 99.0])
    np.testing.assert_allclose(np.interp(at, axis.steps, axis.values), at / 25)
    assert (axis.prefix, axis.suffix, axis.label) == ("epoch ", "", "epoch")


@pytest.mark.parametrize(("seconds", "unit", "size"), [(0.01, "s", 1), (1.0, "min", 60), (60.0, "h", 3600)])
def test_time_counts_from_the_first_step(seconds: float, unit: str, size: int) -> None:
    steps = np.arange(1, 1000)
    taken = np.where(steps == 500, 100 * seconds, seconds)
    axis = axes({names.STEP_TIME: Series(steps, taken)}, 999)["time"]
    assert axis.values[0] == 0
    assert axis.values[-1] == pytest.approx(taken.sum() / size)
    assert np.interp(250, axis.steps, axis.values) == pytest.approx(250 * seconds / size)
    assert (axis.suffix, axis.label) == (f" {unit}", f"time since the first step, {unit}")


def test_both_axes_never_fall_and_stay_small() -> None:
    steps = np.arange(200_000)
    taken = np.random.default_rng(0).exponential(0.1, len(steps))
    found = axes({names.EPOCH: epochs(steps, 7), names.STEP_TIME: Series(steps, taken)}, 199_999)
    assert set(found) == {"epoch", "time"}
    for axis in found.values():
        assert len(axis.steps) <= 402
        assert (np.diff(axis.steps) > 0).all()
        assert (np.diff(axis.values) >= 0).all()
        assert (axis.steps[0], axis.steps[-1]) == (0, 199_999)
    exact = np.cumsum(taken) - taken[0]
    shown = np.interp(steps, found["time"].steps, found["time"].values) * 3600
    assert np.abs(shown - exact).max() < 0.002 * exact[-1]


@pytest.mark.parametrize(
    ("series", "unit"),
    [
        ({}, "optimizer steps"),
        ({names.EPOCH: epochs(np.arange(100), 25)}, "epochs"),
        ({names.EPOCH: epochs(np.arange(100), 500)}, "epochs"),
        ({names.EPOCH: Series(np.arange(3), np.asarray([0.0, np.nan, 1.0]))}, "optimizer steps"),
        ({names.STEP_TIME: Series(np.arange(0, 100, 10), np.ones(10))}, "optimizer steps"),
        ({names.STEP_TIME: Series(np.arange(100), np.full(100, -1.0))}, "optimizer steps"),
        ({names.STEP_TIME: Series(np.arange(100), np.zeros(100))}, "optimizer steps"),
    ],
)
def test_what_is_not_known_is_not_offered(series: dict[str, Series], unit: str) -> None:
    assert axes(series, 99, unit) == {}


def test_a_single_step_has_one_axis() -> None:
    assert (
        axes({names.EPOCH: epochs(np.arange(1), 1), names.STEP_TIME: Series(np.arange(1), np.ones(1))}, 0)
        == {}
    )
