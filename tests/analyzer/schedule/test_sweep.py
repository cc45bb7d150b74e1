"""The sweep: what is asked, what is concluded, and when nothing is."""

import math

import numpy as np
import pytest

from traindoctor.analyzer.schedule.sweep import Sweeper, all_diverged, is_flat, short_schedule, short_share


def swept(score, *, centre=0.1, share=0.25, most_extensions=3, optimizer=""):
    sweeper = Sweeper(centre, 100, share, "validation loss", 5, most_extensions, optimizer=optimizer)
    asked = []
    while (lr := sweeper.ask()) is not None:
        asked.append(lr)
        sweeper.tell(lr, score(lr))
    return asked, sweeper.result()


def bowl(best, curvature=1.0):
    """A loss whose logarithm is a parabola in log10 LR with its lowest point at `best`."""
    return lambda lr: 0.3 * math.exp(curvature * (math.log10(lr) - math.log10(best)) ** 2)


class TestGrid:
    def test_three_rates_a_half_decade_apart_are_enough_when_the_middle_is_best(self):
        asked, found = swept(bowl(0.11))
        np.testing.assert_allclose(asked, [0.1, 0.1 / 10**0.5, 0.1 * 10**0.5])
        assert [point.lr for point in found.points] == sorted(asked)
        assert not found.is_at_edge

    @pytest.mark.parametrize(("best", "extra"), [(0.25, 1), (1.0, 2), (0.04, 1), (0.01, 2)])
    def test_it_grows_towards_a_best_that_is_at_an_edge(self, best, extra):
        asked, found = swept(bowl(best))
        assert len(asked) == 3 + extra
        assert abs(math.log10(found.best_lr / best)) < 1e-6
        assert not found.is_at_edge

    @pytest.mark.parametrize("direction", [-1, 1])
    def test_it_grows_three_times_at_most(self, direction):
        asked, found = swept(lambda lr: lr**direction)
        assert len(asked) == 6
        assert found.is_at_edge
        assert found.best_lr == (min if direction > 0 else max)(asked)

    @pytest.mark.parametrize(
        ("present", "asked"),
        [
            (0.1, 3),
            (0.3, 3),
            (0.001, 6),  # towards the recorded run, which is three places down
            (1.0, 4),
            (100.0, 6),
            (math.nan, 6),
        ],
    )
    def test_scores_that_are_all_the_same_lead_it_to_the_recorded_rate(self, present, asked):
        sweeper = Sweeper(0.1, 100, 0.2, "validation loss", present=present)
        tried = []
        while (lr := sweeper.ask()) is not None:
            tried.append(lr)
            sweeper.tell(lr, 2.3)
        assert len(tried) == asked
        assert is_flat(sweeper.result())
        if asked > 3 and present < 0.1:
            assert min(tried) == pytest.approx(0.1 / 10**2)
        if present > 0.3:
            assert max(tried) > 0.9

    def test_rates_at_which_nothing_is_learned_do_not_hide_the_good_ones(self):
        """All of the first three are far too high: the loss stays where it began."""
        sweeper = Sweeper(1.2, 60, 0.2, "validation loss", present=0.07)
        while (lr := sweeper.ask()) is not None:
            sweeper.tell(lr, bowl(0.03)(lr) if lr < 0.2 else 2.3 + 0.001 * math.cos(50 * lr))
        found = sweeper.result()
        assert not is_flat(found)
        assert 0.01 < found.best_lr < 0.1

    def test_a_budget_bounds_the_growth(self):
        asked, _ = swept(lambda lr: lr, most_extensions=1)
        assert len(asked) == 4

    def test_nothing_can_be_told_after_the_end(self):
        sweeper = Sweeper(0.1, 100, 0.2, "validation loss")
        while (lr := sweeper.ask()) is not None:
            sweeper.tell(lr, bowl(0.1)(lr))
        with pytest.raises(ValueError, match="ended"):
            sweeper.tell(1.0, 1.0)


class TestConclusion:
    @pytest.mark.parametrize("best", [0.06, 0.1, 0.17])
    @pytest.mark.parametrize("curvature", [0.1, 3.0])
    def test_the_vertex_of_the_parabola_is_found_exactly(self, best, curvature):
        _, found = swept(bowl(best, curvature))
        assert found.best_lr == pytest.approx(best)
        a, b, c = found.parabola
        assert -b / (2 * a) == pytest.approx(math.log10(best))
        x = math.log10(found.points[0].lr)
        assert a * x * x + b * x + c == pytest.approx(math.log(found.points[0].score))

    def test_the_vertex_stays_within_half_a_step_of_the_best_point(self):
        scores = iter([1.0, 1.01, 1000.0])
        _, found = swept(lambda lr: next(scores))
        assert found.best_lr == pytest.approx(0.1 * 10**-0.25, rel=0.1)
        assert found.best_lr >= 0.1 * 10**-0.25 * (1 - 1e-12)

    @pytest.mark.parametrize("share", [0.1, 0.2, 1.0])
    @pytest.mark.parametrize(
        ("optimizer", "power"), [("", 0.5), ("AdamW", 0.5), ("RMSprop", 0.5), ("SGD", 0.25)]
    )
    def test_the_estimate_shrinks_with_a_root_of_the_share(self, share, optimizer, power):
        _, found = swept(bowl(0.1), share=share, optimizer=optimizer)
        assert found.lr == pytest.approx(0.1 * share**power)

    @pytest.mark.parametrize("bad", [math.inf, math.nan])
    def test_a_score_that_is_not_finite_is_divergence(self, bad):
        asked, found = swept(lambda lr: bad if lr > 0.05 else bowl(0.01)(lr))
        assert found.points[-1].score == math.inf
        assert abs(math.log10(found.best_lr / 0.01)) < 1e-6
        assert len(asked) == 5

    def test_beside_a_diverged_neighbour_the_best_point_is_taken_as_it_is(self):
        _, found = swept(lambda lr: math.inf if lr > 0.15 else bowl(0.12)(lr))
        assert (found.best_lr, found.parabola) == (pytest.approx(0.1), ())

    def test_where_all_diverge_it_goes_down_and_says_so(self):
        asked, found = swept(lambda lr: math.inf)
        assert min(asked) == pytest.approx(0.1 / 10**2)
        assert all_diverged(found)
        assert not is_flat(found)

    def test_a_loss_that_does_not_depend_on_the_rate_is_flat(self):
        assert is_flat(swept(lambda lr: 2.3 + 1e-4 * math.log(lr))[1])
        assert not is_flat(swept(bowl(0.1))[1])

    def test_equal_scores_take_the_lowest_rate(self):
        _, found = swept(lambda lr: 1.0)
        assert found.best_lr == min(point.lr for point in found.points)


class TestShortRuns:
    @pytest.mark.parametrize(("horizon", "share"), [(100, 0.2), (2499, 0.2), (2500, 0.1), (10**6, 0.1)])
    def test_share_of_the_run(self, horizon, share):
        assert short_share(horizon) == share

    @pytest.mark.parametrize("steps", [1, 2, 3, 10, 20, 400])
    def test_schedule_warms_up_over_5_percent_and_falls_to_zero(self, steps):
        lr = short_schedule(0.3, steps)
        assert lr.shape == (steps,)
        assert lr.max() == pytest.approx(0.3)
        if steps > 3:
            assert lr.argmax() <= max(1, round(0.05 * steps))
            assert lr[-1] == pytest.approx(0.3 / (steps - max(1, round(0.05 * steps))))
            assert np.all(np.diff(lr[lr.argmax() :]) <= 0)
