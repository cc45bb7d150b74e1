"""Statistics of noisy, autocorrelated curves: arrays in, arrays out; nothing here knows a run.

Every function expects finite values; drop the others first (`Series.finite`).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from traindoctor.run import Floats, Ints

MAD_TO_SD = 1.4826
"""Median absolute deviation of a normal variable times this is its standard deviation."""


class Slope(NamedTuple):
    """A slope per unit of x with its confidence bounds."""

    value: float
    low: float
    high: float


def block_edges(n: int, blocks: int = 20) -> Ints:
    """Bounds of `blocks` nearly equal consecutive blocks of `n` points, shape (min(blocks, n) + 1,)."""
    blocks = max(1, min(blocks, n))
    return np.round(np.linspace(0, n, blocks + 1)).astype(np.int64)


def block_means(x: Floats, n: int = 20) -> Floats:
    """Mean of each of `n` nearly equal consecutive blocks, shape (min(n, len(x)),)."""
    if x.size == 0:
        return np.empty(0)
    edges = block_edges(x.size, n)
    return np.asarray(np.add.reduceat(x, edges[:-1]) / np.diff(edges), dtype=np.float64)


def block_medians(x: Floats, n: int = 20) -> Floats:
    """Median of each of `n` nearly equal consecutive blocks, shape (min(n, len(x)),)."""
    if x.size == 0:
        return np.empty(0)
    edges = block_edges(x.size, n)
    return np.array([np.median(x[lo:hi]) for lo, hi in pairwise(edges)])


def noise_sd(x: Floats) -> float:
    """Standard deviation of the point-to-point noise, blind to a slow trend: 1.4826 MAD(diff x) / sqrt 2.

    NaN for fewer than 3 points. Positive autocorrelation makes it too small; `standard_error` does not.
    """
    if x.size < 3:
        return float("nan")
    steps = np.diff(x)
    return float(MAD_TO_SD * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2.0))


def long_run_variance(x: Floats) -> float:
    """Variance of sqrt(n) times the mean of an autocorrelated x, Bartlett kernel, lag min(50, n/5).

    NaN for fewer than 2 points. Source: Newey and West 1987, equation 5.
    """
    n = x.size
    if n < 2:
        return float("nan")
    centred = x - x.mean()
    lags = min(50, n // 5)
    total = float(centred @ centred) / n
    for lag in range(1, lags + 1):
        weight = 1.0 - lag / (lags + 1.0)
        total += 2.0 * weight * float(centred[lag:] @ centred[:-lag]) / n
    return max(total, 0.0)


def effective_sample_size(x: Floats) -> float:
    """Number of independent points that tell as much about the mean: n var / long-run variance, in 1..n.

    A constant series counts fully: n. Remove a trend first, it counts as autocorrelation.
    """
    n = x.size
    if n < 2:
        return float(n)
    long_run = long_run_variance(x)
    if long_run <= 0.0:
        return float(n) if float(np.var(x)) <= 0.0 else 1.0
    return float(np.clip(n * float(np.var(x)) / long_run, 1.0, n))


def standard_error(x: Floats) -> float:
    """Standard error of the mean of an autocorrelated stationary x; NaN for fewer than 2 points."""
    return float(np.sqrt(long_run_variance(x) / x.size)) if x.size > 1 else float("nan")


@lru_cache(maxsize=8)
def _pairs(n: int) -> tuple[Ints, Ints]:
    """Indices of all pairs of `n` points, the earlier and the later of each, shape (n (n - 1) / 2,)."""
    earlier, later = np.triu_indices(n, 1)
    return earlier, later


def mann_kendall_z(y: Floats) -> float:
    """Standard score of Mann and Kendall's trend test: below -2.33 y falls at the 1 % level (one-sided).

    All pairs are compared, so give it block means (`block_means`): that also makes the points nearly
    independent, which the test assumes. 0 for fewer than 3 points. Ties are allowed for.
    Source: Kendall 1975; the use on 20 block means is ours.
    """
    n = y.size
    if n < 3:
        return 0.0
    earlier, later = _pairs(n)
    score = float(np.sign(y[later] - y[earlier]).sum())
    ties = np.unique(y, return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18.0
    if variance <= 0.0 or score == 0.0:
        return 0.0
    return float((score - np.sign(score)) / np.sqrt(variance))


def theil_sen_slope(y: Floats, x: Floats | None = None, z: float = 1.645) -> Slope:
    """Median slope over all pairs, with the rank-based bounds at `z` (1.645: 5 % on each side).

    Give it block means, as with `mann_kendall_z`. `x` must increase; 0, 1, 2, … when omitted.
    NaN for fewer than 2 points, infinite bounds for fewer than 4.
    Source: Sen 1968, section 6.
    """
    n = y.size
    if n < 2:
        return Slope(float("nan"), float("nan"), float("nan"))
    at = np.arange(n, dtype=np.float64) if x is None else x
    earlier, later = _pairs(n)
    slopes = np.sort((y[later] - y[earlier]) / (at[later] - at[earlier]))
    middle = float(np.median(slopes))
    if n < 4:
        return Slope(middle, -np.inf, np.inf)
    spread = z * np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    low = max(int(np.floor((slopes.size - spread) / 2.0)) - 1, 0)
    high = min(int(np.ceil((slopes.size + spread) / 2.0)), slopes.size - 1)
    return Slope(middle, float(slopes[low]), float(slopes[high]))


def rolling_median(x: Floats, window: int) -> Floats:
    """Median of the `window` points that end at each point, shape of x; of fewer at the beginning.

    O(n log window), and only the past is used, so that it can also judge a run that is still going on.
    """
    import pandas as pd  # heavy: loaded only where a long curve is judged

    return np.asarray(pd.Series(x).rolling(window, min_periods=1).median(), dtype=np.float64)


def median3(x: Floats) -> Floats:
    """Centred 3-point median, shape of x; the first and the last point stay as they are."""
    if x.size < 3:
        return x.copy()
    middle = np.median(np.stack([x[:-2], x[1:-1], x[2:]]), axis=0)
    return np.concatenate([x[:1], middle, x[-1:]])


def spans_of(mask: np.ndarray) -> list[tuple[int, int]]:
    """First and last index, inclusive, of each stretch of True in a boolean vector."""
    padded = np.concatenate([[False], np.asarray(mask, dtype=bool), [False]])
    bounds = np.flatnonzero(padded[1:] != padded[:-1])
    return [(int(lo), int(hi) - 1) for lo, hi in zip(bounds[::2], bounds[1::2], strict=True)]


def turning_points(y: Floats, least: float) -> Ints:
    """Indices at which y turns by at least `least`, down and up in turn, shape (n_turns,).

    A turn counts once y has gone back from its extreme by `least`; the first and the last point are none.
    O(n), and deaf to smaller wiggles between the turns.
    """
    turns: list[int] = []
    low = high = 0
    direction = 0
    for i in range(1, y.size):
        low = i if y[i] < y[low] else low
        high = i if y[i] > y[high] else high
        if direction <= 0 and y[i] - y[low] >= least:
            if direction < 0:
                turns.append(low)
            direction, high = 1, i
            low = i
        elif direction >= 0 and y[high] - y[i] >= least:
            if direction > 0:
                turns.append(high)
            direction, low = -1, i
            high = i
    return np.array(turns, dtype=np.int64)
