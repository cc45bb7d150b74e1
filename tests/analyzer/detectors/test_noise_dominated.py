"""Updates of agreeing and of independent gradients, as the optimizers make them."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs, weights
from traindoctor.analyzer.detectors.noise_dominated import NoiseDominated, gradient_agreement
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo, Series

N, SIZE = 600, 128 * 64


def updates(optimizer, signal, seed=0):
    """Norms of gradients and updates of one matrix by the rule of the optimizer, each (N,), rate 0.1."""
    rng = np.random.default_rng(seed)
    mean = signal * rng.normal(size=SIZE)
    velocity, square = np.zeros(SIZE), np.zeros(SIZE)
    gradients, moved = np.empty(N), np.empty(N)
    for t in range(N):
        g = mean + rng.normal(size=SIZE)
        gradients[t] = np.linalg.norm(g)
        if optimizer == "SGD":
            velocity = 0.9 * velocity + g
            step = velocity
        else:
            velocity, square = 0.9 * velocity + 0.1 * g, 0.999 * square + 0.001 * g * g
            step = velocity / (1 - 0.9 ** (t + 1)) / (np.sqrt(square / (1 - 0.999 ** (t + 1))) + 1e-8)
        moved[t] = 0.1 * np.linalg.norm(step)
    return gradients, moved


def run_with(optimizer, signal, batch=2, losses=None, **settings):
    run = runs.healthy_run(N, schedule="constant")
    flat = 1.8 + 0.5 * np.exp(-np.arange(N) / 40) + runs.noise(N, 0.2)
    run = weights.with_loss(run, flat if losses is None else losses)
    group = {"label": "0", "lr": 0.1, "momentum": 0.9, "betas": (0.9, 0.999), **settings}
    info = replace(run.info, batch_size=batch, optimizers=(OptimizerInfo(optimizer, (group,)),))
    gradients, moved = updates(optimizer, signal)
    at = runs.sampled_steps(N, 20)
    table = {
        "grad_norm": {"fc1.weight": Series(at, gradients[at])},
        "update_norm": {"fc1.weight": Series(at, moved[at])},
    }
    return replace(run, info=info, parameters={**run.parameters, **table})


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_agreement_tells_noise_from_signal(optimizer):
    assert gradient_agreement(run_with(optimizer, 0.0)) < 0.1
    assert gradient_agreement(run_with(optimizer, 5.0)) > 0.9


def test_noise_that_stands_still_with_a_tiny_batch_is_a_warning():
    (finding,) = NoiseDominated().check(run_with("SGD", 0.0))
    assert finding.severity is Severity.WARNING
    assert "batch_size=16" in finding.remedy.code
    assert [f.severity for f in NoiseDominated().check(run_with("SGD", 0.0, batch=64))] == [Severity.INFO]


def test_agreeing_gradients_and_a_falling_loss_are_none():
    assert not list(NoiseDominated().check(run_with("SGD", 5.0)))
    assert not list(NoiseDominated().check(run_with("SGD", 0.0, losses=np.linspace(2.3, 1.0, N))))


@pytest.mark.parametrize(("optimizer", "momentum"), [("SGD", 0.0), ("RMSprop", 0.9), ("Lion", 0.9)])
def test_optimizers_that_do_not_tell(optimizer, momentum):
    with pytest.raises(NotAssessable, match="micro-batches"):
        list(NoiseDominated().check(run_with(optimizer, 0.0, momentum=momentum)))
