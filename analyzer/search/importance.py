"""How much each parameter matters: functional ANOVA of a random forest, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from traindoctor.run import Floats
from traindoctor.search import Importance, Parameter, Study, Trial

from .scale import bounds, completed, costs, positions

LEAST_TRIALS = 10
LEAST_FIT = 0.25
"""Out-of-bag R² below which the forest predicts too little for a statement."""

_TREES = 100
_POINTS = 256
_LEVELS = 16
_RESAMPLES = 20


def importances(study: Study, seed: int = 0) -> tuple[tuple[Importance, ...], float]:
    """Share of the variance over the searched space that each parameter explains by itself.

    A forest is fitted to the ranks of the objective, so that one diverged trial does not explain everything
    (diverged trials share the worst rank, pruned ones are left out: they are censored). A parameter's share
    is the variance of the forest's mean over all other parameters, as a function of this one, divided by
    the variance of the forest. What the shares leave to 1 is interaction. The interval comes from 20
    resamples of the trials.

    Returns:
        The shares, largest first, and the forest's R² on trials that a tree was not fitted to; () when
        fewer than `LEAST_TRIALS` trials or two parameters are there, or when R² is below `LEAST_FIT`.

    Source: Hutter, Hoos, Leyton-Brown 2014, "An efficient approach for assessing hyperparameter
    importance", section 3; ranks and resampling: Ours.
    """
    trials = [*completed(study), *study.of_state("diverged")]
    varied = [p for p in study.parameters if len({str(t.parameters.get(p.name)) for t in trials}) > 1]
    if len(trials) < LEAST_TRIALS or len(varied) < 2:
        return (), math.nan
    features = np.column_stack([_column(parameter, trials) for parameter in varied])
    target = _ranks(study, trials)
    known = np.isfinite(features).all(axis=1)
    features, target = features[known], target[known]
    if len(target) < LEAST_TRIALS or np.ptp(target) == 0:
        return (), math.nan
    rng = np.random.default_rng(seed)
    points = np.column_stack([_uniform(parameter, rng) for parameter in varied])
    shares, fit = _shares(features, target, points, varied, seed)
    if not fit >= LEAST_FIT:
        return (), fit
    n = len(target)
    resampled = np.array(
        [
            _shares(features[i], target[i], points, varied, seed, judged=False)[0]
            for i in rng.integers(0, n, (_RESAMPLES, n))
        ]
    )
    low, high = np.quantile(resampled, [0.05, 0.95], axis=0)
    found = [
        Importance(p.name, float(s), float(min(a, s)), float(max(b, s)))
        for p, s, a, b in zip(varied, shares, low, high, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: -one.share)), fit


def _shares(
    features: Floats,
    target: Floats,
    points: Floats,
    parameters: Sequence[Parameter],
    seed: int,
    *,
    judged: bool = True,
) -> tuple[Floats, float]:
    """Shape (n_parameters,) main effects as shares of the variance, and the out-of-bag R² when judged."""
    from sklearn.ensemble import RandomForestRegressor

    n_trees = _TREES if judged else _TREES // 4
    forest: Any = RandomForestRegressor(
        n_trees, oob_score=judged, random_state=seed, min_samples_leaf=2, n_jobs=1
    )
    forest.fit(features, target)
    total = float(np.var(forest.predict(points)))
    effects = [_main_effect(forest, points, k, parameter) for k, parameter in enumerate(parameters)]
    shares = np.array(effects) / total if total > 0 else np.zeros(len(effects))
    return np.clip(shares, 0.0, 1.0), float(forest.oob_score_) if judged else math.nan


def _main_effect(forest: Any, points: Floats, column: int, parameter: Parameter) -> float:
    """Variance, over the parameter, of the forest's mean over all others."""
    if parameter.kind == "choice":
        grid = np.arange(len(parameter.choices), dtype=np.float64)
    else:
        low, high = bounds(parameter)
        grid = low + (np.arange(_LEVELS) + 0.5) / _LEVELS * (high - low)
    tiled = np.tile(points, (len(grid), 1))
    tiled[:, column] = np.repeat(grid, len(points))
    means = forest.predict(tiled).reshape(len(grid), len(points)).mean(axis=1)
    return float(np.var(means))


def _column(parameter: Parameter, trials: Sequence[Trial]) -> Floats:
    if parameter.kind != "choice":
        return positions(parameter, trials)
    index = {str(choice): float(k) for k, choice in enumerate(parameter.choices)}
    return np.array([index.get(str(t.parameters.get(parameter.name)), math.nan) for t in trials])


def _uniform(parameter: Parameter, rng: np.random.Generator) -> Floats:
    if parameter.kind == "choice":
        return rng.integers(0, len(parameter.choices), _POINTS).astype(np.float64)
    return rng.uniform(*bounds(parameter), _POINTS)


def _ranks(study: Study, trials: Sequence[Trial]) -> Floats:
    """Shape (n,): rank of each trial, 0 for the best; equal costs share the mean rank."""
    cost = costs(study, trials)
    cost[[trial.state == "diverged" for trial in trials]] = np.inf
    order = np.unique(cost, return_inverse=True, return_counts=True)
    starts = np.cumsum(order[2]) - order[2]
    ranks: Floats = (starts + (order[2] - 1) / 2)[order[1]]
    return ranks
