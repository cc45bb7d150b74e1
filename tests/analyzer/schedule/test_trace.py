"""Cleaning traces and finding their clock."""

import numpy as np
import pytest

from traindoctor.analyzer.schedule.trace import change_points, coarse_trace, epoch_trace, step_trace, thinned


def test_change_points_ignore_float32_noise():
    values = np.array([0.1, 0.1 * (1 + 5e-8), 0.1, 0.05, 0.05])
    assert change_points(values).tolist() == [3]


def test_epoch_clock_needs_every_change_on_an_epoch_end():
    lr = np.repeat([0.4, 0.2, 0.1], [10, 10, 5])
    steps = np.arange(25)
    trace = epoch_trace(steps, lr, [9, 19])
    assert trace is not None
    assert trace.ticks.tolist() == [0, 1, 2]
    assert trace.values.tolist() == [0.4, 0.2, 0.1]
    assert epoch_trace(steps, lr, [9]) is None
    assert epoch_trace(steps, lr, None) is None


def test_epoch_clock_accepts_a_gap_around_the_end():
    lr = np.array([0.4, 0.4, 0.2, 0.2])
    trace = epoch_trace(np.array([0, 7, 12, 18]), lr, [9])
    assert trace is not None
    assert trace.ticks.tolist() == [0, 1]


def test_coarse_clock_is_the_common_divisor():
    trace = coarse_trace(step_trace(np.arange(90), np.repeat([3.0, 2.0, 1.0], 30)))
    assert trace is not None
    assert (trace.every, trace.length) == (30, 3)
    assert coarse_trace(step_trace(np.arange(5), np.array([3.0, 2.0, 2.0, 1.0, 1.0]))) is None


@pytest.mark.parametrize("spike", [1, 5_000, 77_777, 99_998])
def test_thinning_keeps_ends_and_sharp_bends(spike):
    values = np.linspace(1.0, 0.0, 100_000)
    values[spike] = 5.0
    sample = thinned(step_trace(np.arange(100_000), values))
    assert sample.ticks.size < 6_000
    assert {0, spike, 99_999} <= set(sample.ticks.tolist())
    assert sample.length == 100_000


def test_between_is_one_tick_in_a_dense_log_and_a_window_in_a_sparse_one():
    dense = step_trace(np.arange(10), np.arange(10.0))
    assert dense.between(4, 5) == [5]
    sparse = step_trace(np.arange(0, 100, 10), np.arange(10.0))
    assert sparse.between(4, 5) == list(range(50, 40, -1))


def test_since_counts_from_the_origin():
    trace = step_trace(np.arange(0, 100, 10), np.arange(10.0)).since(35)
    assert trace.ticks.tolist() == [5, 15, 25, 35, 45, 55]
    assert trace.length == 56
