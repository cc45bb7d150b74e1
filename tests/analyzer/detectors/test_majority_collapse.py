"""Answers of one class only, and answers of several."""

import numpy as np
import pytest

from tests import held_out_answers as predictions
from tests import runs
from traindoctor.analyzer.detectors.majority_collapse import MajorityCollapse
from traindoctor.analyzer.engine import examine
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity


def test_one_answer_for_everything_is_critical_and_few_others_a_warning():
    labels = predictions.labels_of([120, 60, 20])
    (finding,) = MajorityCollapse().check(predictions.answering(labels, np.zeros(200, int), 3))
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["accuracy"] == pytest.approx(0.6)
    assert "torch.tensor([0.556, 1.11, 3.33])" in finding.remedy.code
    answered = np.where(np.arange(200) % 100 == 7, 1, 0)
    (finding,) = MajorityCollapse().check(predictions.answering(labels, answered, 3))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("counts", [[100, 100], [190, 10], [120, 60, 20]])
def test_right_answers_are_none_however_unbalanced(counts):
    labels = predictions.labels_of(counts)
    assert not list(MajorityCollapse().check(predictions.answering(labels, labels, len(counts))))
    assert not list(MajorityCollapse().check(predictions.calibrated()))


def test_needs_predictions_of_several_classes():
    assert examine(MajorityCollapse(), runs.healthy_run(300))[1].startswith("needs predictions")
    with pytest.raises(NotAssessable, match="all of one class"):
        list(MajorityCollapse().check(predictions.answering(np.zeros(80, int), np.zeros(80, int), 2)))
    with pytest.raises(NotAssessable, match="only 20 predictions"):
        list(MajorityCollapse().check(predictions.answering(np.arange(20) % 2, np.zeros(20, int), 2)))
    with pytest.raises(NotAssessable, match="finite scores"):
        list(MajorityCollapse().check(predictions.run_with(np.arange(80) % 2, np.full((80, 2), np.nan))))
