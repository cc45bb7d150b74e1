"""First losses that an untrained model can and cannot have."""

import math

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.bad_initial_loss import BadInitialLoss
from traindoctor.analyzer.engine import examine
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


@pytest.mark.parametrize(
    ("loss", "baseline", "first", "alarms"),
    [
        ("mse_loss", 1e6, 1e6, True),
        ("mse_loss", 1.0, 1e6, False),  # large outputs, not large targets: another sentence
        ("mse_loss", math.nan, 1e6, True),
        ("l1_loss", math.nan, 800.0, True),
        ("mse_loss", 400.0, 400.0, False),
    ],
)
def test_targets_of_a_large_scale(loss, baseline, first, alarms):
    info = RunInfo(loss_name=loss, baseline=baseline, source="traindoctor")
    findings = check(first, 1e5, 0.9 * first, info)
    told = [f for f in findings if "target spread" in f.evidence]
    assert [f.severity for f in told] == [Severity.WARNING] * alarms
    learned = runs.build(first * np.exp(-np.arange(1000) / 50.0), info=info)
    assert not [f for f in examine(BadInitialLoss(), learned)[0] if "target spread" in f.evidence]


def test_targets_are_named_even_where_the_run_broke_at_once():
    run = runs.build(np.r_[1e6, np.full(99, np.nan)], info=RunInfo(loss_name="mse_loss", baseline=1e6))
    (finding,) = BadInitialLoss().check(run)
    assert finding.evidence["target spread"] == 1000.0
