"""lr-too-low: found at any length; silent when converged, in decay tails and where units are dead."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs, weights
from traindoctor.analyzer.detectors.lr_too_low import LrTooLow
from traindoctor.analyzer.engine import diagnose
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo, Series

N = 1000


def slow(ratio, losses=None, n=N, schedule="constant"):
    """A run whose matrices move by `ratio` per step; the loss hardly falls unless given."""
    lr = runs.lr_trace(n, schedule)
    run = runs.healthy_run(n, schedule=schedule)
    shape = lambda steps, old: ratio * lr[steps] / lr.max()  # noqa: E731
    run = weights.changed_all(run, "update_ratio", shape)
    run = weights.with_loss(
        run, runs.B0 - 0.05 * np.arange(n) / n + runs.noise(n, 0.02) if losses is None else losses
    )
    return weights.evaluated_alike(run)


def found(run):
    return list(LrTooLow().check(run))


@pytest.mark.parametrize("n", [100, 1000, 20000])
def test_hundred_times_too_small_steps_are_found_at_any_length(n):
    (finding,) = found(slow(0.2 / np.sqrt(n) / 100, n=n))
    assert finding.evidence["too small by"] == pytest.approx(100, rel=0.05)
    assert (finding.first_step, finding.last_step) == (0, n - 1)


def test_it_is_the_first_finding_and_explains_the_missing_progress():
    diagnosis = diagnose(slow(1e-5))
    assert diagnosis.findings[0].code == "TD302"
    assert diagnosis.findings[0].severity is Severity.CRITICAL


def test_remedy_raises_the_rate():
    (finding,) = found(slow(0.2 / np.sqrt(N) / 100))
    assert finding.evidence["suggested factor"] == 50
    assert "lr=5.0, momentum=0.9" in finding.remedy.code


def test_three_times_smaller_steps_than_the_target_are_no_alarm():
    assert found(slow(0.2 / np.sqrt(N) / 3)) == []


def test_converged_run_with_small_steps_is_silent():
    assert found(slow(1e-5, runs.decay(runs.lr_trace(N), "exponential", floor=0.1))) == []


def test_a_training_loss_that_dropout_holds_up_is_no_sign():
    run, healthy = slow(1e-5), runs.healthy_run(N)
    assert found(run)
    assert found(runs.with_series(run, loss__validation=healthy.series["loss/validation"])) == []


def test_one_matrix_that_moves_fast_clears_the_rate():
    run = weights.changed(slow(1e-5), "update_ratio", fc3_weight=0.02)
    assert found(weights.without(run, "update_norm")) == []


@pytest.mark.parametrize("schedule", runs.SCHEDULES)
def test_decay_tails_and_warm_ups_do_not_count_as_small_steps(schedule):
    assert found(slow(6e-3, weights.flat(N), schedule=schedule)) == []


def test_a_schedule_spent_after_a_tenth_of_the_run_is_not_judged_by_its_peak():
    lr = np.where(np.arange(N) < N // 10, 0.1, 1e-8)
    run = runs.with_series(slow(1e-7), lr__0=Series(np.arange(N), lr))
    assert found(run) == []


def test_a_dead_layer_is_not_blamed_on_the_rate():
    assert found(weights.changed(slow(1e-6), "grad_dead_rows", fc1_weight=1.0)) == []


def test_a_run_that_took_full_steps_at_first_is_not_too_slow():
    run = weights.changed_all(slow(1e-6), "update_ratio", lambda s, old: np.where(s == 3, 0.9, old))
    assert found(run) == []


def test_no_update_at_all_is_not_a_small_one():
    assert found(slow(0.0)) == []


def test_updates_lost_to_rounding_are():
    run = runs.with_series(
        slow(0.0), lr__0=type(runs.healthy_run(N).series["lr/0"])(np.arange(N), np.full(N, 1e-9))
    )
    (finding,) = found(run)
    assert "rounding" in finding.message


def test_short_runs_and_other_objectives_are_refused_with_the_reason():
    with pytest.raises(NotAssessable, match="only 30 steps"):
        found(slow(1e-5, n=30))
    gan = slow(1e-5)
    with pytest.raises(NotAssessable, match="gan"):
        found(replace(gan, info=replace(gan.info, loss_role="gan")))


def test_unknown_baseline_is_judged_against_the_first_loss():
    run = slow(1e-5)
    unknown = replace(run, info=replace(run.info, baseline=float("nan"), n_classes=0, loss_name=""))
    assert [f.code for f in found(unknown)] == ["TD302"]


def test_negative_losses_are_not_judged():
    assert found(slow(1e-5, -weights.flat(N))) == []


def test_seven_times_too_small_steps_count_where_nothing_was_learned():
    ratio = 0.2 / np.sqrt(N) / 7
    assert len(found(slow(ratio))) == 1
    assert found(slow(ratio, losses=runs.B0 - 0.6 * np.arange(N) / N)) == []
    assert found(slow(0.2 / np.sqrt(N) / 4)) == []


@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop"])
def test_an_epsilon_that_drowns_the_gradients_is_named(name):
    def run_with(eps, level=1.8):
        run = weights.with_loss(runs.healthy_run(N), level + runs.noise(N, 0.02))
        info = replace(run.info, optimizers=(OptimizerInfo(name, ({"label": "0", "lr": 0.1, "eps": eps},)),))
        return weights.evaluated_alike(replace(run, info=info))

    (finding,) = found(run_with(1.0))
    assert finding.evidence["epsilon"] == 1.0
    assert finding.evidence["steps smaller by"] > 10
    assert "eps=1e-08" in finding.remedy.code
    assert found(run_with(1e-8)) == []
    assert found(run_with(1.0, level=0.1)) == []
