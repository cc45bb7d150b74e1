"""dead-units: from the start, died, harmless; silent for sleepy units and zero gradients everywhere."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import runs, weights
from traindoctor.analyzer.detectors.dead_units import DeadUnits
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

N = 1000


def dead(share, after=0, losses=None, **layers):
    """A run with dead rows in some layers: their biases get no gradient either."""
    value = lambda steps, old: np.where(steps >= after, share, 0.05)  # noqa: E731
    layers = layers or {"fc1_weight": value}
    run = weights.changed(runs.healthy_run(N), "grad_dead_rows", **layers)
    run = weights.changed(run, "grad_norm", **{name.replace("weight", "bias"): 0.0 for name in layers})
    return weights.with_loss(run, weights.flat(N) if losses is None else losses)


def found(run):
    return list(DeadUnits().check(run))


def test_dead_from_the_start():
    (finding,) = found(dead(1.0))
    assert finding.severity is Severity.CRITICAL
    assert finding.first_step == 0
    assert "dead from the start" in finding.message
    assert finding.parameters == ("fc1.weight",)


def test_remedy_for_units_dead_from_the_start_runs_in_torch():
    (finding,) = found(dead(1.0))
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
    torch.nn.init.constant_(model[0].bias, -9.0)
    exec(finding.remedy.code, {"torch": torch, "model": model})
    assert bool((model[0].bias == 0).all())


def test_died_in_training_says_when_and_lowers_the_rate():
    (finding,) = found(dead(0.97, after=400))
    assert 400 <= finding.first_step <= 450
    assert finding.evidence["dead units at first"] == 0.05
    assert "lr=0.01" in finding.remedy.code


def test_all_dead_layers_are_named_worst_first():
    (finding,) = found(dead(0, fc1_weight=0.92, fc2_weight=1.0))
    assert finding.parameters == ("fc2.weight", "fc1.weight")
    assert "one of 2 such layers" in finding.message


def test_a_run_that_learned_all_the_same_gets_a_note():
    assert [f.severity for f in found(dead(1.0, losses=np.full(N, 0.3)))] == [Severity.INFO]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.85])
def test_sparse_layers_are_silent(share):
    assert found(dead(share)) == []


def test_the_output_layer_does_not_count():
    assert found(dead(0, fc3_weight=1.0)) == []


def test_a_layer_that_is_fed_zeros_is_not_dead_while_its_bias_learns():
    assert found(weights.changed(dead(1.0), "grad_norm", fc1_bias=0.3)) == []


def test_zero_gradients_everywhere_are_not_dead_units():
    run = weights.changed_all(dead(1.0), "grad_norm", 0.0)
    run = weights.changed(run, "grad_norm", fc1_bias=0.0, fc2_bias=0.0, fc3_bias=0.0)
    with pytest.raises(NotAssessable, match="all gradients are zero"):
        found(run)


def test_smooth_activations_cannot_be_judged():
    run = weights.with_infos(runs.healthy_run(N), lambda info: replace(info, activation="Tanh"))
    with pytest.raises(NotAssessable, match="Tanh"):
        found(run)


def test_too_few_samples_cannot_be_judged():
    with pytest.raises(NotAssessable, match="fewer than 3 samples"):
        found(runs.cut(runs.healthy_run(N), 2))
