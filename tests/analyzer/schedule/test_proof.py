"""The proof: when a change is adopted, and what is said about runs that do not count."""

import math
from dataclasses import replace

import numpy as np
import pytest

from traindoctor.analyzer.schedule.proof import conclude_proof, difference, is_adopted, t_90
from traindoctor.prescription import ProofRun


def runs(pairs, first_losses=None):
    """Runs of seeds 1, 2, … from (old, new) scores."""
    found = []
    for index, (old, new) in enumerate(pairs):
        start = 2.3 + 0.01 * index if first_losses is None else first_losses[index]
        for side, score in (("old", old), ("new", new)):
            if score is not None:
                found.append(ProofRun(side, index + 1, score, start, 100, 5.0, path="x"))
    return found


def concluded(pairs, wanted=None, **kwargs):
    return conclude_proof(runs(pairs, **kwargs), "validation loss", wanted or len(pairs))


class TestRule:
    @pytest.mark.parametrize(
        ("differences", "adopted"),
        [
            ([-0.011], True),
            ([-0.009], False),
            ([0.2], False),
            ([-0.02, -0.03], True),
            ([-0.001, -0.002, -0.003], False),
            ([-0.2, 0.01], False),
            ([-0.2, -0.21, 0.001], True),
            ([-0.02, -0.02, 0.02], False),
            ([], False),
        ],
    )
    def test_adoption(self, differences, adopted):
        assert is_adopted(differences) is adopted

    def test_t_is_students(self):
        stats = pytest.importorskip("scipy.stats")
        for degrees in (*range(1, 40), 1000):
            assert t_90(degrees) == pytest.approx(stats.t.ppf(0.9, degrees), rel=2e-3)

    def test_chance_alone_is_seldom_adopted(self):
        rng = np.random.default_rng(0)
        noise = rng.normal(0.0, 0.05, (2000, 3))
        assert np.mean([is_adopted(list(row)) for row in noise]) < 0.2


class TestDecision:
    def test_numbers(self):
        found = concluded([(1.0, 0.9), (1.1, 1.0), (0.9, 0.8)])
        wanted = [math.log(0.9), math.log(1.0 / 1.1), math.log(0.8 / 0.9)]
        assert found.decision == "adopt"
        np.testing.assert_allclose(found.differences, wanted)
        assert found.mean == pytest.approx(np.mean(wanted))
        assert found.sd == pytest.approx(np.std(wanted, ddof=1))
        assert found.upper == pytest.approx(found.mean + 1.886 * found.sd / math.sqrt(3))
        assert (found.n, found.seeds, found.steps, found.seconds) == (3, (1, 2, 3), 600, 30.0)
        assert found.why.startswith("Adopt it: validation loss -10.1 % over 3 pairs")
        assert found.notes == ()

    def test_worse_is_not_adopted(self):
        found = concluded([(1.0, 1.1), (1.0, 1.2)])
        assert found.decision == "keep"
        assert "Keep what you have" in found.why

    def test_half_done_is_unfinished(self):
        found = concluded([(1.0, 0.5), (1.0, None)], wanted=3)
        assert found.decision == "unfinished"
        assert found.n == 1
        assert "3 seeds were asked for" in found.why
        assert conclude_proof([], "validation loss", 3).decision == "unfinished"

    def test_a_run_that_diverged_counts_as_the_worst(self):
        assert concluded([(math.inf, 0.5)] * 2, first_losses=[1, 2]).decision == "adopt"
        assert concluded([(0.5, math.inf)]).decision == "keep"
        assert concluded([(math.inf, math.inf)]).decision == "keep"
        assert difference(math.inf, 1.0) == -difference(1.0, math.inf)

    def test_a_score_of_zero_has_no_logarithm_and_does_no_harm(self):
        assert difference(0.0, 0.0) == 0.0
        assert difference(0.1, 0.0) < -1


class TestWhatDoesNotCount:
    def test_seeds_that_are_ignored_count_once(self):
        found = concluded([(1.0, 0.8)] * 3, first_losses=[2.3] * 3)
        assert (found.n, found.decision) == (1, "adopt")
        assert any("ignores the seed" in note and "--seed-arg" in note for note in found.notes)

    def test_other_starts_of_one_seed_are_named(self):
        made = runs([(1.0, 0.9), (1.1, 0.95)])
        made[1] = replace(made[1], first_loss=9.9)
        found = conclude_proof(made, "validation loss", 2)
        assert any("not deterministic" in note and "(1)" in note for note in found.notes)

    def test_an_old_run_that_failed_takes_its_pair_out(self):
        made = runs([(1.0, 0.9), (1.1, 0.95)])
        made[0] = replace(made[0], score=math.nan, failure="the script ended with code 1")
        found = conclude_proof(made, "validation loss", 2)
        assert found.seeds == (2,)
        assert any("seed 1 failed: the script ended with code 1" in note for note in found.notes)

    def test_a_new_run_that_failed_alone_counts_as_diverged(self):
        made = runs([(1.0, 0.9), (1.1, 0.95)])
        made[3] = replace(made[3], score=math.nan, failure="the script ended with code 1")
        found = conclude_proof(made, "validation loss", 2)
        assert found.decision == "keep"
        assert any("counts as diverged" in note for note in found.notes)

    def test_where_every_run_failed_nothing_is_proven(self):
        made = [replace(run, score=math.nan, failure="no") for run in runs([(1.0, 0.9)])]
        found = conclude_proof(made, "validation loss", 1)
        assert (found.decision, found.n) == ("keep", 0)
        assert "nothing is proven" in found.why
