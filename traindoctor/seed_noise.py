"""What runs of several seeds allow to say: t intervals of a difference, paired, unpaired, against one run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from .comparison import Basis, Conclusion, Effect
from .run import Floats

LEVEL = 0.95
"""Coverage of every interval."""


def effect_of(
    number: str,
    arm: int,
    first: Mapping[str, float],
    other: Mapping[str, float],
    better: Literal["lower", "higher"],
) -> Effect | None:
    """An arm against the first one.

    Seeds that both have are subtracted (two pairs at least), as the seed's own luck then cancels. Without
    such pairs Welch's interval is used, and for a single run on one side the prediction interval of the
    other.

    Args:
        number: name of the number.
        arm: the arm that `other` holds.
        first: seed -> value in the first arm.
        other: seed -> value in this arm.
        better: which direction is better.

    Returns:
        None where neither side holds two runs, or where the seed changes nothing: runs that are the same to
        the last digit are one run.

    Source: Welch 1947 for unequal variances; the others are textbook t intervals.
    """
    if _is_constant(first) and _is_constant(other):
        return None
    shared = [seed for seed in first if seed in other and seed]
    a, b = np.asarray(list(first.values())), np.asarray(list(other.values()))
    basis: Basis
    if len(shared) >= 2:
        differences = np.asarray([other[seed] - first[seed] for seed in shared])
        basis, n, mean, sd = "paired", len(shared), float(differences.mean()), _sd(differences)
        half = _t(n - 1) * sd / math.sqrt(n)
    elif len(a) >= 2 and len(b) >= 2:
        basis, n, mean = "unpaired", len(a) + len(b), float(b.mean() - a.mean())
        half, sd = _welch(a, b)
    elif len(a) >= 2 or len(b) >= 2:
        many = a if len(a) >= 2 else b
        basis, n, mean, sd = "one-run", len(many) + 1, float(b.mean() - a.mean()), _sd(many)
        half = _t(len(many) - 1) * sd * math.sqrt(1 + 1 / len(many))
    else:
        return None
    low, high = mean - half, mean + half
    return Effect(number, arm, basis, n, mean, sd, low, high, _conclusion(low, high, better))


def _is_constant(values: Mapping[str, float]) -> bool:
    return len(set(values.values())) == 1


def _conclusion(low: float, high: float, better: Literal["lower", "higher"]) -> Conclusion:
    if low <= 0 <= high:
        return "seed-noise"
    return "better" if (high < 0) == (better == "lower") else "worse"


def _welch(a: Floats, b: Floats) -> tuple[float, float]:
    """Half width of the interval and the pooled standard deviation."""
    of_a, of_b = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    total = float(of_a + of_b)
    pooled = math.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2))
    if total == 0:
        return 0.0, pooled
    freedom = total**2 / float(of_a**2 / (len(a) - 1) + of_b**2 / (len(b) - 1))
    return _t(freedom) * math.sqrt(total), pooled


def _sd(values: Floats) -> float:
    return float(np.std(values, ddof=1))


def _t(freedom: float) -> float:
    """Quantile of Student's t for a two-sided interval at LEVEL."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))
