"""Which points to try without a model: a grid, and a start that covers every range evenly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from traindoctor.errors import UsageError
from traindoctor.search import Parameter


def grid(parameters: Sequence[Parameter], n_trials: int, seed: int) -> list[dict[str, Any]]:
    """A full grid of at most `n_trials` points, in random order, so that an unfinished one covers the space.

    Choices stand in the grid with all their values. What is left is shared by the ranges: each gets the same
    number of values, both bounds among them (a range of whole numbers that has fewer gets all it has).

    Raises:
        UsageError: `n_trials` does not suffice for two values of each range.
    """
    ranges = [p for p in parameters if p.is_numeric]
    fixed = math.prod(len(p.choices) for p in parameters if not p.is_numeric)
    least = fixed * 2 ** len(ranges)
    if least > n_trials:
        raise UsageError(
            f"--method grid: expected at least {least} trials ({fixed} combinations of choices"
            + (f" x 2 values of each of {len(ranges)} ranges)" if ranges else ")")
            + f", found --trials {n_trials}; allow more, or use --method tpe"
        )
    n_values = math.floor((n_trials / fixed) ** (1 / len(ranges)) + 1e-9) if ranges else 0
    axes = [_axis(parameter, n_values) for parameter in parameters]
    points = [
        dict(zip((p.name for p in parameters), values, strict=True)) for values in itertools.product(*axes)
    ]
    order = np.random.default_rng(seed).permutation(len(points))
    return [points[index] for index in order]


def even_start(parameters: Sequence[Parameter], n_points: int, seed: int) -> list[dict[str, Any]]:
    """A Latin hypercube: each of `n_points` equal parts of every range is hit once, choices equally often.

    Source: McKay, Beckman, Conover 1979, "A comparison of three methods for selecting values of input
    variables", section 2.2.
    """
    rng = np.random.default_rng(seed)
    columns: list[list[Any]] = []
    for parameter in parameters:
        shares = (rng.permutation(n_points) + rng.random(n_points)) / n_points
        columns.append([at_share(parameter, float(share)) for share in shares])
    names = [parameter.name for parameter in parameters]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def at_share(parameter: Parameter, share: float) -> Any:
    """The value at `share` (0..1) of the way from the lower to the upper bound.

    >>> at_share(Parameter("lr", "log", 1e-4, 1.0), 0.5), at_share(Parameter("n", "int", 2, 8, 2), 0.99)
    (0.01, 8)
    """
    if parameter.kind == "choice":
        return parameter.choices[min(int(share * len(parameter.choices)), len(parameter.choices) - 1)]
    if parameter.kind == "int":
        n_values = int((parameter.high - parameter.low) // parameter.step) + 1
        return int(parameter.low) + parameter.step * min(int(share * n_values), n_values - 1)
    if parameter.kind == "uniform":
        return parameter.low + share * (parameter.high - parameter.low)
    low, high = math.log10(parameter.low), math.log10(parameter.high)
    return min(max(float(f"{10 ** (low + share * (high - low)):.6g}"), parameter.low), parameter.high)


def _axis(parameter: Parameter, n_values: int) -> list[Any]:
    if parameter.kind == "choice":
        return list(parameter.choices)
    if parameter.kind == "int":
        every = range(int(parameter.low), int(parameter.high) + 1, parameter.step)
        picked = np.unique(np.round(np.linspace(0, len(every) - 1, n_values)).astype(int))
        return [every[int(index)] for index in picked]
    shares = np.linspace(0.0, 1.0, n_values)
    return [at_share(parameter, float(share)) for share in shares]
