"""What is said about scripts whose seeds do little, whose arguments do nothing, or that stop early."""

import math
from dataclasses import replace

import pytest

from traindoctor.analyzer.schedule.proof_notes import proof_notes
from traindoctor.prescription import ProofRun


def runs(*pairs, steps=100):
    """Runs of seeds 1, 2, … from (first loss, old score, new score)."""
    return [
        ProofRun(side, seed, score, start, steps, 5.0)
        for seed, (start, *scores) in enumerate(pairs, 1)
        for side, score in zip(("old", "new"), scores, strict=True)
    ]


def test_good_runs_leave_nothing_to_say():
    assert proof_notes(runs((2.30, 1.0, 0.9), (2.31, 1.1, 0.8)), 100, True) == ()
    assert proof_notes([], 100, True) == ()


def test_a_script_that_seeds_itself_is_noticed_by_its_first_loss():
    """On a GPU the scores of such a script differ in the last digits, so they do not give it away."""
    (note,) = proof_notes(runs((2.3026, 1.0, 0.9), (2.3026, 1.0001, 0.9001)), 100, False)
    assert "Different seeds began with the same training loss (2.3026)" in note
    assert "--seed-arg --seed" in note
    assert proof_notes(runs((math.nan, 1.0, 0.9), (math.nan, 1.1, 0.9)), 100, False) == ()
    assert proof_notes(runs((2.3, 1.0, 0.9)), 100, False) == ()


def test_runs_that_are_identical_are_said_once_and_elsewhere():
    assert proof_notes(runs((2.3, 1.0, 0.9), (2.3, 1.0, 0.9)), 100, False) == ()


def test_an_argument_that_is_ignored_is_noticed():
    same = runs((2.30, 1.0, 1.0), (2.31, 1.1, 1.1))
    (note,) = proof_notes(same, 100, True)
    assert "did not reach the training" in note
    assert proof_notes(same, 100, False) == ()
    assert proof_notes(runs((2.30, 1.0, 1.0), (2.31, 1.1, 1.0)), 100, True) == ()
    assert proof_notes(runs((2.30, math.inf, math.inf)), 100, True) == ()


@pytest.mark.parametrize("side", ["old", "new"])
def test_an_early_end_is_told(side):
    made = [replace(run, steps=60) if run.side == side else run for run in runs((2.3, 1.0, 0.9))]
    notes = proof_notes(made, 100, True)
    assert len(notes) == (side == "new")
    assert all("after 60 of 100 optimizer steps (seed 1)" in note for note in notes)


def test_failed_runs_are_left_out():
    made = [replace(run, failure="no space") for run in runs((2.3, 1.0, 1.0))]
    assert proof_notes(made, 100, True) == ()
