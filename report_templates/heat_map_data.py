"""Per-parameter series as a grid of parameters x time bins, ready to be coloured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from traindoctor.run import Floats, Ints, Run, Series

from . import number_format as fmt
from .chart_model import HeatMap
from .language import _

MAX_ROWS = 400
N_BINS = 240
_WARM_UP_SHARE = 0.05
_LOW, _HIGH = 1.0, 99.0
_LEAST_FOR_MEDIAN = 3


def heat_map(run: Run, quantity: str, unit: str, x_label: str) -> HeatMap | None:
    """The grid of one quantity, None when it was not recorded.

    A bin holds the median of the samples that fall into it, or, where none does, the last sample before it.
    A parameter is "not recorded" in a bin when other parameters were sampled there and it was not. An exact
    zero and a non-finite value win over the other samples of their bin: no resolution in time hides them.
    Colour limits are the 1st and 99th percentile of log10 of the positive values after 5 % of the steps.
    More than 400 parameters are put together per module, as the median over its parameters.
    """
    maps = heat_maps(run, quantity, unit, x_label)
    return maps[0] if maps else None


def heat_maps(run: Run, quantity: str, unit: str, x_label: str) -> tuple[HeatMap, ...]:
    """The grid of `heat_map`, and the same relative to the median parameter of each bin; () without values.

    The second is left out where fewer than three parameters were recorded: half of two is no reference.
    """
    table = {name: series for name, series in run.parameter(quantity).items() if len(series)}
    if not table:
        return ()
    names = in_forward_order(run, list(table))
    sampled = np.unique(np.concatenate([table[name].steps for name in names]))
    bins = _bin_steps(sampled)
    latest = _latest(sampled, bins)
    rows = [_row(table[name], latest, bins) for name in names]
    grid, is_recorded = np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])
    middle = _median_parameter(grid, is_recorded)
    labels, grid, is_recorded = _per_module(names, grid, is_recorded)
    absolute = HeatMap(
        tuple(fmt.name(label) for label in labels),
        tuple(label.rsplit(".", 1)[0] if "." in label else "" for label in labels),
        grid,
        is_recorded,
        (float(sampled[0]), float(sampled[-1])),
        _colour_limits(grid, is_recorded, bins),
        unit,
        x_label,
    )
    if len(names) < _LEAST_FOR_MEDIAN:
        return (absolute,)
    ratio = grid / middle
    limit = max(abs(end) for end in _colour_limits(ratio, is_recorded, bins))
    unit = _("times the median parameter")
    return absolute, replace(absolute, values=ratio, limits=(-limit, limit), unit=unit, is_relative=True)


def _median_parameter(grid: Floats, is_recorded: Floats) -> Floats:
    """Median of the positive finite values of each bin, shape (n_bins,); 1 where there are none."""
    usable = (is_recorded > 0) & np.isfinite(grid) & (grid > 0)
    return _column_medians(np.where(usable | ~usable.any(axis=0), np.where(usable, grid, 1.0), np.nan))


def _column_medians(grid: Floats) -> Floats:
    """Median of the values of each column that are not NaN, of which each has one at least.

    Like numpy.nanmedian, which takes a detour through Python for every column.
    """
    ordered, known, columns = np.sort(grid, axis=0), (~np.isnan(grid)).sum(axis=0), np.arange(grid.shape[1])
    medians: Floats = (ordered[(known - 1) // 2, columns] + ordered[known // 2, columns]) / 2.0
    return medians


def in_forward_order(run: Run, names: Sequence[str]) -> list[str]:
    """Names in the model's order; names the model does not know come last, as recorded."""
    order = {parameter.name: index for index, parameter in enumerate(run.info.parameters)}
    return sorted(names, key=lambda name: order.get(name, len(order)))


def _bin_steps(sampled: Ints) -> Ints:
    """Last step of each time bin: at most 240 bins of equal width, at least one step each."""
    first, last = int(sampled[0]), int(sampled[-1])
    n_bins = min(N_BINS, last - first + 1)
    return np.unique(np.ceil(first + (last - first) * (np.arange(n_bins) + 1) / n_bins).astype(np.int64))


