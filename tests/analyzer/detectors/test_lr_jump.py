"""Jumps of the learning rate: with harm, without, meant, and none."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.lr_jump import LrJump
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo

N, AT = 1000, 600
T = np.arange(N)
FALLING = 0.4 + 1.9 * np.exp(-T / 150)


def check(losses, lr, scheduler=""):
    run = runs.build(losses, lr=lr)
    optimizer = OptimizerInfo("SGD", ({"label": "0", "lr": 0.1},), scheduler)
    return list(LrJump().check(replace(run, info=replace(run.info, optimizers=(optimizer,)))))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_jump_with_harm_is_a_warning(schedule):
    lr = runs.lr_trace(N, schedule) * np.where(T < AT, 1.0, 100.0)
    (finding,) = check(np.where(T < AT, FALLING, 1.6), lr)
    assert (finding.severity, finding.first_step) == (Severity.WARNING, AT)
    assert finding.evidence["times"] == pytest.approx(100.0, rel=0.01)


def test_a_jump_to_nan_is_a_warning():
    lr = np.where(T < AT, 0.1, 10.0)
    (finding,) = check(np.where(T < AT, FALLING, np.nan), lr)
    assert finding.severity is Severity.WARNING
    assert "NaN" in finding.message


def test_a_harmless_jump_is_a_note():
    assert [f.severity for f in check(FALLING, np.where(T < AT, 0.1, 0.2))] == [Severity.INFO]


@pytest.mark.parametrize("schedule", runs.SCHEDULES)
def test_ordinary_schedules_have_none(schedule):
    assert not check(FALLING, runs.lr_trace(N, schedule))
    assert not check(FALLING, np.repeat(runs.lr_trace(20, schedule), 50))  # one value per epoch


def test_restarts_on_purpose_are_none():
    lr = 0.05 * (1.0 + np.cos(np.pi * (T % 250) / 250))
    assert not check(FALLING, lr, "CosineAnnealingWarmRestarts")


def test_too_few_losses():
    lr = np.where(np.arange(30) < 20, 0.1, 1.0)
    with pytest.raises(NotAssessable, match="to see what a jump"):
        check(np.linspace(2.0, 1.0, 30), lr)
