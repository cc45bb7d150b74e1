"""The scale of the inputs, from gradients that are worked out by the chain rule."""

import numpy as np
import pytest

from traindoctor.analyzer.detectors.bad_initialisation import BadInitialisation
from traindoctor.analyzer.engine import examine
from traindoctor.analyzer.input_signals import has_zero_inputs, input_scale
from traindoctor.finding import Severity
from traindoctor.run import ParameterInfo, Run, RunInfo, Series

STEPS = np.arange(40)
INFO = (
    ParameterInfo("0.weight", (32, 12), "matrix", group="0", module="Linear"),
    ParameterInfo("0.bias", (32,), "bias", group="0", module="Linear"),
    ParameterInfo("2.weight", (3, 32), "matrix", group="0", module="Linear"),
    ParameterInfo("2.bias", (3,), "bias", group="0", module="Linear"),
)


def gradients(scale, seed=0, batch=32):
    """Gradient norms of a first layer whose inputs have that scale: sum delta x^T and sum delta."""
    rng = np.random.default_rng(seed)
    of_weight, of_bias = [], []
    for _ in STEPS:
        x = scale * rng.normal(size=(batch, 12))
        delta = rng.normal(size=(batch, 32))
        of_weight.append(np.linalg.norm(delta.T @ x))
        of_bias.append(np.linalg.norm(delta.sum(axis=0)))
    return np.array(of_weight), np.array(of_bias)


def run_of(of_weight, of_bias, losses=None, bias_size=0.1, info=INFO):
    table = {
        "grad_norm": {"0.weight": Series(STEPS, of_weight), "0.bias": Series(STEPS, of_bias)},
        "weight_max": {"0.bias": Series(STEPS, np.full(40, bias_size))},
        "weight_rms": {p.name: Series(STEPS, np.full(40, 0.1)) for p in info if p.role == "matrix"},
    }
    losses = np.full(400, 1.0) if losses is None else losses
    series = {"loss/train": Series(np.arange(400), losses)}
    return Run("r", "r", series, table, info=RunInfo(baseline=1.1, parameters=info))


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_the_scale_is_found_within_a_third(scale):
    assert input_scale(run_of(*gradients(scale))) == pytest.approx(scale, rel=0.33)


def test_large_inputs_alarm_where_the_run_ended_badly_only():
    of_weight, of_bias = gradients(255.0)
    (finding,), _ = examine(BadInitialisation(), run_of(of_weight, of_bias))
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["input scale"] == pytest.approx(255.0, rel=0.33)
    solved = 1.1 * np.exp(-np.arange(400) / 50.0)
    (finding,), _ = examine(BadInitialisation(), run_of(of_weight, of_bias, solved))
    assert finding.severity is Severity.INFO
    assert examine(BadInitialisation(), run_of(*gradients(2.0)))[0] == []


def normalised(module):
    gain = ParameterInfo("1.weight", (32,), "norm", group="0", module=module)
    return (*INFO[:2], gain, *INFO[2:])


def test_a_bias_before_a_batch_norm_tells_nothing():
    of_weight, of_bias = gradients(1.0)
    assert np.isnan(input_scale(run_of(of_weight, 1e-8 * of_bias)))
    assert np.isnan(input_scale(run_of(*gradients(500.0), info=normalised("BatchNorm1d"))))
    assert input_scale(run_of(*gradients(500.0), info=normalised("LayerNorm"))) > 300.0


def test_inputs_that_are_all_zero():
    nothing, of_bias = np.zeros(40), gradients(1.0)[1]
    assert has_zero_inputs(run_of(nothing, of_bias))
    assert has_zero_inputs(run_of(nothing, nothing, bias_size=0.0))  # ReLU(0) passes nothing on
    assert not has_zero_inputs(run_of(nothing, nothing))  # dead units get no gradient either
    killed = run_of(nothing, nothing, bias_size=0.0, info=normalised("LayerNorm"))
    assert not has_zero_inputs(killed)  # the norm's own bias may have killed them
    assert not has_zero_inputs(run_of(*gradients(1.0)))
    (finding,), _ = examine(BadInitialisation(), run_of(nothing, of_bias))
    assert "nothing but zeros" in finding.message


def test_says_nothing_of_a_model_that_begins_otherwise():
    embedded = (ParameterInfo("e.weight", (100, 12), "embedding", group="0"), *INFO)
    assert np.isnan(input_scale(run_of(*gradients(500.0), info=embedded)))
    assert not has_zero_inputs(run_of(np.zeros(40), gradients(1.0)[1], info=embedded))
