"""Weights that the decay pulls down, and weights that stay."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs, weights
from traindoctor.analyzer.decay import decay_strength
from traindoctor.analyzer.detectors.weight_decay_collapse import WeightDecayCollapse
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo, Series

N = 1000


def run_with(optimizer, decay, left, final=2.3, **settings):
    healthy = runs.healthy_run(N, schedule="constant")
    losses = final + (2.4 - final) * np.exp(-np.arange(N) / 100)
    group = {"label": "0", "lr": 0.1, "weight_decay": decay, **settings}
    info = replace(healthy.info, optimizers=(OptimizerInfo(optimizer, (group,)),))
    steps = runs.sampled_steps(N)
    course = Series(steps, 0.08 * left ** (steps / N))
    table = {**healthy.parameters, "weight_rms": {p.name: course for p in info.parameters}}
    return replace(weights.with_loss(healthy, losses), info=info, parameters=table)


@pytest.mark.parametrize(("optimizer", "more"), [("SGD", {"momentum": 0.9}), ("AdamW", {})])
def test_a_decay_that_wins_is_named(optimizer, more):
    (finding,) = WeightDecayCollapse().check(run_with(optimizer, 0.3, 1e-4, **more))
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["decay over the run"] == pytest.approx(30.0 / (1.0 - more.get("momentum", 0.0)))
    assert "weight_decay=0.003" in finding.remedy.code


def test_normalised_decay_is_judged_by_its_pull():
    (finding,) = WeightDecayCollapse().check(run_with("Adam", 0.5, 1e-4))
    assert finding.evidence["pull of the decay"] > 0.5
    assert not list(WeightDecayCollapse().check(run_with("Adam", 1e-4, 1e-4)))
    assert np.isnan(decay_strength(run_with("Adam", 0.5, 1e-4), 0.5))


def test_weights_that_stay_a_good_end_and_no_decay_are_none():
    assert not list(WeightDecayCollapse().check(run_with("SGD", 0.01, 0.9)))
    assert not list(WeightDecayCollapse().check(run_with("SGD", 0.3, 1e-4, final=0.2)))
    assert not list(WeightDecayCollapse().check(run_with("SGD", 0.0, 1e-4)))
    assert not list(WeightDecayCollapse().check(runs.healthy_run(N)))


def test_needs_the_settings_of_the_optimizer():
    run = run_with("SGD", 0.3, 1e-4)
    with pytest.raises(NotAssessable, match="settings"):
        list(WeightDecayCollapse().check(replace(run, info=replace(run.info, optimizers=()))))
