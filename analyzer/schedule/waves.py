"""Fits of schedules that rise: warm restarts, CyclicLR and OneCycleLR."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from traindoctor.run import Floats, Ints

from .decays import is_tidy, line, minimum, relative_weight
from .shapes import one_cycle_basis, restart_progress, triangle
from .trace import Trace

Parameters = dict[str, Any]


def warm_restarts(trace: Trace) -> Iterator[Parameters]:
    """`CosineAnnealingWarmRestarts`: the upward jumps give T_0 and T_mult, least squares the two levels."""
    u, y = trace.ticks.astype(np.float64), trace.values
    jumps = np.flatnonzero(np.diff(y) > 0.05 * max(float(np.ptp(y)), 1e-300)) + 1
    if not jumps.size or y.size < 4:
        return
    if jumps.size > 1:
        lengths = np.diff(np.concatenate([[0], trace.ticks[jumps]]))
        multiples = [max(1, round(float(lengths[1]) / float(lengths[0])))]
    else:
        multiples = [1, 2, 3, 4]
    for first in trace.between(int(jumps[0]) - 1, int(jumps[0])):
        for t_mult in multiples:
            amplitude, centre = line(
                np.cos(np.pi * restart_progress(u, first, t_mult)), y, relative_weight(y)
            )
            low = centre - amplitude
            yield {"lr": centre + amplitude, "T_0": first, "T_mult": t_mult, "eta_min": max(low, 0.0)}


def cyclic(trace: Trace) -> Iterator[Parameters]:
    """`CyclicLR` in its three modes; needs at least a rise, a fall and a second rise."""
    turns = turning_points(trace)
    if len(turns) < 2 or trace.values[turns[0]] <= trace.values[0] or trace.values.size < 5:
        return
    top, bottom = turns[0], turns[1]
    last = trace.ticks.size - 1
    is_dense = trace.spacing == 1
    totals = [int(trace.ticks[bottom])] if is_dense else trace.between(bottom - 1, min(bottom + 1, last))
    tops = [int(trace.ticks[top])] if is_dense else trace.between(top - 1, min(top + 1, last))
    for total in totals:
        for up in dict.fromkeys([*tops, total // 2]):
            if 1 <= up < total:
                yield from _triangles(trace, up, total - up)


def _triangles(trace: Trace, up: int, down: int) -> Iterator[Parameters]:
    """The three modes for one rise and fall."""
    u, y = trace.ticks.astype(np.float64), trace.values
    base = float(y[0])
    height, cycle = triangle(u, float(up), float(down))
    common = {"base_lr": base, "step_size_up": up, "step_size_down": down}
    for mode, scale in (("triangular", np.ones_like(u)), ("triangular2", np.power(0.5, cycle))):
        shape = height * scale
        amplitude = float(shape @ (y - base)) / max(float(shape @ shape), 1e-300)
        yield {**common, "max_lr": base + amplitude, "mode": mode, "gamma": 1.0}
    use = (height > 0.2) & (y > base)
    if np.count_nonzero(use) > 2:
        slope, start = line(u[use], np.log((y[use] - base) / height[use]))
        top = base + float(np.exp(start))
        yield {**common, "max_lr": top, "mode": "exp_range", "gamma": float(np.exp(slope))}


def turning_points(trace: Trace) -> list[int]:
    """Record indices at which the trace stops rising and starts falling, or the reverse."""
    slope = np.diff(trace.values)
    moving = np.flatnonzero(np.abs(slope) > 1e-7 * trace.peak)
    sign = np.sign(slope[moving])
    flips = np.flatnonzero(sign[1:] != sign[:-1])
    return [int(moving[k + 1]) for k in flips]


def one_cycle(trace: Trace) -> Iterator[Parameters]:
    """`OneCycleLR` with 2 or 3 phases: least squares for its three levels over candidate horizons."""
    y = trace.values
    top = int(np.argmax(y))
    if y.size < 5 or top == 0 or top >= y.size - 1 or len(turning_points(trace)) != 1:
        return
    first, last = peak_run(y)
    if last - first > max(3, y.size // 20):
        return
    for three_phase in (False, True):
        for strategy in ("cos", "linear"):
            best = _best_complete(trace, strategy, three_phase)
            if best:
                yield best
    for strategy in ("cos", "linear"):
        yield from _unfinished(trace, strategy)


def _best_complete(trace: Trace, strategy: str, three_phase: bool) -> Parameters | None:
    """The best fit that ends with the trace; linear two-phase only with numbers a person would type."""
    t, y = trace.ticks.astype(np.float64), trace.values
    scored: list[tuple[float, Parameters]] = []
    later = range(trace.length + 2, trace.length + min(trace.spacing, 24))
    for total in (trace.length, trace.length + 1, trace.length - 1, *later):
        for pct in _shares(trace, total):
            if three_phase and 2 * pct * total - 2 >= total - 1:
                continue
            scored.append(_levels(t, y, total, pct, strategy, three_phase))
    finite = [(error, found) for error, found in scored if np.isfinite(error)]
    if not finite:
        return None
    _, found = min(finite, key=lambda pair: pair[0])
    if strategy == "linear" and not three_phase and not _is_deliberate(found, y):
        return None
    return found


def _shares(trace: Trace, total: int) -> list[float]:
    """Values of pct_start that put the peak next to the largest record."""
    top, last = peak_run(trace.values)
    low = float(trace.ticks[max(top - 1, 0)]) + 1.0
    high = float(trace.ticks[min(last + 1, trace.ticks.size - 1)]) + 1.0
    grid = [k / 100 for k in range(1, 100)] + [1 / 3, 1 / 6, 2 / 3]
    exact = [(float(tick) + 1.0) / total for tick in trace.ticks[top : last + 1]]
    return [pct for pct in [*grid, *exact] if low <= pct * total <= high and pct * total > 1.0 and pct < 1.0]


def _is_deliberate(found: Parameters, y: Floats) -> bool:
    """Whether linear up and down is OneCycleLR rather than a warm-up followed by a linear decay to zero.

    OneCycleLR is next to zero with its last step, a decay to zero would be so one step later.
    """
    decrement = float(y[-2] - y[-1])
    return (
        is_tidy(found["div_factor"], 3, 1e-3)
        and is_tidy(found["pct_start"], 2)
        and found["final_div_factor"] < 1e9
        and float(y[-1]) < 0.5 * decrement
    )


def _levels(
    t: Floats, y: Floats, total: float, pct: float, strategy: str, three_phase: bool
) -> tuple[float, Parameters]:
    """Largest relative deviation and parameters of the best fit for one horizon and peak position."""
    # logs round to significant digits: the error of a value grows with the value
    weight = 1.0 / (1e-6 * float(y.max()) + np.abs(y))
    basis = one_cycle_basis(t, total, pct, strategy, three_phase) * weight
    try:
        low, high, last = (float(v) for v in np.linalg.solve(basis @ basis.T, basis @ (y * weight)))
    except np.linalg.LinAlgError:
        return float("inf"), {}
    if not 0 < low < high or last < -1e-9 * high:
        return float("inf"), {}
    error = float(np.max(np.abs(low * basis[0] + high * basis[1] + last * basis[2] - y * weight)))
    return error, {
        "max_lr": high,
        "total_steps": round(total),
        "pct_start": pct,
        "anneal_strategy": strategy,
        "div_factor": high / low,
        "final_div_factor": low / max(last, 1e-12 * low),
        "three_phase": three_phase,
    }


def _unfinished(trace: Trace, strategy: str) -> Iterator[Parameters]:
    """Two phases with a horizon beyond the end of the trace."""
    t, y = trace.ticks.astype(np.float64), trace.values
    top = int(np.argmax(y))
    if top < 3 or y.size - top < 4 or strategy == "linear":
        return
    peak = _peak_tick(t[: top + 1], y[: top + 1])

    def residual(total: float) -> float:
        return _levels(t, y, total, (peak + 1.0) / total, strategy, False)[0]

    grid = np.geomspace(trace.length, 30.0 * trace.length, 60)
    errors = [residual(float(total)) for total in grid]
    best = int(np.argmin(errors))
    if not np.isfinite(errors[best]):
        return
    total = minimum(residual, float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)]))
    total = float(round(total))
    error, found = _levels(t, y, total, (peak + 1.0) / total, strategy, False)
    if np.isfinite(error):
        yield found


def _peak_tick(t: Floats, y: Floats) -> float:
    """Tick (possibly between two) at which a rising half cosine reaches its top."""

    def residual(peak: float) -> float:
        wave = np.cos(np.pi * np.minimum(t / peak, 1.0))
        amplitude, centre = line(wave, y)
        return float(np.max(np.abs(centre + amplitude * wave - y)))

    return minimum(residual, float(t[-1]) - 1.0, float(t[-1]) + 1.0)


def peak_run(values: Floats) -> tuple[int, int]:
    """First and last index of the first stretch of records at the largest value."""
    high = float(values.max())
    at_peak: Ints = np.flatnonzero(values >= high * (1 - 1e-9))
    first = int(at_peak[0])
    gaps = np.flatnonzero(np.diff(at_peak) > 1)
    last = int(at_peak[gaps[0]]) if gaps.size else int(at_peak[-1])
    return first, last
