"""NaN that a table writes where nothing was measured, told from NaN that was recorded."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from .logbook import Logbook, Points
from .series_names import words

SHARE = 0.4
RECOVERIES = 3
_REAL = frozenset(("grad", "gradient", "gnorm"))
"""Words of quantities that do become NaN for single steps and recover."""


def drop_fillers(log: Logbook) -> None:
    """Take NaN out of series in which it only fills the rows of other measurements, and say so.

    A loss that becomes NaN stays NaN, or recovers once; a validation loss written as NaN in all epochs
    without validation is finite again and again. A series counts as filled when at least 40 % of it is NaN
    and it recovers at least three times, and then also a series that is NaN only where such a one is not.
    """
    masks = {name: _nan(points) for name, points in log.series.items() if not _REAL & set(words(name))}
    filled = {name for name, mask in masks.items() if mask.any() and mask.mean() >= SHARE and _recovers(mask)}
    others = {name for name, mask in masks.items() if name not in filled and mask.any() and _recovers(mask)}
    for name in sorted(others):
        rows = np.frombuffer(log.series[name].rows, np.int64)[masks[name]]
        if any(np.isin(rows, _finite_rows(log.series[other], masks[other])).all() for other in filled):
            filled.add(name)
    for name in sorted(filled):
        n = _drop(log.series[name], masks[name])
        log.note(f"`{name}` is NaN in {n} rows, in which it was not measured, it seems: left out there")


def _nan(points: Points) -> NDArray[np.bool_]:
    return np.isnan(np.frombuffer(points.values, np.float64))


def _recovers(mask: NDArray[np.bool_]) -> bool:
    """Whether NaN is followed by a number three times, and does not stay longer at the end than before."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8)) == -1)
    if edges.size < RECOVERIES:
        return False
    ends = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    lengths = ends[1::2] - ends[::2]
    return not mask[-1] or int(lengths[-1]) <= 2 * int(lengths[:-1].max())


def _finite_rows(points: Points, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.frombuffer(points.rows, np.int64)[~mask]


def _drop(points: Points, mask: NDArray[np.bool_]) -> int:
    keep = ~mask
    points.x = array("d", np.frombuffer(points.x, np.float64)[keep].tobytes())
    points.values = array("d", np.frombuffer(points.values, np.float64)[keep].tobytes())
    points.rows = array("q", np.frombuffer(points.rows, np.int64)[keep].tobytes())
    return int(mask.sum())
