"""Losses that fall at the ends of epochs, and losses that fall otherwise."""

import numpy as np
import pytest

from tests import foreign, runs
from traindoctor.analyzer.detectors.periodic_loss import PeriodicLoss
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

STEPS = 10 * np.arange(240)
EPOCH = np.arange(240) / 80.0
STAIRS = 1.0 - 0.22 * np.floor(EPOCH) - 0.03 * (EPOCH % 1.0)


def check(losses, epoch=EPOCH, **more):
    series = {"loss/train": (STEPS, losses), "epoch": (STEPS, epoch)}
    series |= {name.replace("__", "/"): (STEPS, values) for name, values in more.items()}
    return list(PeriodicLoss().check(foreign.imported(series, x_unit="optimizer steps")))


@pytest.mark.parametrize("seed", range(3))
def test_finds_the_steps(seed):
    (finding,) = check(STAIRS + runs.noise(240, 0.03, 0.0, seed))
    assert (finding.severity, finding.first_step) == (Severity.INFO, 800)
    assert finding.evidence["drops"] == 2


@pytest.mark.parametrize("losses", [1.0 - 0.25 * EPOCH, foreign.falling(240), np.ones(240)])
def test_a_steady_fall_is_none(losses):
    assert check(losses + runs.noise(240, 0.02, 0.0, 1)) == []


def test_a_learning_rate_that_drops_there_explains_it():
    assert check(STAIRS, lr__0=0.1 ** (1.0 + np.floor(EPOCH))) == []


def test_too_few_epochs_or_losses_are_refused():
    with pytest.raises(NotAssessable, match="fewer than three epochs"):
        check(STAIRS, epoch=EPOCH / 2.0)
    with pytest.raises(NotAssessable, match="losses per epoch"):
        check(STAIRS, epoch=EPOCH * 10.0)
