"""Studies with a known answer."""

from __future__ import annotations

import numpy as np

from traindoctor.search import Parameter, Study, Trial

LR = Parameter("lr", "log", 1e-5, 1.0)
BEST = 10**-1.5


def loss_at(position: float) -> float:
    """A loss that is best at log10 LR = -1.5, flat towards small ones and steep towards large ones."""
    distance = position + 1.5
    return 0.5 + (0.15 if distance < 0 else 0.6) * distance**2


def lr_study(n: int = 20, noise: float = 0.01, seed: int = 0, low: float = -5.0, high: float = -0.4) -> Study:
    rng = np.random.default_rng(seed)
    at = rng.uniform(low, high, n)
    trials = tuple(
        Trial(k, "complete", {"lr": float(10**p)}, loss_at(p) + rng.normal(0, noise))
        for k, p in enumerate(at)
    )
    return Study("s", "lower", "loss/validation", (LR,), trials)


def with_trials(study: Study, *trials: Trial) -> Study:
    return Study(study.name, study.better, study.objective, study.parameters, (*study.trials, *trials))
