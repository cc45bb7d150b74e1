"""Validation losses that turn at a known evaluation, and some that do not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.overfitting import Overfitting, accuracy_change
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity


def check(run):
    return list(Overfitting().check(run))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("best", [5, 8, 12])
def test_finds_the_best_evaluation(seed, best):
    (finding,) = check(runs.overfitted_run(best=best, seed=seed))
    assert finding.severity is Severity.WARNING
    assert finding.first_step == pytest.approx(100 * best + 99, abs=200)
    assert finding.last_step == 2999
    assert f"step {finding.first_step}" in finding.remedy.text


def test_a_small_rise_is_a_note():
    (finding,) = check(runs.overfitted_run(rise=0.15))
    assert finding.severity is Severity.INFO


def test_a_rise_within_the_noise_is_nothing():
    run = runs.overfitted_run(rise=0.0)
    noisy = run.series["loss/validation"].values + runs.noise(30, 0.2, 0.0, 4)
    series = runs.build(run.series["loss/train"].values, validation=noisy).series
    assert check(replace(run, series=series)) == []


def test_a_rise_of_both_losses_is_no_overfitting():
    losses = np.concatenate([np.linspace(2.3, 0.8, 1000), np.linspace(0.8, 1.6, 1000)])
    at = runs.evaluation_steps(2000, 20)
    assert check(runs.build(losses, validation=losses[at] + 0.05)) == []


def test_a_rise_in_the_last_evaluations_only_is_too_early_to_tell():
    assert check(runs.cut(runs.overfitted_run(best=28), 3000)) == []


def test_a_model_without_skill_cannot_overfit():
    k = np.arange(20)
    run = runs.build(runs.decay(runs.lr_trace(2000), floor=0.05), validation=runs.B0 - 0.1 + 0.05 * k)
    assert check(run) == []


def test_few_evaluations_are_refused():
    with pytest.raises(NotAssessable, match="only 4 evaluations"):
        check(runs.build(np.linspace(2.0, 1.0, 100), validation=np.ones(4)))


def test_ten_epochs_of_one_value_each_are_enough():
    training = np.geomspace(2.0, 0.05, 12)
    validation = np.array([1.8, 1.4, 1.1, 1.0, 1.05, 1.15, 1.25, 1.35, 1.45, 1.5, 1.6, 1.7])
    info = runs.known_info(x_unit="epochs", baseline=math.nan, n_classes=0)
    (finding,) = check(runs.build(training, validation=validation, info=info))
    assert finding.first_step == 3
    assert finding.message.startswith("The model overfits from epoch 3 on")


def test_accuracy_is_told_where_it_is_known():
    (finding,) = check(runs.overfitted_run())
    assert finding.evidence["accuracy change"] < -0.02
    assert "Accuracy changed by -" in finding.message
    assert accuracy_change(runs.build(np.ones(100)), 50) is None
