"""oversized-weights, undersized-weights and bad-initialisation: sizes that start wrong or go wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import runs, weights
from traindoctor.analyzer.detectors.bad_initialisation import BadInitialisation
from traindoctor.analyzer.detectors.oversized_weights import OversizedWeights
from traindoctor.analyzer.detectors.undersized_weights import UndersizedWeights, decay_equilibrium
from traindoctor.analyzer.engine import diagnose
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo, ParameterInfo, Series

N = 2000


def sized(value, losses=None):
    run = weights.changed_all(runs.healthy_run(N), "weight_rms", value)
    return run if losses is None else weights.with_loss(run, losses)


def growing(times, until=1.0):
    return lambda steps, old: 0.1 * np.exp(np.log(times) * np.minimum(steps / N / until, 1.0))


def with_optimizer(run, name, **settings):
    groups = ({"label": "0", "lr": 0.1, **settings},)
    return replace(run, info=replace(run.info, optimizers=(OptimizerInfo(name, groups),)))


def codes(detector, run):
    return [(f.code, f.severity) for f in detector.check(run)]


def test_weights_that_keep_growing_while_nothing_is_learned_are_a_warning():
    (finding,) = OversizedWeights().check(sized(growing(100), weights.flat(N)))
    assert finding.severity is Severity.WARNING
    assert 900 <= finding.first_step <= 1100
    assert "weight_decay=0.01" in finding.remedy.code


def test_the_same_growth_in_a_run_that_learned_is_a_note():
    assert codes(OversizedWeights(), sized(growing(100))) == [("TD204", Severity.INFO)]


def test_growth_that_has_stopped_is_silent():
    assert codes(OversizedWeights(), sized(growing(100, until=0.3), weights.flat(N))) == []


def test_ordinary_growth_is_silent():
    assert codes(OversizedWeights(), sized(growing(5), weights.flat(N))) == []


def test_growth_from_a_tiny_start_to_an_ordinary_size_is_silent():
    small = lambda steps, old: growing(100)(steps, old) * 0.01  # noqa: E731
    assert codes(OversizedWeights(), sized(small, weights.flat(N))) == []


def test_growth_before_a_normalisation_layer_is_only_noted():
    run = sized(growing(100), weights.flat(N))
    norms = tuple(
        extra
        for info in run.info.parameters
        for extra in (info, ParameterInfo(f"norm{info.name[2]}.weight", (64,), "norm", True, "0"))
        if info.role == "matrix" or extra is info
    )
    run = replace(run, info=replace(run.info, parameters=norms))
    # Registration order puts fc1.bias before the norm; the norm follows the module, not the weight.
    ordered = sorted(norms, key=lambda info: (info.name.split(".")[0][-1], info.role == "norm"))
    run = replace(run, info=replace(run.info, parameters=tuple(ordered)))
    assert codes(OversizedWeights(), run) == [("TD204", Severity.INFO)]


def test_weights_that_decay_empties_are_critical_and_ranked_above_their_symptoms():
    run = sized(lambda steps, old: 0.06 * np.exp(-steps / 150.0), weights.flat(N))
    run = with_optimizer(run, "SGD", weight_decay=1.0)
    (finding,) = UndersizedWeights().check(run)
    assert finding.severity is Severity.CRITICAL
    assert "weight_decay=0.01" in finding.remedy.code
    cause = diagnose(run).findings[0]
    assert cause.code == "TD206"
    assert "TD205" in cause.explains


def test_weights_of_units_dead_from_the_start_are_a_symptom():
    run = sized(lambda steps, old: 0.06 * np.exp(-steps / 150.0), weights.flat(N))
    run = weights.changed(run, "grad_dead_rows", fc1_weight=1.0)
    run = weights.changed(run, "grad_norm", fc1_bias=0.0)
    assert codes(UndersizedWeights(), run) == [("TD205", Severity.INFO)]
    assert diagnose(run).findings[0].code == "TD203"


def test_shrinking_to_a_third_is_silent():
    assert codes(UndersizedWeights(), sized(lambda s, old: 0.06 * (1 - 0.66 * s / N), weights.flat(N))) == []


def test_one_shrunken_matrix_of_three_is_silent():
    shrinking = lambda s, old: 0.06 * np.exp(-s / 99)  # noqa: E731
    run = weights.changed(sized(0.08, weights.flat(N)), "weight_rms", fc1_weight=shrinking)
    assert codes(UndersizedWeights(), run) == []


def test_the_equilibrium_of_adamw_is_not_reported():
    run = sized(lambda s, old: np.maximum(0.06 * np.exp(-s / 100.0), 0.004), weights.flat(N))
    run = runs.with_series(run, lr__0=Series(np.arange(N), np.full(N, 1e-5)))
    held = with_optimizer(run, "AdamW", weight_decay=0.3)
    assert decay_equilibrium(held) == pytest.approx(np.sqrt(1e-5 / 0.6))
    assert codes(UndersizedWeights(), held) == []
    assert codes(UndersizedWeights(), with_optimizer(run, "SGD", weight_decay=0.3)) != []


@pytest.mark.parametrize(("scale", "words"), [(30.0, "too large"), (0.02, "too small")])
def test_initial_scales_far_off_are_reported_when_nothing_is_learned(scale, words):
    expected = {"fc1.weight": 64, "fc2.weight": 128, "fc3.weight": 128}
    run = weights.with_loss(runs.healthy_run(N), weights.flat(N))
    for name, fan_in in expected.items():
        run = weights.changed(run, "weight_rms", **{name.replace(".", "_"): scale / np.sqrt(3 * fan_in)})
    (finding,) = BadInitialisation().check(run)
    assert words in finding.message
    assert finding.evidence["initial scale"] == pytest.approx(scale)
    assert diagnose(run).findings[0].code == "TD211"


def test_the_remedy_brings_torch_layers_back_to_an_ordinary_scale():
    run = sized(9.0, weights.flat(N))
    (finding,) = BadInitialisation().check(run)
    layer = torch.nn.Linear(300, 200)
    torch.nn.init.normal_(layer.weight, std=5.0)
    exec(finding.remedy.code, {"torch": torch, "model": torch.nn.Sequential(layer)})
    assert float(layer.weight.detach().std()) == pytest.approx(np.sqrt(2 / 300), rel=0.1)


def test_an_odd_scale_that_learns_is_silent():
    assert codes(BadInitialisation(), sized(0.001)) == []


@pytest.mark.parametrize("scale", [1.0, 1.7, 2.45])
def test_usual_initialisations_are_silent_even_in_runs_that_fail(scale):
    assert codes(BadInitialisation(), sized(scale / np.sqrt(3 * 128), weights.flat(N))) == []


def test_a_first_step_that_throws_the_weights_leaves_their_start_unknown():
    run = weights.changed_all(sized(9.0, weights.flat(N)), "update_ratio", 20.0)
    run = replace(run, parameters={q: row for q, row in run.parameters.items() if q != "update_norm"})
    with pytest.raises(NotAssessable, match="first step changed"):
        codes(BadInitialisation(), run)


def test_a_first_step_that_throws_tiny_weights_does_not_hide_their_start():
    run = weights.changed_all(sized(1.0, weights.flat(N)), "update_ratio", 50.0)
    for info in run.info.parameters:
        if info.role == "matrix":
            start = 0.01 / np.sqrt(3 * info.shape[1]) * np.sqrt(info.size)
            run = weights.changed(run, "update_norm", **{info.name.replace(".", "_"): 50.0 * start})
    (finding,) = BadInitialisation().check(run)
    assert finding.evidence["initial scale"] == pytest.approx(0.01)
    assert "too small" in finding.message


def test_too_few_samples_are_refused():
    for detector in (OversizedWeights(), UndersizedWeights()):
        with pytest.raises(NotAssessable, match="only 3 samples"):
            codes(detector, runs.cut(runs.healthy_run(N), 3))
