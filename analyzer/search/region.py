"""Where the best learning rate lies, with an interval: a parabola through the good trials, resampled."""

from __future__ import annotations

import numpy as np

from traindoctor.run import Floats
from traindoctor.search import Parameter, Region, Study

from .scale import completed, costs, from_position, positions

LEAST_TRIALS = 6
LEVEL = 0.9
WINDOW = 1.0
"""Half-width of the fit, as a share of one decade, or of a fifth of a range that is not logarithmic."""

_RESAMPLES = 400
_DRAWN = 41


def best_region(study: Study, parameter: Parameter, seed: int = 0) -> Region | None:
    """The region of the best value, None with fewer than `LEAST_TRIALS` completed trials.

    How: of the completed trials within `WINDOW` of the best one, the better half (at least four) is fitted
    with a parabola in the position (log10 for a learning rate); its vertex, kept among the fitted points, is
    the estimate. With the other parameters varying, the worse half says more about those than about this one.
    Interval: the middle 90 % of the estimates from 400 resamples of the trials, each fitted anew, widened to
    hold the best trial itself, and by the distance to the nearest tried neighbours at both ends: between two
    tried values nothing is known.

    Source: Ours; the percentile bootstrap is Efron and Tibshirani 1993, section 13.3.
    """
    trials = completed(study)
    x, y = positions(parameter, trials), costs(study, trials)
    known = np.isfinite(x)
    x, y = x[known], y[known]
    if x.size < LEAST_TRIALS or np.ptp(y) == 0 or len(np.unique(x)) < 4:
        return None
    width = WINDOW if parameter.kind == "log" else WINDOW * (parameter.high - parameter.low) / 5
    best, fit, window = _vertex(x, y, width)
    rng = np.random.default_rng(seed)
    draws = np.array([_vertex(x[i], y[i], width)[0] for i in rng.integers(0, x.size, (_RESAMPLES, x.size))])
    low, high = (float(v) for v in np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    top = float(x[np.argmin(y)])
    low, high = _widened(x, min(low, top, best), max(high, top, best))
    return Region(
        parameter.name,
        from_position(parameter, best),
        from_position(parameter, low),
        from_position(parameter, high),
        LEVEL,
        int(x.size),
        _curve(study, parameter, fit, window),
    )


def _vertex(x: Floats, y: Floats, width: float) -> tuple[float, Floats, tuple[float, float]]:
    """Estimate, coefficients of the parabola (empty when none fits), and the span that was fitted."""
    top = float(x[np.argmin(y)])
    near = np.flatnonzero(np.abs(x - top) <= width)
    order = near[np.argsort(y[near], kind="stable")]
    kept = order[: max(4, -(-len(order) // 2))]
    if len(np.unique(x[kept])) < 4:
        return top, np.empty(0), (top, top)
    a, b = x[kept], y[kept]
    centre = float(a.mean())
    fit = np.polyfit(a - centre, b, 2)
    low, high = float(a.min()), float(a.max())
    if not fit[0] > 0:
        return top, np.empty(0), (low, high)
    vertex = float(np.clip(centre - fit[1] / (2 * fit[0]), low, high))
    shifted = np.array([fit[0], fit[1] - 2 * fit[0] * centre, fit[0] * centre**2 - fit[1] * centre + fit[2]])
    return vertex, shifted, (low, high)


def _widened(x: Floats, low: float, high: float) -> tuple[float, float]:
    """The interval, halfway on to the next tried value at each end."""
    below, above = x[x < low - 1e-12], x[x > high + 1e-12]
    low = (low + float(below.max())) / 2 if below.size else low
    high = (high + float(above.min())) / 2 if above.size else high
    return low, high


def _curve(
    study: Study, parameter: Parameter, fit: Floats, window: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    if not fit.size:
        return ()
    at = np.linspace(*window, _DRAWN)
    sign = -1.0 if study.better == "higher" else 1.0
    return tuple(
        (from_position(parameter, float(p)), sign * float(v))
        for p, v in zip(at, np.polyval(fit, at), strict=True)
    )
