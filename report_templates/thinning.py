"""Series thinned out for drawing: min-max per pixel column keeps every spike, medians show the course."""

from __future__ import annotations

import numpy as np

from traindoctor.run import Floats, Ints, Series

from .chart_model import Curve

BAND_COLUMNS = 500
COURSE_COLUMNS = 150
_EMPTY = np.empty(0)
_BLOCKS = "▁▂▃▄▅▆▇█"


def noisy_curve(series: Series, label: str, colour: int, columns: int = BAND_COLUMNS) -> Curve:
    """A noisy series as a band (min to max of each pixel column) with the medians of wider columns on top.

    Short series (at most `COURSE_COLUMNS` values) are drawn as they are, without a band. Non-finite values
    are left out. At most `2 * columns` points of the band remain (1000), whatever the length; a column holds
    four values where there are that many, or the band would be a row of needles.
    """
    kept = series.finite()
    x, y = kept.steps.astype(np.float64), kept.values
    spark = _spark(kept)
    if len(kept) <= COURSE_COLUMNS:
        return Curve(label, x, y, _EMPTY, _EMPTY, _EMPTY, colour, spark=spark)
    starts = _column_starts(kept.steps, min(columns, max(COURSE_COLUMNS, len(kept) // 4)))
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    course = _column_starts(kept.steps, COURSE_COLUMNS)
    middle = np.asarray([float(np.median(part)) for part in np.split(y, course[1:])])
    at = np.asarray([float(np.mean(part)) for part in np.split(x, course[1:])])
    return Curve(label, at, middle, low, high, x[starts], colour, spark=spark)


def exact_curve(series: Series, label: str, colour: int, *, dash: int = 0, is_stepped: bool = False) -> Curve:
    """A smooth or stepped series: only the points at which the line bends, at most 1000 of them."""
    kept = series.finite()
    x, y = kept.steps.astype(np.float64), kept.values
    keep = _bends(y) if is_stepped else np.ones(len(y), dtype=np.bool_)
    x, y = x[keep], y[keep]
    if len(x) > 2 * BAND_COLUMNS:
        starts = _column_starts(x.astype(np.int64), BAND_COLUMNS)
        x, y = _extremes(x, y, starts)
    return Curve(label, x, y, _EMPTY, _EMPTY, _EMPTY, colour, dash, is_stepped, _spark(kept))


def sparkline(series: Series, first: float, last: float, n: int = 24) -> tuple[Floats, str]:
    """A series as `n` points scaled to 0..1 over `first..last`, and as block characters (space: no value)."""
    edges = np.linspace(first, last + 1, n + 1)
    kept = series.finite()
    parts = np.split(kept.values, np.searchsorted(kept.steps, edges[1:-1]))
    points = np.array([float(np.median(part)) if part.size else np.nan for part in parts])
    known = np.isfinite(points)
    if not known.any():
        return points, ""
    low, high = float(points[known].min()), float(points[known].max())
    scaled = np.where(known, 0.5 if high == low else (points - low) / ((high - low) or 1.0), np.nan)
    text = "".join(_BLOCKS[round(value * 7)] if np.isfinite(value) else " " for value in scaled)
    return scaled, text


def _spark(series: Series) -> str:
    return sparkline(series, float(series.steps[0]), float(series.steps[-1]))[1] if len(series) else ""


def _column_starts(steps: Ints, n_columns: int) -> Ints:
    """Index of the first value of each pixel column that holds any; columns are equally wide in steps."""
    span = max(int(steps[-1]) - int(steps[0]), 1)
    column = (steps - steps[0]) * n_columns // (span + 1)
    return np.flatnonzero(np.r_[True, np.diff(column) > 0])


def _bends(y: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """True at the ends and wherever a value differs from the one before or the one after."""
    keep = np.ones(len(y), dtype=np.bool_)
    if len(y) > 2:
        keep[1:-1] = (y[1:-1] != y[:-2]) | (y[1:-1] != y[2:])
    return keep


def _extremes(x: Floats, y: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """The smallest and the largest value of each column, in the order in which they occurred."""
    ends = np.r_[starts[1:], len(y)]
    picked: set[int] = {0, len(y) - 1}
    for start, end in zip(starts, ends, strict=True):
        picked.add(int(start + np.argmin(y[start:end])))
        picked.add(int(start + np.argmax(y[start:end])))
    index = np.asarray(sorted(picked))
    return x[index], y[index]
