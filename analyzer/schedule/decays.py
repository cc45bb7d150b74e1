"""Fits of smooth decays: linear, exponential, polynomial, cosine, inverse square root, 1 - sqrt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from traindoctor.run import Floats

from .trace import CHANGE, Trace

Parameters = dict[str, Any]


def rounded(value: float, digits: int) -> float:
    """`value` with `digits` significant digits."""
    return float(f"{value:.{digits - 1}e}")


def is_tidy(value: float, digits: int = 3, tolerance: float = 1e-6) -> bool:
    """Whether a person would have typed this number: few significant digits."""
    return abs(rounded(value, digits) - value) <= tolerance * abs(value)


def tail_start(values: Floats) -> int:
    """Index of the first record of the final flat stretch; the last index when there is none."""
    last = values[-1]
    different = np.flatnonzero(
        np.abs(values - last) > CHANGE * max(abs(last), float(np.abs(values).max()) * 1e-9)
    )
    return int(different[-1]) + 1 if different.size else 0


def line(x: Floats, y: Floats, weight: Floats | None = None) -> tuple[float, float]:
    """Least-squares slope and intercept of y over x; `weight` is the inverse variance of each y."""
    w = np.ones_like(y) if weight is None else weight
    total = max(float(w.sum()), 1e-300)
    x_mean, y_mean = float(w @ x) / total, float(w @ y) / total
    centre = x - x_mean
    slope = float((w * centre) @ (y - y_mean)) / max(float((w * centre) @ centre), 1e-300)
    return slope, y_mean - slope * x_mean


def relative_weight(y: Floats) -> Floats:
    """Inverse variance of values that a log rounded to a number of significant digits."""
    return 1.0 / (1e-3 * float(np.abs(y).max()) + np.abs(y)) ** 2


def linear(trace: Trace) -> Iterator[Parameters]:
    """`LinearLR` from the first record, with or without a flat end."""
    u, y = trace.ticks.astype(np.float64), trace.values
    tail = tail_start(y)
    if tail < 2:
        return
    slope, start = line(u[:tail], y[:tail])
    if slope == 0.0:
        return
    if tail < y.size - 1:
        total = round((float(y[-1]) - start) / slope)
        # rising to a flat stretch is a warm-up, not a schedule of its own
        if total >= 1 and slope < 0:
            yield from _line_parameters(start, float(y[-1]), total)
        return
    slope, start = line(u, y)
    if slope == 0.0:
        return
    yield from _line_parameters(start, *_line_end(start, slope, trace.length))


def _line_end(start: float, slope: float, length: int) -> tuple[float, int]:
    """The end value and horizon a person most likely chose for a line that was still moving at the end."""
    horizons = (length, length - 1, length + 1)
    zero = -start / slope
    for total in horizons:
        if abs(zero - total) < 1e-4 * total:
            return 0.0, total
    for total in horizons:
        if total > 0 and start > 0 and is_tidy((start + slope * total) / start):
            return start + slope * total, total
    if zero > length and abs(zero - round(zero)) < 1e-5 * zero:
        return 0.0, round(zero)
    return start + slope * length, length


def _line_parameters(start: float, end: float, total: int) -> Iterator[Parameters]:
    lr = max(start, end)
    if lr > 0 and min(start, end) > -1e-3 * lr:
        yield {
            "lr": lr,
            "start_factor": max(start, 0.0) / lr,
            "end_factor": max(end, 0.0) / lr,
            "total_iters": int(total),
        }


def exponential(trace: Trace) -> Iterator[Parameters]:
    """`ExponentialLR`."""
    y = trace.values
    if y.size < 3 or not bool(np.all(y > 0)):
        return
    slope, start = line(trace.ticks.astype(np.float64), np.log(y))
    yield {"lr": float(np.exp(start)), "gamma": float(np.exp(slope))}


def polynomial(trace: Trace) -> Iterator[Parameters]:
    """`PolynomialLR`, also with a final LR above zero."""
    tail = tail_start(trace.values)
    if trace.values.size < 4 or tail < 3:
        return
    if tail < trace.values.size - 1:
        end = float(trace.values[-1])
        horizons = trace.between(tail - 1, tail)
    else:
        end = 0.0
        horizons = [trace.length, trace.length - 1, trace.length + 1]
    for total in horizons:
        yield from _power_fit(trace, float(total), end)
    if tail == trace.values.size - 1:
        best = _best_horizon(trace, lambda total: _power_line(trace, total, end)[2])
        yield from _power_fit(trace, best, end)


def _power_line(trace: Trace, total: float, end: float) -> tuple[float, float, float]:
    """(power, LR at tick 0, mean squared residual) of log(LR - end) over log(1 - tick / total)."""
    use = (trace.ticks < total) & (trace.values - end > 1e-6 * trace.peak)
    if np.count_nonzero(use) < 3:
        return 0.0, 0.0, float("inf")
    x, y = np.log1p(-trace.ticks[use] / total), np.log(trace.values[use] - end)
    power, start = line(x, y)
    return power, float(np.exp(start)) + end, float(np.mean((y - start - power * x) ** 2))


def _power_fit(trace: Trace, total: float, end: float) -> Iterator[Parameters]:
    power, lr, residual = _power_line(trace, total, end)
    if power > 0 and np.isfinite(residual):
        found: Parameters = {"lr": lr, "total_iters": _whole(total), "power": power}
        yield {**found, "lr_end": end} if end > 0 else found


def _whole(value: float) -> int:
    return max(1, round(value))


def cosine(trace: Trace) -> Iterator[Parameters]:
    """`CosineAnnealingLR`, also past `T_max` (rising again) or held at its end."""
    u, y = trace.ticks.astype(np.float64), trace.values
    if y.size < 4:
        return
    tail = tail_start(y)
    if 2 < tail < y.size - 1:
        end = float(u[tail])
        horizons = [end, end - 1, end + 1, *map(float, trace.between(tail - 1, tail)), *_turn_horizons(trace)]
    else:
        horizons = [*_turn_horizons(trace), trace.length, trace.length - 1, trace.length + 1]
    for hold in (False, True) if tail < y.size - 1 else (False,):
        for total in dict.fromkeys(horizons):
            if total >= 1:
                yield from _cosine_fit(u, y, float(total), hold)
    if not _turn_horizons(trace):
        best = _best_horizon(trace, lambda total: _cosine_residual(u, y, total))
        yield from _cosine_fit(u, y, round(best) if best > 2 else best, False)


def _turn_horizons(trace: Trace) -> list[float]:
    """Candidates for T_max around the first minimum, when the trace rises again after it."""
    rises = np.flatnonzero(np.diff(trace.values) > CHANGE * trace.peak)
    if not rises.size:
        return []
    first = int(rises[0])
    around = trace.between(first - 1, min(first + 1, trace.ticks.size - 1))
    return [float(trace.ticks[first]), *map(float, around), float(trace.ticks[first]) - 1]


def _cosine_levels(progress: Floats, y: Floats) -> tuple[float, float]:
    """Best (high, low) of a half cosine over `progress`."""
    amplitude, centre = line(np.cos(np.pi * progress), y, relative_weight(y))
    return centre + amplitude, centre - amplitude


def _cosine_residual(u: Floats, y: Floats, total: float) -> float:
    wave = np.cos(np.pi * u / total)
    amplitude, centre = line(wave, y)
    return float(np.mean((y - centre - amplitude * wave) ** 2))


def _cosine_fit(u: Floats, y: Floats, total: float, hold: bool) -> Iterator[Parameters]:
    high, low = _cosine_levels((np.minimum(u, total) if hold else u) / total, y)
    if high <= 0 or low < -1e-2 * high:
        return
    period = round(total) if abs(total - round(total)) < 1e-6 else total
    found: Parameters = {"lr": high, "T_max": period, "eta_min": 0.0 if abs(low) < 1e-9 * high else low}
    yield {**found, "holds_at_end": True} if hold else found


def _best_horizon(trace: Trace, residual: Callable[[float], float]) -> float:
    """The horizon beyond the trace with the smallest residual: coarse grid, then golden section."""
    grid = np.geomspace(max(trace.length - 1.0, 2.0), 50.0 * trace.length, 80)
    errors = [residual(float(total)) for total in grid]
    best = int(np.argmin(errors))
    return minimum(residual, float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)]))


def minimum(function: Callable[[float], float], low: float, high: float, rounds: int = 60) -> float:
    """Where a function with one valley in [low, high] is smallest (golden section)."""
    share = (5**0.5 - 1) / 2
    a, b = high - share * (high - low), low + share * (high - low)
    at_a, at_b = function(a), function(b)
    for _ in range(rounds):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - share * (high - low)
            at_a = function(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + share * (high - low)
            at_b = function(b)
    return (low + high) / 2


def inverse_sqrt(trace: Trace) -> Iterator[Parameters]:
    """LR falling as 1/sqrt(tick + shift): 1/LR² is a straight line."""
    y = trace.values
    if y.size < 4 or not bool(np.all(y > 0)):
        return
    slope, start = line(trace.ticks.astype(np.float64), (y[0] / y) ** 2)
    if slope > 0 and start > 0:
        yield {"lr": float(y[0] / np.sqrt(start)), "shift": start / slope}


def one_minus_sqrt(trace: Trace, peak: float) -> Iterator[tuple[int, float]]:
    """(horizon, final factor) of a decay as 1 - sqrt(progress): (1 - LR/peak)² is a straight line."""
    y = trace.values / peak
    tail = tail_start(y)
    if tail < 3:
        return
    slope, _ = line(trace.ticks[:tail].astype(np.float64), (1.0 - y[:tail]) ** 2)
    if slope <= 0:
        return
    if tail < y.size - 1:
        final = float(y[-1])
        yield _whole((1.0 - final) ** 2 / slope), final
        return
    horizon = 1.0 / slope
    if horizon > trace.length - 2 and abs(horizon - round(horizon)) < 1e-4 * horizon:
        yield round(horizon), 0.0
    yield trace.length, max(0.0, 1.0 - float(np.sqrt(slope * trace.length)))
