"""Validation losses below the training loss, and where they belong."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.too_good import TooGood
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

N = 900


def check(gap, evaluations=20, rate=60.0, sd=0.05):
    losses = 1.0 + 1.3 * np.exp(-np.arange(N) / rate) + runs.noise(N, sd)
    at = runs.evaluation_steps(N, evaluations)
    smooth = 1.0 + 1.3 * np.exp(-at / rate)
    return list(TooGood().check(runs.build(losses, validation=smooth + gap)))


def test_far_below_is_a_note():
    (finding,) = check(-0.5)
    assert finding.severity is Severity.INFO
    assert finding.evidence["difference"] == pytest.approx(0.5 / 1.3, abs=0.05)
    assert "sha256" in finding.remedy.code


@pytest.mark.parametrize(("gap", "rate", "sd"), [(0.1, 60.0, 0.05), (-0.05, 60.0, 0.05), (-0.3, 800.0, 0.05)])
def test_the_usual_order_a_small_difference_and_a_falling_loss_are_none(gap, rate, sd):
    assert not check(gap, rate=rate, sd=sd)


def test_few_evaluations_are_not_judged():
    with pytest.raises(NotAssessable, match="6 are needed"):
        check(-0.5, evaluations=4)
