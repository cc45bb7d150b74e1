"""Losses that were divided for accumulation, and those that only look like it."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.engine import diagnose
from traindoctor.analyzer.undivided import divisor, known_levels, undivided
from traindoctor.run import RunInfo, Series

N = 1000


def accumulated(k, factor, n_batches=None):
    """A run of k batches per step whose recorded loss is `factor` times the validation loss's."""
    run = runs.healthy_run(N)
    steps = np.arange(N)
    batches = Series(steps, np.full(N, float(k if n_batches is None else n_batches)))
    losses = Series(steps, factor * run.series["loss/train"].values)
    run = runs.with_series(run, loss__train=losses, micro_batches=batches)
    return replace(run, info=replace(run.info, loss_name="cross_entropy", n_classes=10))


@pytest.mark.parametrize("k", [2, 4, 8])
def test_a_divided_loss_is_multiplied(k):
    run = accumulated(k, 1.0 / k)
    assert divisor(run) == k
    whole = undivided(run)
    assert whole.series["loss/train"].values == pytest.approx(k * run.series["loss/train"].values)
    assert whole.series["loss/validation"] is run.series["loss/validation"]
    assert undivided(whole) is whole


def test_a_loss_that_was_not_divided_is_left_alone():
    assert undivided(run := accumulated(4, 1.0)) is run


def test_without_accumulation_a_low_first_loss_is_left_alone():
    assert undivided(run := accumulated(2, 0.5, n_batches=1)) is run


def test_a_low_loss_that_the_validation_loss_shares_is_left_alone():
    run = accumulated(2, 0.5)
    validation = run.series["loss/validation"]
    run = runs.with_series(run, loss__validation=Series(validation.steps, 0.5 * validation.values))
    assert undivided(run) is run


def test_the_diagnosis_of_a_divided_loss_is_that_of_the_loss():
    def said(run):
        return [(f.code, f.severity) for f in diagnose(run).findings]

    assert said(accumulated(4, 0.25)) == said(accumulated(4, 1.0))


def test_ln_2_bounds_a_binary_loss_that_begins_there():
    losses = np.linspace(0.7, 0.5, N)
    name = "binary_cross_entropy_with_logits"
    run = runs.build(losses, info=RunInfo(loss_name=name))
    assert known_levels(run).baseline == pytest.approx(np.log(2.0))
    assert known_levels(run).baseline_known
    assert not known_levels(runs.build(3.0 * losses, info=RunInfo(loss_name=name))).baseline_known
    assert not known_levels(runs.build(losses, info=RunInfo(loss_name="l1_loss"))).baseline_known
