"""Scoring a range test: the rule by hand, and the refusals."""

import numpy as np
import pytest

from traindoctor.analyzer.schedule.range_test import half_drop, running_median, score

LRS = np.geomspace(1e-5, 10.0, 100)


def curve(half=0.01, low=0.1, rise=1.0, *, start=2.3, floor=0.5, noise=0.0):
    """Falls around `half`, lowest near `low`, above its start from `rise` on."""
    fall = (start - floor) / (1 + (half / LRS) ** 2)
    up = np.where(low < LRS, (LRS / rise) ** 2 * (start - floor), 0.0)
    return start - fall + up + noise * np.random.default_rng(0).standard_normal(100)


def test_the_rule_by_hand():
    losses = np.array([2.0, 2.0, 1.9, 1.4, 0.9, 0.8, 1.2, 5.0])
    lrs = 10.0 ** np.arange(-5, 3)
    found = score(lrs, losses, 2.0, is_probe=True)
    # middle 1.4: the last step above it before the lowest is at 1e-3; the lowest at 1
    assert (found.half, found.minimum, found.ended) == (1e-3, 1.0, 100.0)
    assert found.lr == pytest.approx(1.0 / 1.6)
    assert found.high / found.lr == pytest.approx(10**0.55)
    assert found.lr / found.low == pytest.approx(10**0.55)


def test_half_of_the_drop_is_searched_backwards_from_the_minimum():
    losses = np.array([2.0, 0.9, 2.0, 2.0, 1.6, 1.0, 0.5])  # early noise dips below the middle
    assert half_drop(losses, 2.0, 6) == 4


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_plain_curve(noise):
    found = score(LRS, curve(noise=noise), 2.3, is_probe=True)
    assert not found.refusal
    assert 0.01 < found.lr < 0.1


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_loss_does_not_matter(scale):
    found = score(LRS, curve() * scale, 2.3 * scale, is_probe=True)
    assert found.lr == pytest.approx(score(LRS, curve(), 2.3, is_probe=True).lr)


def test_what_comes_after_a_rise_above_the_start_does_not_count():
    losses = curve()
    lower_again = losses.copy()
    lower_again[-5:] = 0.01
    assert score(LRS, lower_again, 2.3, is_probe=True).lr == score(LRS, losses, 2.3, is_probe=True).lr


def test_the_training_loss_is_smoothed_and_less_certain():
    found = score(LRS, curve(noise=0.02), 2.3, is_probe=False)
    assert not found.refusal
    assert found.high / found.lr == pytest.approx(10**1.44)


REFUSED = {
    "flat": (np.full(100, 2.3), 2.3, "did not fall clearly"),
    "noise": (2.3 + 0.3 * np.random.default_rng(3).standard_normal(100), 2.3, ""),
    "diverges at once": (np.geomspace(3.0, 1e9, 100), 2.3, "rose from the lowest LR"),
    "still falling": (curve(half=1.0, low=1e9), 2.3, "larger --max"),
    "not finite": (np.full(100, np.nan), float("nan"), "not finite before the first step"),
    "not finite at once": (np.full(100, np.nan), 2.3, "rose from the lowest LR"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_number_where_nothing_can_be_told(case):
    losses, start, said = REFUSED[case]
    found = score(LRS, losses, start, is_probe=True)
    assert said in found.refusal
    assert found.refusal
    assert np.isnan([found.lr, found.low, found.high]).all()


def test_a_running_median_ends_where_the_values_do():
    assert running_median(np.array([1.0, 5.0, 1.0, np.inf, 1.0]), 3).tolist()[:3] == [3.0, 1.0, 3.0]
