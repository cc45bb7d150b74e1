"""Runs cut by their budget, and falls that promise nothing."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.still_improving import StillImproving, predicted_gain
from traindoctor.analyzer.reference import training_curve
from traindoctor.finding import Severity
from traindoctor.run import Series


def check(run):
    return list(StillImproving().check(run))


@pytest.mark.parametrize("seed", range(3))
def test_finds_a_run_cut_by_its_budget(seed):
    (finding,) = check(runs.improving_run(seed=seed))
    assert finding.severity is Severity.INFO
    assert 2000 < finding.first_step < 2400
    assert "6000 steps" in finding.remedy.text


@pytest.mark.parametrize("power", [0.3, 0.7, 1.5])
def test_predicts_a_power_law(power):
    t = np.arange(4000)
    run = runs.build(0.5 + 2.0 * (t + 1.0) ** -power)
    true = 2.0 * (4000.0**-power - 8000.0**-power)
    assert predicted_gain(training_curve(run)) == pytest.approx(true, rel=0.1)


def test_an_annealed_run_falls_by_its_annealing():
    run = runs.improving_run()
    assert check(runs.with_series(run, lr__0=Series(np.arange(3000), runs.lr_trace(3000, "linear")))) == []


def test_a_flat_run_is_nothing():
    assert check(runs.plateaued_run()) == []


def test_a_validation_loss_that_turned_says_more_steps_will_not_help():
    run = runs.improving_run()
    turned = Series(runs.evaluation_steps(3000, 20), 1.0 + 0.05 * np.abs(np.arange(20) - 6))
    assert check(runs.with_series(run, loss__validation=turned)) == []