def _row(series: Series, latest: Ints, bins: Ints) -> tuple[Floats, Floats]:
    """Values and recorded flags (0 or 1) of one parameter, both of shape (n_bins,).

    Args:
        series: the samples of the parameter.
        latest: per bin, the last bin at or before it in which any parameter was sampled.
        bins: last step of each bin.
    """
    column = np.searchsorted(bins, series.steps)
    order = np.lexsort((series.values, column))
    column, values = column[order], series.values[order]
    own, starts, sizes = np.unique(column, return_index=True, return_counts=True)
    held = np.full(len(bins), np.nan)
    with np.errstate(invalid="ignore"):  # +inf and -inf in one bin: overwritten two lines below
        held[own] = (values[starts + (sizes - 1) // 2] + values[starts + sizes // 2]) / 2
    held[own[np.logical_or.reduceat(values == 0, starts)]] = 0.0
    held[own[~np.logical_and.reduceat(np.isfinite(values), starts)]] = np.nan
    is_recorded = np.isin(latest, own)
    return np.where(is_recorded, held[latest], np.nan), np.asarray(is_recorded, dtype=np.float64)


def _latest(sampled: Ints, bins: Ints) -> Ints:
    """Per bin, the last bin at or before it that holds a sampled step; the first bin always holds one."""
    has_sample = np.zeros(len(bins), dtype=np.bool_)
    has_sample[np.searchsorted(bins, sampled)] = True
    return np.maximum.accumulate(np.where(has_sample, np.arange(len(bins)), 0))


def _per_module(names: list[str], grid: Floats, is_recorded: Floats) -> tuple[list[str], Floats, Floats]:
    """Merge rows by shorter and shorter module prefixes until at most `MAX_ROWS` remain."""
    keys = list(names)
    while len(set(keys)) > MAX_ROWS:
        shorter = [key.rsplit(".", 1)[0] for key in keys]
        if shorter == keys:
            return names[:MAX_ROWS], grid[:MAX_ROWS], is_recorded[:MAX_ROWS]
        keys = shorter
    if keys == names:
        return names, grid, is_recorded
    rows: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        rows.setdefault(key, []).append(index)
    merged = [_merge(grid[members], is_recorded[members]) for members in rows.values()]
    return list(rows), np.stack([m[0] for m in merged]), np.stack([m[1] for m in merged])


def _merge(grid: Floats, is_recorded: Floats) -> tuple[Floats, Floats]:
    """One row out of several, bin by bin: non-finite first, then exact zero, then the median."""
    known = is_recorded > 0
    usable = known & np.isfinite(grid)
    # Columns without a usable value get a 0 so that the median is defined; it is overwritten below.
    filled = np.where(usable | ~usable.any(axis=0), np.where(usable, grid, 0.0), np.nan)
    values = _column_medians(filled)
    values[(usable & (grid == 0)).any(axis=0)] = 0.0
    values[(known & ~np.isfinite(grid)).any(axis=0) | ~known.any(axis=0)] = np.nan
    return values, is_recorded.max(axis=0)


def _colour_limits(grid: Floats, is_recorded: Floats, bins: Ints) -> tuple[float, float]:
    warm = bins >= bins[0] + (bins[-1] - bins[0]) * _WARM_UP_SHARE
    for columns in (warm, np.ones_like(warm)):
        values = grid[:, columns][is_recorded[:, columns] > 0]
        values = values[np.isfinite(values) & (values > 0)]
        if values.size:
            low, high = np.percentile(np.log10(values), [_LOW, _HIGH])
            return (float(low), float(high)) if high - low > 0.1 else (float(low) - 0.5, float(high) + 0.5)
    return -1.0, 1.0


def final_median(table: Mapping[str, Series], name: str, share: float = 0.25) -> float:
    """Median of a parameter's finite values over the last `share` of its samples, NaN without any."""
    series = table.get(name)
    if series is None or not len(series):
        return float("nan")
    tail = series.values[-max(1, int(len(series) * share)) :]
    tail = tail[np.isfinite(tail)]
    return float(np.median(tail)) if tail.size else float("nan")
