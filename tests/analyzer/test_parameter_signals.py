"""Tables of per-parameter series, roles, fingerprints of untrained weights; how a run ended."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import runs, weights
from traindoctor.analyzer.outcome import final_skill, first_non_finite
from traindoctor.analyzer.parameter_signals import (
    has_initial_weights,
    held_share,
    known_median,
    late,
    matrices,
    matrix_table,
    table,
    theoretical_rms,
    update_ratios,
)
from traindoctor.detector import NotAssessable
from traindoctor.run import ParameterInfo, Run, RunInfo, Series

N = 500


def test_matrices_are_the_trainable_ones_the_optimizer_holds():
    run = runs.healthy_run(N)
    assert [info.name for info in matrices(run)] == ["fc1.weight", "fc2.weight", "fc3.weight"]
    frozen = weights.with_infos(run, lambda i: replace(i, trainable=i.name != "fc1.weight"))
    assert [info.name for info in matrices(frozen)] == ["fc2.weight", "fc3.weight"]
    unheld = weights.with_infos(run, lambda i: replace(i, group="" if i.name == "fc3.weight" else "0"))
    assert [info.name for info in matrices(unheld)] == ["fc1.weight", "fc2.weight"]


def test_without_infos_names_tell_the_matrices():
    run = replace(runs.healthy_run(N), info=RunInfo())
    assert len(matrices(run)) == 3


def test_table_joins_series_on_their_own_steps():
    columns = {
        "a": Series(np.array([0, 2]), np.array([1.0, 3.0])),
        "b": Series(np.array([2, 5]), np.array([7.0, 9.0])),
    }
    found = table(Run("r", "r", {}, {"weight_norm": columns}), "weight_norm", ("a", "missing", "b"))
    assert found.names == ("a", "b")
    assert found.steps.tolist() == [0, 2, 5]
    np.testing.assert_array_equal(found.values, [[1, np.nan], [3, 7], [np.nan, 9]])
    np.testing.assert_array_equal(found.median().values, [1, 5, 9])
    np.testing.assert_array_equal(late(found), [[np.nan, 9]])


def test_medians_drop_steps_nobody_knows_and_keep_infinities():
    columns = {"a": Series(np.arange(3), np.array([np.nan, np.inf, 1.0]))}
    middle = table(Run("r", "r", {}, {"q": columns}), "q", ("a",)).median()
    assert middle.steps.tolist() == [1, 2]
    assert np.isnan(known_median(np.array([np.nan, np.nan])))


def test_a_quantity_nobody_recorded_is_refused():
    with pytest.raises(NotAssessable, match="grad_norm was recorded for no"):
        matrix_table(weights.without(runs.healthy_run(N), "grad_norm"), "grad_norm")


def test_matrices_that_start_at_zero_are_left_out_of_the_ratios():
    run = weights.changed(
        runs.healthy_run(N), "update_ratio", fc2_weight=lambda s, old: np.where(s == 0, np.inf, old)
    )
    assert update_ratios(run).names == ("fc1.weight", "fc3.weight")


@pytest.mark.parametrize(
    "layer", [torch.nn.Linear(64, 40), torch.nn.Conv2d(8, 16, 3)], ids=["linear", "conv"]
)
def test_torch_default_weights_are_recognised_and_trained_ones_are_not(layer):
    def recorded(weight):
        steps = np.arange(3)
        stats = {
            "weight_max": float(weight.abs().max()),
            "weight_std": float(weight.std(correction=0)),
            "weight_mean": float(weight.mean()),
        }
        tables = {q: {"w": Series(steps, np.full(3, value))} for q, value in stats.items()}
        info = ParameterInfo("w", tuple(weight.shape), "matrix")
        return Run("r", "r", {}, tables, info=RunInfo(parameters=(info,))), info

    torch.manual_seed(0)
    layer.reset_parameters()
    weight = layer.weight.detach()
    assert has_initial_weights(*recorded(weight))
    assert not has_initial_weights(*recorded(weight + 0.3 * weight.std() * torch.randn_like(weight)))
    assert not has_initial_weights(*recorded(torch.randn_like(weight) * weight.std()))
    for recipe in (torch.nn.init.kaiming_normal_, torch.nn.init.xavier_uniform_):
        drawn = recipe(weight.clone(), **({"nonlinearity": "relu"} if "kaiming" in recipe.__name__ else {}))
        assert has_initial_weights(*recorded(drawn))
        assert not has_initial_weights(*recorded(drawn + 0.2 * drawn.std()))
    assert theoretical_rms(recorded(weight)[1]) == pytest.approx(
        float(weight.square().mean().sqrt()), rel=0.05
    )


def test_shares_count_elements():
    run = runs.healthy_run(N)
    assert held_share(run.info.parameters, run) == 1.0
    assert held_share([info for info in run.info.parameters if info.role == "bias"], run) < 0.02
    assert held_share(run.info.parameters, Run("r", "r")) == 0.0


def test_final_skill_is_the_share_of_the_baseline_that_is_gone():
    assert final_skill(weights.with_loss(runs.healthy_run(N), np.full(N, 0.25 * runs.B0))) == pytest.approx(
        0.75
    )
    assert final_skill(runs.nan_run()) == -np.inf
    assert np.isnan(final_skill(Run("r", "r")))
    assert np.isnan(final_skill(weights.with_loss(runs.healthy_run(N), np.full(N, -1.0))))


def test_first_non_finite_step():
    assert first_non_finite(runs.nan_run(at=600)) == 600
    assert first_non_finite(runs.healthy_run(N)) is None
    assert first_non_finite(Run("r", "r")) is None
