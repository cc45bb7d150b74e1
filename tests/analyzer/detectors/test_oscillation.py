"""Levels that swing, levels that settle, and swings that are meant."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.oscillation import Oscillation
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Run, Series

T = np.arange(3000)


def run_with(losses, lr=None):
    series = {"loss/train": Series(np.arange(len(losses)), losses)}
    series |= {"lr/0": Series(np.arange(len(losses)), lr)} if lr is not None else {}
    return Run("o", "o", series, info=runs.known_info())


def swinging(height):
    return 1.0 + 1.3 * np.exp(-T / 200) + height * np.sin(T / 70) + runs.noise(3000, 0.05)


def test_large_swings_are_a_warning_small_ones_a_note():
    (finding,) = Oscillation().check(run_with(swinging(0.6), np.full(3000, 0.1)))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["period"] == pytest.approx(2 * np.pi * 70, rel=0.15)
    assert "lr=0.03" in finding.remedy.code
    assert [f.severity for f in Oscillation().check(run_with(swinging(0.15)))] == [Severity.INFO]


@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_noise_is_no_swing(phi):
    assert not list(Oscillation().check(run_with(1.0 + np.exp(-T / 200) + runs.noise(3000, 0.3, phi))))


def test_cyclic_rates_are_meant():
    lr = 0.05 * (1.2 + np.sign(np.sin(T / 70)))
    assert [f.severity for f in Oscillation().check(run_with(swinging(0.6), lr))] == [Severity.INFO]


def test_short_runs_are_not_judged():
    with pytest.raises(NotAssessable, match="300"):
        list(Oscillation().check(run_with(swinging(0.6)[:200])))
