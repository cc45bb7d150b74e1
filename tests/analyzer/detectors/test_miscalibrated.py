"""Probabilities that are kept, promise too much or too little, or are none."""

import numpy as np
import pytest

from tests import held_out_answers as predictions
from traindoctor.analyzer.detectors.miscalibrated import Miscalibrated, fitted_temperature, log_loss
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity


def scaled(factor, seed=0):
    run = predictions.calibrated(seed=seed).predictions
    return predictions.run_with(run.y_true, factor * run.y_score)


@pytest.mark.parametrize("seed", range(3))
def test_drawn_labels_are_calibrated(seed):
    assert not list(Miscalibrated().check(scaled(1.0, seed)))


@pytest.mark.parametrize(("factor", "how"), [(4.0, "too sure"), (0.25, "too unsure")])
def test_the_temperature_undoes_the_factor(factor, how):
    (finding,) = Miscalibrated().check(scaled(factor))
    assert how in finding.message
    assert finding.evidence["temperature"] == pytest.approx(factor, rel=0.1)
    assert f"{finding.evidence['temperature']:.3g}" in finding.remedy.code


def test_worse_than_the_class_shares_is_a_warning():
    assert [f.severity for f in Miscalibrated().check(scaled(20.0))] == [Severity.WARNING]


def test_scores_of_unknown_kind_and_few_samples_are_not_judged():
    labels = np.arange(300) % 2
    with pytest.raises(NotAssessable, match="unknown kind"):
        list(Miscalibrated().check(predictions.run_with(labels, np.eye(2)[labels], kind="unknown")))
    with pytest.raises(NotAssessable, match="200 are needed"):
        list(Miscalibrated().check(predictions.answering(labels[:100], labels[:100], 2)))


def test_log_loss_by_hand():
    logits = np.log([[0.5, 0.5], [0.25, 0.75]])
    assert log_loss(logits, np.array([0, 1])) == pytest.approx(-0.5 * np.log(0.5 * 0.75))
    temperature, loss = fitted_temperature(np.array([[4.0, 0.0]] * 9 + [[0.0, 4.0]]), np.zeros(10, int))
    assert temperature == pytest.approx(4.0 / np.log(9.0), rel=0.03)
    assert loss == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1), rel=1e-3)
