"""Losses that one batch threw up, and those that training threw up itself."""

import math

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.batch_jump import batch_jump
from traindoctor.analyzer.detectors.loss_spike import LossSpike
from traindoctor.analyzer.engine import diagnose
from traindoctor.finding import Severity
from traindoctor.run import Series

N, AT = 1000, 700


def thrown(after, norms=None):
    """A healthy run whose loss is 1e4 at step 700 and `after` from then on."""
    run = runs.healthy_run(N)
    losses = run.series["loss/train"].values.copy()
    losses[AT], losses[AT + 1 :] = 1e4, after
    gradients = 1.0 + 0.1 * runs.noise(N, 1.0) if norms is None else norms
    return runs.with_series(
        run, loss__train=Series(np.arange(N), losses), grad_norm__global=Series(np.arange(N), gradients)
    )


def test_a_batch_that_breaks_the_run_is_its_cause():
    run = thrown(math.nan)
    found = batch_jump(run)
    assert found is not None
    assert found.step == AT
    assert found.lost == math.inf
    first = diagnose(run).findings[0]
    assert (first.code, first.severity, first.first_step) == ("TD104", Severity.CRITICAL, AT)
    assert "TD103" in first.explains


def test_lasting_damage_is_a_warning_and_none_is_a_note():
    (finding,) = LossSpike().check(thrown(1.9))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["progress lost"] > 0.1
    healthy = runs.healthy_run(N).series["loss/train"].values[AT + 1 :]
    assert all(f.severity is Severity.INFO for f in LossSpike().check(thrown(healthy)))


@pytest.mark.parametrize("growth", [10.0, 100.0])
def test_growing_gradients_speak_for_the_training_itself(growth):
    norms = np.ones(N)
    norms[AT - 2 :] = growth
    assert batch_jump(thrown(1.9, norms)) is None


def test_an_ordinary_hard_batch_of_a_solved_task_is_none():
    losses = np.full(N, 1e-4)
    losses[:50], losses[AT] = 2.3, 2.0
    run = runs.build(losses, info=runs.known_info())
    run = runs.with_series(run, grad_norm__global=Series(np.arange(N), np.ones(N)))
    assert batch_jump(run) is None


def test_without_gradient_norms_nothing_is_said():
    run = thrown(1.9)
    run = runs.build(run.series["loss/train"].values)
    assert batch_jump(run) is None
