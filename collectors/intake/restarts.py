"""Where one file turns out to hold several runs: x going back to the beginning, or only some way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from traindoctor.run import Floats, Ints

from .logbook import Points

BEGINNING = 0.05
"""x that falls back to within this share of the distance covered starts anew; further on, it resumes."""

DISORDER = 0.2
"""A series in which more than this share of the points go back is out of order, not restarted."""


@dataclass(frozen=True)
class Boundary:
    """A place where x went back.

    Attributes:
        row: number of the first row after it.
        x: the x of that row.
        before: the largest x before it.
        is_new_run: True when x went back to the beginning, False for a resume.
        series: source name of the series that showed it.
    """

    row: int
    x: float
    before: float
    is_new_run: bool
    series: str


@dataclass(frozen=True)
class _Fall:
    """One point of a series that lies before its predecessor."""

    row: int
    row_before: int
    index: int
    series: str


def boundaries(series: Mapping[str, Points], chapters: Sequence[int] = (0,)) -> list[Boundary]:
    """The restarts of a file, in file order.

    A series that is out of order everywhere (interleaved processes, unsorted exports) shows none. One
    restart shows in every series that is logged again after it; it is counted once.

    Args:
        series: source name -> points in file order.
        chapters: numbers of the rows at which the importer began a run; x may fall there.
    """
    arrays = {name: _arrays(points) for name, points in series.items() if len(points.x) > 1}
    falls: list[_Fall] = []
    for name, (x, rows) in arrays.items():
        back = np.flatnonzero(np.diff(x) < 0) + 1
        if not is_disordered(x, rows, chapters):
            falls += [_Fall(int(rows[i]), int(rows[i - 1]), int(i), name) for i in back]
    falls.sort(key=lambda fall: (fall.row, fall.row_before))
    found: list[Boundary] = []
    starts = sorted(chapters)
    known = list(starts)
    for fall in falls:
        if any(fall.row_before < row <= fall.row for row in known):
            continue
        begun = max((row for row in starts if row <= fall.row_before), default=0)
        x, rows = arrays[fall.series]
        boundary = _boundary(fall, x, rows, begun)
        found.append(boundary)
        known.append(fall.row)
        if boundary.is_new_run:
            starts.append(fall.row)
    return found


def is_disordered(x: Floats, rows: Ints, chapters: Sequence[int] = (0,)) -> bool:
    """Whether a series goes back so often that its points have no order.

    Falls at chapter boundaries are expected and not counted; neither are falls back to the very beginning.
    """
    back = np.flatnonzero(np.diff(x) < 0) + 1
    if not back.size:
        return False
    inside = [i for i in back if not any(rows[i - 1] < row <= rows[i] for row in chapters) and x[i] > x[0]]
    return len(inside) > max(3.0, DISORDER * x.size)


def _boundary(fall: _Fall, x: Floats, rows: Ints, begun: int) -> Boundary:
    first = int(np.searchsorted(rows, begun))
    before = x[first : fall.index]
    lowest, highest = float(before.min()), float(before.max())
    is_new = float(x[fall.index]) <= lowest + BEGINNING * (highest - lowest)
    return Boundary(fall.row, float(x[fall.index]), highest, is_new, fall.series)


def _arrays(points: Points) -> tuple[Floats, Ints]:
    return np.frombuffer(points.x, np.float64), np.frombuffer(points.rows, np.int64)
