"""Pairs that are mixed up in an otherwise good classifier."""

import numpy as np
import pytest

from tests import held_out_answers as predictions
from traindoctor.analyzer.detectors.confused_classes import ConfusedClasses
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

LABELS = predictions.labels_of([100, 100, 100, 100])


def check(answered, labels=LABELS):
    return list(ConfusedClasses().check(predictions.answering(labels, answered, int(labels.max()) + 1)))


def test_names_the_pair_and_what_it_holds():
    answered = np.where((LABELS == 2) & (np.arange(400) % 5 < 2), 3, LABELS)
    (finding,) = check(answered)
    assert finding.severity is Severity.INFO
    assert (finding.evidence["true class"], finding.evidence["answered class"]) == (2.0, 3.0)
    assert finding.evidence["errors in these pairs"] == 1.0
    assert "labels == 2" in finding.remedy.code


def test_scattered_errors_are_none():
    rng = np.random.default_rng(0)
    assert not check(np.where(rng.random(400) < 0.2, rng.integers(0, 4, 400), LABELS))
    assert not check(LABELS)


def test_a_poor_model_and_two_classes_are_left_alone():
    assert not check(np.roll(LABELS, 100))
    labels = np.arange(200) % 2
    assert not check(np.where(np.arange(200) % 3 == 0, 1, labels), labels)
    with pytest.raises(NotAssessable):
        check(LABELS[:30], LABELS[:30])
