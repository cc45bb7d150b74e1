"""Rates that go while the loss still falls, and rates that go when it is done."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.decayed_too_early import DecayedTooEarly
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

N = 2000


def check(at, unit=10.0, low=0.005, start=2.3, every=1, **thresholds):
    lr = np.where(np.arange(N) < at, 0.1, 0.1 * low)
    losses = 0.3 + (start - 0.3) * (1.0 + np.cumsum(lr) / unit) ** -1.0 + runs.noise(N, 0.02)
    run = runs.build(losses, lr=lr)
    if every > 1:
        series = run.series["loss/train"]
        run = runs.with_series(run, loss__train=type(series)(series.steps[::every], series.values[::every]))
    return list(DecayedTooEarly(**thresholds).check(run))


def test_a_rate_that_goes_while_the_loss_falls_is_a_warning():
    (finding,) = check(150)
    assert (finding.severity, finding.first_step) == (Severity.WARNING, 150)
    assert finding.evidence["predicted gain"] > 0.3
    assert f"T_max={N}" in finding.remedy.code


def test_a_loss_that_was_done_or_a_late_decay_are_none():
    assert not check(800, unit=0.3)
    assert not check(1600)


def test_schedules_that_spend_themselves_are_none():
    for schedule in runs.SCHEDULES:
        assert not list(DecayedTooEarly().check(runs.healthy_run(N, schedule=schedule)))


def test_too_few_losses_before():
    with pytest.raises(NotAssessable, match="before the learning rate went down"):
        check(150, every=10)


def test_a_small_gain_is_a_note():
    (sure,) = check(150)
    (unsure,) = check(150, sure_gain=sure.evidence["predicted gain"] + 0.01)
    assert (sure.severity, unsure.severity) == (Severity.WARNING, Severity.INFO)
