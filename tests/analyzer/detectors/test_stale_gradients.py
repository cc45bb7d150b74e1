"""stale-gradients: exact count, severity by outcome, several optimizers."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs, weights
from traindoctor.analyzer.detectors.stale_gradients import StaleGradients
from traindoctor.analyzer.engine import diagnose
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo, Series

N = 400


def run_with(stale, run=None):
    return runs.with_series(
        run or runs.healthy_run(N),
        stale_gradients=Series(np.arange(len(stale)), np.asarray(stale, dtype=float)),
    )


def always():
    return np.r_[0.0, np.ones(N - 1)]


def test_missing_zero_grad_is_the_first_finding_of_a_failed_run():
    run = run_with(always(), weights.with_loss(runs.healthy_run(N), np.geomspace(2.3, 500, N)))
    (finding,) = StaleGradients().check(run)
    assert finding.severity is Severity.CRITICAL
    assert "zero_grad" in finding.remedy.code
    assert diagnose(run).findings[0].code == "TD208"


def test_a_run_that_learned_all_the_same_is_warned():
    learned = weights.with_loss(runs.healthy_run(N), runs.decay(np.ones(N), "exponential", floor=0.05))
    assert [f.severity for f in StaleGradients().check(run_with(always(), learned))] == [Severity.WARNING]


def test_cleared_gradients_are_silent():
    assert list(StaleGradients().check(run_with(np.zeros(N)))) == []


def test_gradients_kept_in_most_but_not_nearly_all_steps_are_a_choice():
    kept = np.r_[0.0, np.tile([1.0, 1.0, 1.0, 0.0], N)[: N - 1]]
    assert list(StaleGradients().check(run_with(kept))) == []


def test_several_optimizers_are_not_judged():
    run = run_with(always())
    two = replace(run, info=replace(run.info, optimizers=(OptimizerInfo("Adam"), OptimizerInfo("Adam"))))
    with pytest.raises(NotAssessable, match="2 optimizers"):
        list(StaleGradients().check(two))


def test_too_few_steps_are_not_judged():
    with pytest.raises(NotAssessable, match="only 4 steps"):
        list(StaleGradients().check(run_with([0, 1, 1, 1, 1])))
