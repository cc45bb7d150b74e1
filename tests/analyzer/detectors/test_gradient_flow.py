"""vanishing-gradient and exploding-gradient: along depth and in time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import runs, weights
from traindoctor.analyzer.depth import depth_profile
from traindoctor.analyzer.detectors.exploding_gradient import ExplodingGradient
from traindoctor.analyzer.detectors.vanishing_gradient import VanishingGradient
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Series

N = 1000


def deep(n_layers=8, decades=0.0, pace=1e-3, losses=None):
    """A deep run whose relative gradients grow by `decades` from the first matrix to the last."""
    infos = weights.layers(n_layers)
    steps = runs.sampled_steps(N, 20)
    rng = np.random.default_rng(0)
    tables = {"weight_norm": {}, "grad_norm": {}, "update_ratio": {}, "update_norm": {}}
    for i, info in enumerate(infos):
        factor = 10.0 ** (decades * (i / (n_layers - 1) - 1.0))
        jitter = np.exp(rng.normal(0, 0.5, steps.size))
        ratio = pace * factor * jitter
        columns = {
            "weight_norm": 5.0 + 0 * steps,
            "grad_norm": 0.3 * factor * jitter,
            "update_ratio": ratio,
            "update_norm": ratio * 5.0,
        }
        for quantity, values in columns.items():
            tables[quantity][info.name] = Series(steps, values)
    run = runs.healthy_run(N)
    run = replace(run, parameters=tables, info=replace(run.info, parameters=infos))
    return run if losses is None else weights.with_loss(run, losses)


def found(detector, run):
    return list(detector.check(run))


@pytest.mark.parametrize("decades", [-6.0, 0.0, 4.5])
def test_profile_recovers_the_growth_along_depth(decades):
    profile = depth_profile(deep(decades=decades))
    assert np.median(profile.decades) == pytest.approx(decades, abs=0.3)
    assert profile.names[0] == "body0.weight"


def test_vanishing_gradients_are_found_with_the_layers_that_stand_still():
    (finding,) = found(VanishingGradient(), deep(decades=6, losses=weights.flat(N)))
    assert finding.severity is Severity.WARNING
    assert finding.parameters == ("body0.weight", "body1.weight")
    assert finding.evidence["decades"] == pytest.approx(6, abs=0.3)


def test_a_run_that_learned_all_the_same_gets_a_note():
    assert [f.severity for f in found(VanishingGradient(), deep(decades=6))] == [Severity.INFO]


def test_small_gradients_with_full_steps_as_adam_takes_them_are_silent():
    run = weights.changed_all(deep(decades=6, losses=weights.flat(N)), "update_ratio", 1e-3)
    assert found(VanishingGradient(), run) == []


@pytest.mark.parametrize("decades", [-2.0, 0.0, 2.0])
def test_ordinary_differences_between_layers_are_silent(decades):
    run = deep(decades=decades, losses=weights.flat(N))
    assert found(VanishingGradient(), run) == []
    assert found(ExplodingGradient(), run) == []


def test_three_layers_are_too_few():
    with pytest.raises(NotAssessable, match="only 3 weight matrices"):
        found(VanishingGradient(), deep(3, decades=6))


def test_dead_layers_are_left_out_of_the_fit():
    run = deep(8, decades=0)
    run = weights.changed(run, "grad_norm", body0_weight=0.0)
    assert np.abs(depth_profile(run).decades).max() < 2


def test_gradients_that_explode_towards_the_input():
    (finding,) = found(ExplodingGradient(), deep(decades=-5, losses=weights.flat(N)))
    assert "towards the input" in finding.message
    assert found(ExplodingGradient(), deep(decades=-5)) == []


def in_time(norms, losses=None):
    run = runs.healthy_run(N, schedule="constant")
    run = runs.with_series(run, grad_norm__global=Series(np.arange(N), np.asarray(norms, dtype=float)))
    return run if losses is None else weights.with_loss(run, losses)


def exploded(at=600, times=1e4, harmed=True):
    norms = np.where(np.arange(N) < at, 1.0, times) * np.exp(runs.noise(N, 0.2))
    losses = np.where(np.arange(N) < at, 1.0, 6.0) + runs.noise(N, 0.02)
    return in_time(norms, losses if harmed else None)


def test_an_explosion_is_found_where_it_happens_with_a_clip_from_before():
    (finding,) = found(ExplodingGradient(), exploded())
    assert finding.first_step == 600
    assert finding.evidence["suggested clip"] == pytest.approx(1.3, abs=0.2)


def test_the_remedy_clips_in_torch():
    (finding,) = found(ExplodingGradient(), exploded())
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    loss = model(torch.full((1, 2), 1e3)).sum()
    exec(finding.remedy.code, {"torch": torch, "model": model, "loss": loss, "optimizer": optimizer})
    assert float(model.weight.grad.norm()) <= finding.evidence["suggested clip"] * 1.001


def test_growth_without_harm_is_silent():
    assert found(ExplodingGradient(), exploded(harmed=False)) == []


def test_hundredfold_single_spikes_are_silent():
    norms = np.ones(N)
    norms[::97] = 500.0
    assert found(ExplodingGradient(), in_time(norms)) == []


def test_the_burst_just_before_a_non_finite_loss_is_found():
    norms, losses = np.ones(N), np.linspace(2.0, 1.0, N)
    norms[698:700], norms[700:] = [500.0, 1e6], np.nan
    losses[700:] = np.nan
    (finding,) = found(ExplodingGradient(), in_time(norms, losses))
    assert finding.first_step == 698
    assert finding.severity is Severity.CRITICAL


def test_norms_before_clipping_are_preferred():
    run = exploded()
    clipped = runs.with_series(
        run,
        grad_norm__global=Series(np.arange(N), np.ones(N)),
        grad_norm__preclip=run.series["grad_norm/global"],
    )
    assert [f.first_step for f in found(ExplodingGradient(), clipped)] == [600]


def test_too_few_norms_are_refused():
    with pytest.raises(NotAssessable, match="only 30 finite"):
        found(ExplodingGradient(), runs.cut(in_time(np.ones(N)), 30))
