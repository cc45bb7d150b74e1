"""Rates from rows that are known."""

import math

import numpy as np
import pytest

from benchmarks.prescription.finders import FINDERS, STEPS, longest_fall, smoothed, until_above
from benchmarks.prescription.measure import Row
from benchmarks.prescription.scores import interval, score


def row(change, *, case="constant", task="a", adopted=True, changed=True, regret=0.1, margin=0.02):
    return Row(
        task,
        "tune",
        1,
        case,
        0,
        "ours",
        "change-lr",
        changed,
        2.0,
        change,
        adopted,
        regret,
        regret,
        margin,
        0.6,
    )


def test_wins_losses_and_harm_are_counted_beyond_the_margin():
    rows = [
        row(-0.5),
        row(-0.01),
        row(0.03, adopted=False),
        row(0.2, adopted=True),
        row(0.0, case="good linear", changed=False),
        row(0.04, case="good cosine", adopted=False),
    ]
    found = score(rows)
    assert (found.n_faults, found.n_controls) == (4, 2)
    assert (found.win, found.loss, found.harm) == (0.25, 0.5, 0.25)
    assert (found.proven_win, found.proven_loss, found.proven_harm) == (0.25, 0.25, 0.25)
    assert (found.kept, found.control_loss, found.control_proven_loss) == (0.5, 0.5, 0.0)
    assert found.regret == pytest.approx(math.expm1(0.1))
    assert found.gain == pytest.approx(math.expm1(0.01))


def test_an_interval_is_as_wide_as_the_tasks_differ():
    same = [row(-1.0, task=name) for name in "abcd"]
    assert interval(same, lambda r: r.change < 0) == (1.0, 1.0)
    mixed = [row(-1.0 if name in "ab" else 1.0, task=name) for name in "abcd" for _ in range(5)]
    low, high = interval(mixed, lambda r: r.change < 0)
    assert low == 0.0
    assert high == 1.0


def test_no_rows_give_no_number():
    assert math.isnan(score([]).win)
    assert math.isnan(score([]).runs)


class TestFinders:
    """Each rule on a loss that falls from 1e-3 on, is lowest at 0.1 and then explodes."""

    @staticmethod
    def losses(finder, noise=0.0):
        x = np.log10(finder.plan())
        falling = 2.3 - 2.0 / (1.0 + np.exp(-4.0 * (x + 2.0)))
        chance = np.random.default_rng(0).normal(scale=noise, size=STEPS)
        return falling + np.where(x > -1.0, 10.0 ** (2.0 * (x + 1.0)) - 1.0, 0.0) + chance

    @pytest.mark.parametrize(
        ("name", "low", "high"), [("fastai valley", 1e-4, 0.1), ("pytorch-lr-finder", 1e-3, 0.3)]
    )
    def test_a_clear_curve(self, name, low, high):
        finder = FINDERS[name]
        assert low < finder.suggestion(self.losses(finder)) < high

    def test_the_raw_learning_rate_draws_lightning_to_the_low_end(self):
        finder = FINDERS["Lightning"]
        assert finder.suggestion(self.losses(finder, noise=0.02)) < 1e-5

    def test_nothing_is_suggested_where_it_is_not_finite_from_the_start(self):
        for finder in FINDERS.values():
            assert math.isnan(finder.suggestion(np.full(STEPS, np.nan)))

    def test_their_parts(self):
        assert smoothed(np.full(5, 3.0), 0.98) == pytest.approx(3.0)
        assert until_above(np.array([2.0, 1.0, 3.0, 4.5, 1.0]), 4.0) == 4  # the one above is seen, too
        assert longest_fall(np.array([1.0, 5.0, 4.0, 4.5, 3.0, 2.0]))[0] == 4
