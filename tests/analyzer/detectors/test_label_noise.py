"""Labels that were exchanged are found by their index; ordinary errors are none."""

import numpy as np
import pytest

from tests import held_out_answers as predictions
from traindoctor.analyzer.detectors.label_noise import LabelNoise
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

TRUE = np.arange(400) % 4


def test_exchanged_labels_are_found():
    labels = TRUE.copy()
    labels[::20] = (labels[::20] + 1) % 4
    (finding,) = LabelNoise().check(predictions.answering(labels, TRUE, 4))
    assert finding.severity is Severity.INFO
    assert finding.evidence["suspect samples"] == 20
    assert {finding.evidence[f"suspect {i}"] for i in range(1, 6)} <= set(range(0, 400, 20))


def test_probabilities_that_allow_for_the_errors_are_none():
    assert not list(LabelNoise().check(predictions.calibrated()))
    assert not list(LabelNoise().check(predictions.answering(TRUE, TRUE, 4)))


def test_right_and_far_too_unsure():
    (finding,) = LabelNoise().check(predictions.answering(TRUE, TRUE, 4, sure=1.5))
    assert finding.message.startswith("The training labels may be noisy")
    assert finding.evidence["gap"] == pytest.approx(1.0 - np.exp(1.5) / (np.exp(1.5) + 3.0))


def test_a_poor_model_judges_no_labels():
    with pytest.raises(NotAssessable, match="to judge labels by"):
        list(LabelNoise().check(predictions.answering(TRUE, np.zeros(400, int), 4)))
    with pytest.raises(NotAssessable, match="unknown kind"):
        list(LabelNoise().check(predictions.run_with(TRUE, np.eye(4)[TRUE], kind="unknown")))
