"""How Optuna draws the values of a search: samplers, distributions, the length of the even start."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from .errors import MissingDependencyError
from .search import Parameter
from .tuning_plan import Plan


def start_length(n_trials: int) -> int:
    """Trials of the even start before a model chooses: a third of all, from 1 to 10."""
    return min(10, max(1, n_trials // 3))


def sampler_of(optuna: Any, plan: Plan, n: int) -> Any:
    """A sampler seeded for the n-th trial, so that a continued study draws what it would have drawn.

    Raises:
        MissingDependencyError: the method needs a package that is not installed.
    """
    seed = (plan.seed * 1_000_003 + n) % 2**32
    if plan.method == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if plan.method == "gp":
        if missing := [name for name in ("scipy", "torch") if find_spec(name) is None]:
            raise MissingDependencyError(
                f"--method gp: expected scipy and torch, but {missing[0]} is not installed; "
                "install it, or use --method tpe"
            )
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=1)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=1, constant_liar=True)


def distribution_of(optuna: Any, parameter: Parameter) -> Any:
    """A parameter in Optuna's terms."""
    kinds = optuna.distributions
    if parameter.kind == "choice":
        return kinds.CategoricalDistribution(parameter.choices)
    if parameter.kind == "int":
        return kinds.IntDistribution(int(parameter.low), int(parameter.high), step=parameter.step)
    return kinds.FloatDistribution(parameter.low, parameter.high, log=parameter.kind == "log")
