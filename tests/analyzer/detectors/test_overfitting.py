"""Validation losses that turn at a known evaluation, and some that do not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests import foreign, runs
from traindoctor.analyzer.detectors.overfitting import Overfitting, metric_change
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


def test_the_metric_is_told_where_it_is_known():
    (finding,) = check(runs.overfitted_run())
    assert finding.evidence["metric at the end"] < finding.evidence["metric then"] - 0.02
    assert "The validation accuracy went from" in finding.message
    assert metric_change(runs.build(np.ones(100)), 50) is None


def test_a_loss_that_rises_while_the_metric_improves_must_rise_further_for_a_warning():
    x = foreign.epochs(30)
    rising = foreign.turning(30, 12, 1.4, 0.8, 0.92)
    for accuracy, severity in (
        (np.linspace(0.5, 0.9, 30), Severity.INFO),
        (np.full(30, 0.8), Severity.WARNING),
    ):
        run = foreign.imported(
            {
                "loss/train": (x, foreign.falling(30)),
                "loss/validation": (x, rising),
                "accuracy/validation": (x, accuracy),
            },
            better={"accuracy/validation": "higher"},
        )
        (finding,) = check(run)
        assert finding.severity is severity


def metric_run(name, better, values):
    x = foreign.epochs(len(values))
    series = {"loss/train": (x, foreign.falling(len(values))), name: (x, values)}
    return foreign.imported(series, better={name: better}, source_names={name: "metrics/the metric"})


def test_a_metric_stands_in_for_a_validation_loss():
    (finding,) = check(metric_run("map50/validation", "higher", foreign.turning(40, 14, 0.05, 0.5, 0.3)))
    assert finding.severity is Severity.WARNING
    assert finding.first_step == 15
    assert "the metric metrics/the metric fell from 0.492" in finding.message


def test_a_metric_that_falls_when_it_improves_is_not_judged_upside_down():
    falls, rises = foreign.turning(40, 14, 0.5, 0.05, 0.03), foreign.turning(40, 14, 0.5, 0.1, 0.4)
    assert check(metric_run("wer/validation", "lower", falls)) == []
    (finding,) = check(metric_run("wer/validation", "lower", rises))
    assert "rose from 0.1" in finding.message


def test_a_metric_of_unknown_direction_is_not_judged():
    with pytest.raises(NotAssessable, match="no metric with a known direction"):
        check(metric_run("quux/validation", "", foreign.turning(40, 14, 0.05, 0.5, 0.3)))


@pytest.mark.parametrize("scale", [1.0, 1e4, 1.0 / math.log(2.0)])
def test_sums_and_other_bases_change_nothing(scale):
    x = foreign.epochs(30)
    validation = foreign.turning(30, 12, 1.4, 0.8, 1.1) * scale
    run = foreign.imported({"loss/train": (x, foreign.falling(30)), "loss/validation": (x, validation)})
    (finding,) = check(run)
    assert (finding.first_step, finding.severity) == (13, Severity.WARNING)


def test_losses_below_zero_can_overfit_and_can_be_sound():
    x = foreign.epochs(30)
    training = -1.0 + foreign.falling(30, 0.9, 0.05)
    for validation, n in ((foreign.turning(30, 12, -0.1, -0.8, -0.5), 1), (np.linspace(-0.1, -0.9, 30), 0)):
        run = foreign.imported({"loss/train": (x, training), "loss/validation": (x, validation)})
        assert len(check(run)) == n
