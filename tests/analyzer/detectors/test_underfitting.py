"""Runs that ended poor on their own data, good ones, and ones with nothing to compare with."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.underfitting import Underfitting
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import NetworkInfo, ParameterInfo, RunInfo

N = 1000


def check(level, gap=0.02, info=None, rate=60.0):
    losses = level + (2.3 - level) * np.exp(-np.arange(N) / rate) + runs.noise(N, 0.02)
    at = runs.evaluation_steps(N, 10)
    run = runs.build(losses, validation=losses[at] + gap, info=info or runs.known_info())
    return list(Underfitting().check(run))


def test_very_poor_is_a_warning_and_poor_a_note():
    assert [f.severity for f in check(1.95)] == [Severity.WARNING]
    (finding,) = check(1.4)
    assert finding.severity is Severity.INFO
    assert finding.evidence["training skill"] == pytest.approx(1.0 - 1.4 / np.log(10), abs=0.02)


def test_a_lower_validation_loss_points_at_the_regulariser():
    (finding,) = check(1.6, gap=-0.4)
    assert "regulariser" in finding.message
    assert "Dropout" in finding.remedy.code


def test_good_falling_overfitted_and_unlearned_runs_are_none():
    assert not check(0.5)
    assert not check(1.4, rate=900.0)
    assert not check(1.4, gap=0.8)
    assert not check(2.25)


def test_needs_a_constant_predictor():
    with pytest.raises(NotAssessable, match="constant predictor is unknown"):
        check(1.4, info=runs.known_info(baseline=float("nan"), n_classes=0, loss_name=""))


@pytest.mark.parametrize(
    ("width", "severity"), [(2, Severity.WARNING), (4, Severity.WARNING), (16, Severity.INFO)]
)
def test_a_narrow_hidden_layer_makes_it_a_warning(width, severity):
    layers = (("0.weight", (width, 20)), ("2.weight", (64, width)), ("4.weight", (10, 64)))
    info = replace(
        runs.known_info(), parameters=tuple(ParameterInfo(n, s, "matrix", group="0") for n, s in layers)
    )
    (finding,) = check(1.4, info=info)
    assert finding.severity is severity
    assert (f"has {width} units" in finding.message) is (width <= 4)
    assert not check(0.5, info=info)


def test_a_narrow_model_that_learned_nothing_underfits():
    layers = tuple(ParameterInfo(f"{i}.weight", shape, "matrix") for i, shape in enumerate([(2, 9), (10, 2)]))
    info = replace(runs.known_info(), parameters=layers)
    (finding,) = check(2.29, info=info)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["narrowest hidden layer"] == 2


def test_a_network_that_is_narrow_throughout_underfits_whatever_the_trend():
    shapes = [(2, 9), (2, 2), (10, 2)]
    layers = tuple(ParameterInfo(f"{i}.weight", shape, "matrix") for i, shape in enumerate(shapes))
    unknown = {"baseline": float("nan"), "n_classes": 0, "loss_name": "l1_loss"}
    for info in (runs.known_info(parameters=layers), runs.known_info(parameters=layers, **unknown)):
        (finding,) = check(1.4, info=info, rate=900.0)
        assert (finding.severity, finding.first_step) == (Severity.WARNING, 0)
        assert not check(0.2, info=info)


def test_the_next_token_can_often_only_be_guessed():
    tokens = NetworkInfo({"Embedding": 1, "Addmm": 2, "Relu": 1})
    assert [f.severity for f in check(1.95, info=runs.known_info(network=tokens))] == [Severity.INFO]


def test_ln_2_will_do_for_a_binary_loss():
    losses = 0.62 + 0.07 * np.exp(-np.arange(N) / 60.0) + runs.noise(N, 0.003)
    info = RunInfo(loss_name="binary_cross_entropy_with_logits")
    run = runs.build(losses, validation=losses[runs.evaluation_steps(N, 10)], info=info)
    (finding,) = Underfitting().check(run)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["constant predictor"] == pytest.approx(np.log(2.0))
