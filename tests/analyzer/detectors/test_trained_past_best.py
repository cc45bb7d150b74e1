"""Runs that went on after their best evaluation, by loss or by accuracy."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.trained_past_best import TrainedPastBest
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

FALLING = np.linspace(2.3, 0.3, 2000)


def check(run):
    return list(TrainedPastBest().check(run))


@pytest.mark.parametrize("seed", range(3))
def test_by_loss(seed):
    (finding,) = check(runs.overfitted_run(seed=seed))
    assert finding.severity is Severity.WARNING
    assert finding.first_step == pytest.approx(899, abs=200)
    assert "validation loss" in finding.message


def test_by_accuracy_where_there_is_no_loss():
    k = np.arange(20)
    accuracy = 0.9 - 0.01 * np.abs(k - 8) + runs.noise(20, 0.002, 0.0, 1)
    (finding,) = check(runs.build(FALLING, accuracy=accuracy))
    assert finding.severity is Severity.WARNING
    assert finding.first_step == pytest.approx(899, abs=100)
    assert "validation accuracy" in finding.message
    assert "validation_accuracy > best" in finding.remedy.code


def test_a_small_drop_of_accuracy_is_a_note():
    k = np.arange(20)
    (finding,) = check(runs.build(FALLING, accuracy=0.9 - 0.003 * np.abs(k - 8)))
    assert finding.severity is Severity.INFO


def test_the_best_near_the_end_is_nothing():
    assert check(runs.healthy_run()) == []
    k = np.arange(20)
    assert check(runs.build(FALLING, accuracy=0.9 - 0.01 * np.abs(k - 17))) == []


def test_a_lucky_evaluation_is_nothing():
    accuracy = np.full(20, 0.9) + runs.noise(20, 0.01, 0.0, 2)
    accuracy[5] = 0.97
    assert check(runs.build(FALLING, accuracy=accuracy)) == []


def test_few_evaluations_are_refused():
    with pytest.raises(NotAssessable, match="fewer than 6 evaluations"):
        check(runs.build(FALLING, validation=np.ones(5)))
