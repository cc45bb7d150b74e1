"""A training loss that rises only where it is evaluated, and evaluations that agree with training."""

import numpy as np
import pytest

from tests import foreign
from traindoctor.analyzer.detectors.losses_not_comparable import LossesNotComparable
from traindoctor.analyzer.engine import diagnose
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Run, RunInfo, Series

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


def mirrored(train, validation, loss_name="cross_entropy"):
    at = np.linspace(0, len(train) - 1, len(validation)).astype(int)
    series = {"loss/train": Series(np.arange(len(train)), train), "loss/validation": Series(at, validation)}
    return Run("r", "r", series, info=RunInfo(loss_name=loss_name, source="traindoctor"))


def test_a_loss_that_is_maximised_is_named_before_what_follows():
    rising = 0.7 * np.exp(np.arange(400) / 60.0)
    diagnosis = diagnose(mirrored(-rising, rising[::40]))
    assert (diagnosis.findings[0].code, diagnosis.findings[0].severity) == ("TD404", Severity.CRITICAL)
    assert "maximises" in diagnosis.findings[0].message


def test_a_loss_that_breaks_before_it_is_evaluated_needs_a_function_that_is_never_negative():
    broken = np.r_[-np.exp(np.arange(30)), np.full(70, -np.inf)]
    run = mirrored(broken, np.array([np.inf, np.nan]))
    (finding,) = LossesNotComparable().check(run)
    assert finding.evidence["mirrored evaluations"] == 1.0
    with pytest.raises(NotAssessable):
        list(LossesNotComparable().check(mirrored(broken, np.array([np.inf, np.nan]), "")))


def test_a_negative_log_likelihood_of_a_density_is_no_mirror():
    falling = 1.0 - np.arange(400) / 100.0
    with pytest.raises(NotAssessable, match="evaluated together"):
        list(LossesNotComparable().check(mirrored(falling - 2.0, (falling - 1.9)[::40])))
    with pytest.raises(NotAssessable, match="evaluated together"):  # another measure, which gets better
        list(LossesNotComparable().check(mirrored(falling - 2.0, 1.0 - 0.02 * np.arange(10))))
