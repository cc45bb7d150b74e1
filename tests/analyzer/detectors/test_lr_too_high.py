"""lr-too-high: at once, dead afterwards, bouncing, late; silent where nothing was harmed."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs, weights
from traindoctor.analyzer.detectors.lr_too_high import LrTooHigh, lr_factor
from traindoctor.analyzer.engine import diagnose, examine
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo, Series

N = 1000


def shocked(ratios, start=0):
    """A run whose matrices were changed by `ratios` times their size in the samples from `start` on."""

    def overwrite(steps, old):
        new = old.copy()
        first = int(np.argmax(steps >= start))
        new[first : first + len(ratios)] = ratios
        return new

    return weights.changed_all(runs.healthy_run(N, schedule="constant"), "update_ratio", overwrite)


def found(run):
    return list(LrTooHigh().check(run))


def broke_at_once():
    losses = np.full(N, np.nan)
    losses[:4] = [2.3, 8e4, 1e19, np.inf]
    run = shocked([50.0, 6e3, 1e11, np.inf, np.inf])
    return weights.with_loss(run, losses)


def dead_after_explosion():
    losses = weights.flat(N)
    losses[1:8] = [400, 900, 350, 120, 40, 12, 5]
    run = shocked([15.0, 8.0, 2.0, 0.5, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
    run = weights.changed(run, "grad_dead_rows", fc2_weight=lambda steps, old: np.where(steps < 5, 0.0, 1.0))
    return weights.evaluated_alike(weights.with_loss(run, losses))


def bouncing():
    rng = np.random.default_rng(0)
    losses = runs.B0 * np.exp(rng.normal(0.3, 0.5, N))
    run = weights.changed_all(runs.healthy_run(N, schedule="constant"), "update_ratio", 0.3)
    return weights.evaluated_alike(weights.with_loss(run, losses))


CASES = {"NaN at once": broke_at_once, "dead network": dead_after_explosion, "bouncing": bouncing}


@pytest.mark.parametrize("case", CASES)
def test_found_and_ranked_above_its_symptoms(case):
    run = CASES[case]()
    (finding,) = found(run)
    assert finding.severity is Severity.CRITICAL
    assert finding.first_step <= 5
    assert diagnose(run).findings[0].code == "TD301"


def test_message_names_the_rate_the_size_of_the_step_and_the_harm():
    (finding,) = found(dead_after_explosion())
    assert "learning rate 0.1 is too high" in finding.message
    assert "8 times the size of the weights" in finding.message
    assert "units of fc2.weight stopped learning" in finding.message
    assert finding.evidence["update ratio"] == 8.0


def test_remedy_scales_the_rate_back_to_the_usual_first_step():
    (finding,) = found(dead_after_explosion())
    factor = finding.evidence["suggested factor"]
    assert factor == pytest.approx(0.1 / 15.0, rel=0.1)
    assert f"lr={0.1 * factor:.3g}" in finding.remedy.code


@pytest.mark.parametrize("first", [0.15, 1.0, 1e9])
def test_factor_always_lowers_and_stays_within_bounds(first):
    assert 1e-4 <= lr_factor(shocked([first]), 1) <= 1.0 / 3.0


@pytest.mark.parametrize(("ratio", "expected"), [(0.3, ["TD301"]), (0.05, [])])
def test_units_that_died_need_only_moderately_large_steps_to_blame_the_rate(ratio, expected):
    run = shocked([0.01, 0.02, ratio, 0.01])
    run = weights.changed(run, "grad_dead_rows", fc2_weight=lambda s, old: np.where(s < 9, 0.0, 1.0))
    assert [f.code for f in found(weights.with_loss(run, weights.flat(N)))] == expected


def test_a_late_jump_of_the_rate_is_found_where_it_happens():
    run = shocked([2.0, 3.0, 2.5], start=500)
    run = runs.with_series(run, lr__0=Series(np.arange(N), np.where(np.arange(N) < 495, 0.1, 10.0)))
    losses = run.series["loss/train"].values.copy()
    losses[500:] = 30.0
    (finding,) = found(weights.with_loss(run, losses))
    assert 450 <= finding.first_step <= 550
    assert finding.evidence["suggested factor"] < 0.01


def test_a_bad_batch_that_throws_the_weights_at_an_unchanged_rate_is_not_blamed_on_it():
    run = shocked([2.0, 3.0, 2.5], start=500)
    losses = run.series["loss/train"].values.copy()
    losses[500:] = 30.0
    assert found(weights.with_loss(run, losses)) == []


def test_large_steps_without_harm_are_silent():
    assert found(shocked([0.7, 0.6, 0.55])) == []


def test_a_large_first_step_alone_is_silent_as_rmsprop_takes_one():
    run = shocked([5.0])
    losses = run.series["loss/train"].values.copy()
    losses[1:4] = 6.0
    assert found(weights.with_loss(run, losses)) == []


def test_recovered_run_is_only_a_note():
    run = shocked([0.9, 0.8, 0.7])
    losses = run.series["loss/train"].values.copy() * 0.2
    losses[0], losses[1:8] = 2.3, 6.5
    assert [f.severity for f in found(weights.with_loss(run, losses))] == [Severity.INFO]


def test_harm_without_large_steps_is_another_trouble():
    assert found(runs.diverged_run()) == []
    assert found(runs.nan_run()) == []
    assert found(runs.unlearning_run()) == []


def test_ratios_against_weights_emptied_by_decay_do_not_count():
    run = weights.changed_all(runs.healthy_run(N), "update_ratio", lambda s, old: np.where(s > 20, 0.8, old))
    run = weights.changed_all(run, "weight_norm", lambda s, old: np.where(s > 20, 1e-3, old))
    assert found(weights.with_loss(run, weights.flat(N))) == []


def test_matrices_that_start_at_zero_do_not_count():
    run = weights.changed_all(
        runs.healthy_run(N), "update_ratio", lambda s, old: np.where(s < 9, np.inf, old)
    )
    with pytest.raises(NotAssessable, match="starts near zero"):
        found(weights.with_loss(run, weights.flat(N)))


def test_without_parameter_series_it_says_what_is_missing():
    run = replace(runs.healthy_run(N), parameters={})
    findings, why = examine(LrTooHigh(), run)
    assert not findings
    assert "update_ratio" in why


def test_remedy_for_an_unknown_optimizer_scales_in_place():
    run = dead_after_explosion()
    info = replace(run.info, optimizers=(OptimizerInfo("Lion", ({"label": "0", "lr": 0.1},)),))
    (finding,) = found(replace(run, info=info))
    assert 'group["lr"] *=' in finding.remedy.code


def test_a_non_finite_loss_long_after_the_step_is_not_blamed_on_it():
    run = shocked([0.8])
    run = shocked([0.01, 0.8])
    losses = run.series["loss/train"].values.copy()
    losses[-50:] = np.nan
    codes = [f.evidence for f in found(weights.with_loss(run, losses))]
    assert all("first non-finite" not in evidence for evidence in codes)


def test_series_of_length_one_do_not_break_it():
    run = weights.changed_all(runs.healthy_run(N), "update_ratio", 0.001)
    one = {name: Series(np.array([0]), np.array([0.9])) for name in run.parameter("update_ratio")}
    run = weights.without(run, "update_norm")
    assert found(replace(run, parameters={**run.parameters, "update_ratio": one})) == []


def test_what_the_decoupled_decay_takes_is_no_step_of_the_learning_rate():
    run = bouncing()
    rate = float(run.series["lr/0"].values[0])
    held = {"label": "0", "lr": rate, "weight_decay": 0.28 / rate}
    assert len(found(run)) == 1
    decayed = replace(run, info=replace(run.info, optimizers=(OptimizerInfo("AdamW", (held,)),)))
    assert found(decayed) == []
    gentle = OptimizerInfo("Adam", ({**held, "weight_decay": 1e-4},))
    assert len(found(replace(run, info=replace(run.info, optimizers=(gentle,))))) == 1


def test_a_decay_that_outweighs_the_first_gradients_is_to_blame_instead():
    run = bouncing()
    held = {"label": "0", "lr": 0.1, "weight_decay": 100.0}
    ruled = replace(run, info=replace(run.info, optimizers=(OptimizerInfo("Adam", (held,)),)))
    assert len(found(run)) == 1
    assert found(ruled) == []
