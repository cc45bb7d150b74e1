"""The governor: cadence from cost, step time and budget."""

from itertools import pairwise

import pytest

from traindoctor.collectors.recorders.governor import (
    ALWAYS,
    EARLY_BUDGET,
    LONGEST,
    Governor,
    governors,
    power_of_two_above,
)


def drive(governor, n_steps, cost, step):
    """Steps that were measured."""
    measured = []
    for n in range(n_steps):
        if n >= governor.next_step:
            governor.measured(n, cost(n), step)
            measured.append(n)
    return measured


def test_cheap_measurements_are_made_at_every_step():
    assert drive(Governor(0.02), 50, lambda n: 1, 1000) == list(range(50))


def test_dear_measurements_are_thinned_after_the_first_steps():
    governor = Governor(0.02)
    measured = drive(governor, 200, lambda n: 300, 1000)
    assert governor.every == 16
    assert measured == [*range(ALWAYS), *range(16, 200, 16)]
    assert 300 / (1000 * governor.every) <= 0.02


def test_the_first_measurement_is_no_measure_of_the_cost():
    governor = Governor(0.02)
    drive(governor, 40, lambda n: 10**9 if n == 0 else 10, 1000)
    assert governor.every == 1


def test_a_fixed_cadence_stays():
    assert drive(Governor(0.02, 7), 30, lambda n: 10**6, 1000) == [*range(ALWAYS), 14, 21, 28]


def test_it_falls_back_when_steps_become_long():
    governor = Governor(0.02)
    drive(governor, 100, lambda n: 300, 1000)
    assert governor.every == 16
    for n in range(20):
        governor.measured(1000 + n, 300, 100_000)
    assert governor.every == 1


def test_a_change_is_told_once():
    governor = Governor(0.02)
    told = [governor.measured(n, 300, 1000) for n in range(20)]
    assert [every for every in told if every is not None] == [16]


def test_there_is_a_longest_cadence():
    governor = Governor(0.02)
    drive(governor, 20, lambda n: 10**12, 1)
    assert governor.every == LONGEST


@pytest.mark.parametrize(
    ("ratio", "power"), [(0.0, 1), (1.0, 1), (1.01, 2), (4.0, 4), (4.1, 8), (1e9, LONGEST)]
)
def test_power_of_two(ratio, power):
    assert power_of_two_above(ratio) == power


def test_the_first_samples_of_a_run_may_cost_more():
    cost, step = 300, 1000
    governor = Governor(0.005, head_start_ns=100 * cost)
    measured = drive(governor, 3000, lambda n: cost, step)
    early, late = measured[ALWAYS:99], measured[101:]
    assert {b - a for a, b in pairwise(early)} == {8}
    assert cost / (8 * step) <= EARLY_BUDGET
    assert {b - a for a, b in pairwise(late)} == {64}
    assert cost / (64 * step) <= 0.005


def test_a_head_start_never_lowers_a_budget():
    governor = Governor(0.5, head_start_ns=10**9)
    drive(governor, 100, lambda n: 300, 1000)
    assert governor.every == 1


def test_a_budget_of_the_user_is_shared_by_statistics_and_norms():
    both = governors(0.01, None)
    for governor in both:
        drive(governor, 100, lambda n: 300, 1000)
        assert 300 / (1000 * governor.every) <= 0.005
    assert sum(300 / (1000 * governor.every) for governor in both) <= 0.01
