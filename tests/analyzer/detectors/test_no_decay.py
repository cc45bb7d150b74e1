"""Runs that end hot and noisy, and runs that do not."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.no_decay import NoDecay
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

N = 2000


def check(sd=0.2, schedule="constant", level=1.0, n=N, fall=200.0):
    losses = level + 1.3 * np.exp(-np.arange(n) / fall) + runs.noise(n, sd)
    return list(NoDecay().check(runs.build(losses, lr=runs.lr_trace(n, schedule))))


def test_hot_noisy_and_flat_is_a_note():
    (finding,) = check()
    assert finding.severity is Severity.INFO
    assert "total_iters=400" in finding.remedy.code


@pytest.mark.parametrize("schedule", ["cosine", "linear", "step", "one-cycle"])
def test_decayed_rates_are_none(schedule):
    assert not check(schedule=schedule)


def test_quiet_solved_and_falling_losses_are_none():
    assert not check(sd=0.01)
    assert not check(sd=0.07, level=0.05)
    assert not check(fall=1500.0)


def test_short_runs_are_not_judged():
    with pytest.raises(NotAssessable, match="100"):
        check(n=60)
