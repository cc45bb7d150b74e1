import numpy as np

from traindoctor.collectors.importers.mixed_axes import Clocked, on_steps


def clocked(x, times):
    return Clocked(np.asarray(x, float), np.asarray(times, float))


STEPS = clocked(range(0, 1000, 10), range(100))


def test_epochs_are_moved_to_the_step_reached():
    found = on_steps({"loss": STEPS, "val": clocked([0, 1, 2, 3], [24.5, 49.5, 74.5, 99.5])})
    assert {name: list(x) for name, x in found.items()} == {"val": [240, 490, 740, 990]}


def test_a_series_logged_only_at_the_beginning_counts_the_same_steps():
    assert on_steps({"loss": STEPS, "warm": clocked(range(30), np.arange(30) / 10)}) == {}


def test_one_axis_is_left_alone():
    assert on_steps({"loss": STEPS, "val": clocked([100, 200, 300], [10, 20, 30])}) == {}


def test_gaps_are_no_epochs():
    assert on_steps({"loss": STEPS, "val": clocked([0, 2, 3, 4], [20, 40, 60, 80])}) == {}


def test_a_restarted_reference_tells_nothing():
    restarted = clocked([*range(50), *range(50)], range(100))
    assert on_steps({"loss": restarted, "val": clocked([0, 1, 2], [20, 40, 60])}) == {}
