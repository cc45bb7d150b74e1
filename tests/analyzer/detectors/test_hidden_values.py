"""Losses that stay finite beside gradients that do not, and series thinned at random."""

import numpy as np
import pytest

from tests import foreign, runs
from traindoctor.analyzer.detectors.hidden_values import HiddenValues, is_sampled
from traindoctor.finding import Severity
from traindoctor.run import Series

STEPS = np.arange(0, 1000, 10)


def check(losses, norms=None, steps=STEPS):
    series = {"loss/train": (steps, losses)}
    series |= {"grad_norm/global": (steps, norms)} if norms is not None else {}
    return list(HiddenValues().check(foreign.imported(series, x_unit="optimizer steps")))


def test_finite_losses_beside_infinite_gradients_are_noted():
    norms = np.where(STEPS >= 700, np.nan, 1.0)
    (finding,) = check(np.where(STEPS >= 700, 0.0, 1.0), norms)
    assert (finding.severity, finding.first_step) == (Severity.INFO, 700)
    assert finding.evidence["points"] == 30
    assert "logging_nan_inf_filter=False" in finding.remedy.code


@pytest.mark.parametrize("bad", [[], [3, 40]])
def test_finite_or_rarely_infinite_gradients_are_none(bad):
    norms = np.ones(100)
    norms[bad] = np.inf
    assert not check(np.ones(100), norms)


def test_a_random_thousand_of_steps_is_a_sample():
    rng = np.random.default_rng(0)
    steps = np.sort(rng.choice(50_000, 1000, replace=False))
    assert [f.evidence["kept points"] for f in check(np.ones(1000), steps=steps)] == [1000.0]
    assert not is_sampled(Series(np.arange(0, 50_000, 50), np.ones(1000)))
    assert not is_sampled(Series(steps[:900], np.ones(900)))


def test_our_own_recordings_hide_nothing():
    assert not list(HiddenValues().check(runs.nan_run()))
