"""Divergence at a known step, and rises that are none."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.divergence import Divergence
from traindoctor.analyzer.engine import diagnose
from traindoctor.finding import Severity
from traindoctor.run import ParameterInfo


def check(run):
    return list(Divergence().check(run))


@pytest.mark.parametrize("seed", range(5))
def test_finds_it_where_it_begins(seed):
    (finding,) = check(runs.diverged_run(at=1200, seed=seed))
    assert finding.severity is Severity.CRITICAL
    assert 1200 <= finding.first_step <= 1280
    assert finding.last_step == 1999
    assert "lr=" in finding.remedy.code


def test_a_partial_loss_of_progress_is_a_warning():
    run = runs.healthy_run(schedule="constant")
    values = run.series["loss/train"].values + np.where(np.arange(2000) >= 1500, 0.6, 0.0)
    (finding,) = check(runs.build(values))
    assert finding.severity is Severity.WARNING
    assert finding.first_step == pytest.approx(1500, abs=10)


def test_a_run_that_only_ever_rose():
    (finding,) = check(runs.build(runs.B0 * np.exp(np.linspace(0.0, 3.0, 500))))
    assert finding.severity is Severity.CRITICAL


def test_a_spike_that_recovers_is_none():
    assert check(runs.spiked_run()) == []


def test_a_small_rise_is_none():
    run = runs.healthy_run(schedule="constant")
    values = run.series["loss/train"].values + np.where(np.arange(2000) >= 1500, 0.1, 0.0)
    assert check(runs.build(values)) == []


def test_a_high_last_block_alone_is_none():
    values = runs.healthy_run(schedule="constant").series["loss/train"].values.copy()
    values[-60:] += 0.6
    assert check(runs.build(values)) == []


def test_a_rise_after_a_restart_of_the_learning_rate_is_its_own_doing():
    lr = np.concatenate([runs.lr_trace(1000, "cosine"), np.full(300, 0.1)])
    losses = np.concatenate([np.linspace(2.3, 0.4, 1000), np.full(300, 0.9)]) + runs.noise(1300, 0.03)
    assert check(runs.build(losses, lr=lr)) == []
    assert len(check(runs.build(losses, lr=np.full(1300, 0.1)))) == 1


def test_a_negative_loss_can_diverge():
    losses = np.concatenate([np.linspace(-0.1, -0.9, 600), np.full(400, -0.05)]) + runs.noise(1000, 0.01)
    info = runs.known_info(baseline=float("nan"), n_classes=0)
    assert [f.severity for f in check(runs.build(losses, info=info))] == [Severity.CRITICAL]


def stepped(height=1.0, at=14, fall=0.0, normalised=False, **series):
    """20 evaluations of a run that stands at 0.5; from evaluation `at` on they are `height` higher."""
    evaluations = 0.5 + 1.5 * np.exp(-np.arange(20.0)) + np.where(np.arange(20) >= at, height, 0.0)
    losses = 0.5 + 1.8 * np.exp(-np.arange(2000) / 60) + runs.noise(2000, 0.02)
    losses[at * 100 :] -= fall
    extra = ParameterInfo("norm.weight", (8,), "norm", module="BatchNorm1d")
    info = replace(runs.known_info(), parameters=(extra,) if normalised else ())
    return runs.build(losses, validation=evaluations, info=info, **series)


def test_a_step_of_the_validation_loss_alone_is_a_divergence_of_it():
    (finding,) = check(stepped())
    assert finding.severity is Severity.WARNING
    assert 1300 <= finding.first_step < 1500
    assert "only evaluation uses" in finding.message
    (finding,) = check(stepped(normalised=True))
    assert "BatchNorm" in finding.message
    assert diagnose(stepped(normalised=True)).findings[0].code == "TD102"


def test_small_steps_slow_rises_and_overfitting_are_none():
    assert check(stepped(height=0.1)) == []
    assert check(stepped(fall=0.3)) == []
    slow = 0.5 + np.maximum(0.0, np.arange(20) - 8) * 0.1
    assert check(runs.build(stepped().series["loss/train"].values, validation=slow)) == []


def test_a_step_that_comes_back_or_follows_the_learning_rate_is_none():
    run = stepped()
    values = run.series["loss/validation"].values.copy()
    values[-2:] = 0.5
    assert check(runs.build(run.series["loss/train"].values, validation=values)) == []
    raised = np.where(np.arange(2000) >= 1450, 0.5, 0.1)
    assert check(stepped(lr=raised)) == []
