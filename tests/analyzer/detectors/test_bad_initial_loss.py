"""First losses that an untrained model can and cannot have."""

import math

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.bad_initial_loss import BadInitialLoss
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import RunInfo, Series


def check(first, rate=100.0, end=1.5, info=None, **extra):
    losses = end + (first - end) * np.exp(-np.arange(1000) / rate)
    run = runs.build(losses, info=info or runs.known_info(), extra=extra)
    return list(BadInitialLoss().check(run))


def test_slow_recovery_of_a_poor_run_is_a_warning():
    (finding,) = check(40.0)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["untrained model"] == pytest.approx(math.log(10))
    assert finding.evidence["back at"] == pytest.approx(100 * math.log(38.5 / (math.log(10) - 1.5)), abs=2)
    assert "last" in finding.remedy.code


@pytest.mark.parametrize(("first", "rate", "end"), [(40.0, 5.0, 1.5), (40.0, 100.0, 0.1), (9.0, 100.0, 1.5)])
def test_quick_recovery_a_good_end_and_a_little_too_high_are_notes(first, rate, end):
    assert [f.severity for f in check(first, rate, end)] == [Severity.INFO]


def test_too_low_is_a_note_and_ln_c_is_right():
    assert [f.severity for f in check(0.5, end=0.2)] == [Severity.INFO]
    assert not check(2.4)
    assert not check(1.0, info=RunInfo(loss_name="binary_cross_entropy", source="traindoctor"), end=0.3)


def test_needs_the_first_step_and_the_targets():
    with pytest.raises(NotAssessable, match="untrained model is unknown"):
        check(40.0, info=RunInfo(source="traindoctor"))
    with pytest.raises(NotAssessable, match="accumulated"):
        check(0.5, end=0.2, micro_batches=Series(np.arange(1000), np.full(1000, 4.0)))
    late = runs.build(np.ones(500))
    late = runs.with_series(late, loss__train=Series(np.arange(50, 550), np.ones(500)))
    with pytest.raises(NotAssessable, match="untrained model alone"):
        list(BadInitialLoss().check(late))
