"""A training loss that rises only where it is evaluated, and evaluations that agree with training."""

import numpy as np
import pytest

from tests import foreign
from traindoctor.analyzer.detectors.losses_not_comparable import LossesNotComparable
from traindoctor.analyzer.engine import diagnose
from traindoctor.detector import NotAssessable

STEPS = 100 * np.arange(400)
AT = 1000 * np.arange(40) + 7
TURNED = foreign.turning(40, 15, 2.0, 0.5, 3.0)


def run_of(evaluated, validation, batches=None):
    batches = foreign.falling(400) if batches is None else batches
    series = {"loss/train": (STEPS, batches), "loss/validation": (AT, validation)}
    if evaluated is not None:
        series["loss of training/train"] = (AT, evaluated)
    return foreign.imported(series, x_unit="optimizer steps")


def test_finds_it_and_explains_what_looks_like_overfitting():
    diagnosis = diagnose(run_of(TURNED, TURNED + 0.1))
    assert diagnosis.findings[0].code == "TD404"
    assert diagnosis.findings[0].first_step == pytest.approx(15_007, abs=1000)
    assert set(diagnosis.findings[0].explains) == {"TD401", "TD407"}


def test_evaluations_that_agree_with_training_leave_overfitting_to_its_own_check():
    falling = foreign.falling(40)
    assert list(LossesNotComparable().check(run_of(falling, TURNED))) == []


def test_a_training_loss_that_rises_itself_is_no_mismatch():
    batches = foreign.turning(400, 150, 2.0, 0.5, 3.0)
    assert list(LossesNotComparable().check(run_of(TURNED, TURNED, batches))) == []


def test_a_log_without_an_evaluated_training_loss_cannot_tell():
    with pytest.raises(NotAssessable, match="no training loss was evaluated"):
        list(LossesNotComparable().check(run_of(None, TURNED)))
