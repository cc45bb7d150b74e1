"""Rare classes that are missed, rare classes that are found, classes too small to tell."""

import numpy as np
import pytest

from tests import held_out_answers as predictions
from traindoctor.analyzer.detectors.class_imbalance import ClassImbalance
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

COUNTS = [600, 300, 40]
LABELS = predictions.labels_of(COUNTS)


def check(answered):
    return list(ClassImbalance().check(predictions.answering(LABELS, answered, 3)))


def test_a_rare_class_that_is_never_found():
    (finding,) = check(np.where(LABELS == 2, 0, LABELS))
    assert finding.severity is Severity.INFO  # 4 % of the samples
    assert (finding.evidence["recall"], finding.evidence["samples"]) == (0.0, 40.0)
    assert finding.evidence["balanced accuracy"] == pytest.approx(2 / 3)


def test_it_is_a_warning_where_it_concerns_many_samples():
    labels = predictions.labels_of([800, 60, 60])
    (finding,) = ClassImbalance().check(predictions.answering(labels, np.where(labels > 0, 0, labels), 3))
    assert (finding.severity, finding.evidence["classes given up"]) == (Severity.WARNING, 2.0)


def test_found_classes_and_a_model_that_knows_nothing_are_none():
    assert not check(LABELS)
    assert not check(np.full(LABELS.size, 1))  # the commonest is missed, too: another trouble


def test_small_classes_are_not_judged():
    labels = predictions.labels_of([600, 10])
    assert not list(ClassImbalance().check(predictions.answering(labels, np.zeros(610, int), 2)))
    with pytest.raises(NotAssessable):
        list(ClassImbalance().check(predictions.answering(LABELS[:10], LABELS[:10], 3)))
