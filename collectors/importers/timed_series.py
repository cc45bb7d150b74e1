"""Series that a tracker keeps in a file each, put back into the order in which they were logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..intake.logbook import Logbook
from .mixed_axes import Clocked, on_steps


@dataclass(frozen=True, eq=False)
class Timed:
    """One series as logged: all of the same length.

    Attributes:
        x: the source's step.
        values: the values.
        times: seconds, in any epoch; empty when the source keeps none.
    """

    x: Sequence[float]
    values: Sequence[float]
    times: Sequence[float] = ()


def pour(series: Mapping[str, Timed], log: Logbook) -> None:
    """Pour series in the order of their times, so that a restart shows at one place in all of them.

    A run that logged without steps (all 0) is numbered; series that count epochs while others count steps are
    put on the steps. Without times the series follow each other, and neither can be told.
    """
    filled = {name: found for name, found in series.items() if len(found.x)}
    if not filled:
        return
    if any(len(found.times) != len(found.x) for found in filled.values()):
        # Row numbers by x: the only order there is.
        x_all = np.unique(np.concatenate([np.asarray(found.x, np.float64) for found in filled.values()]))
        for name, found in filled.items():
            x = np.asarray(found.x, np.float64)
            increasing = bool(np.all(np.diff(x) > 0))
            rows = log.n_rows + np.searchsorted(x_all, x) if increasing and log.n_rows == 0 else None
            log.columns(name, x, found.values, rows)
        return
    clocked = {
        name: Clocked(np.asarray(found.x, np.float64), np.maximum.accumulate(np.asarray(found.times, float)))
        for name, found in filled.items()
    }
    clocked = _numbered(clocked, log)
    moved = on_steps(clocked) if log.x_unit != "log rows" else {}
    first = log.n_rows
    every = np.unique(np.concatenate([curve.times for curve in clocked.values()]))
    for name, curve in clocked.items():
        rows = first + np.searchsorted(every, curve.times)
        log.columns(name, moved.get(name, curve.x), filled[name].values, rows)
    if moved:
        shown = ", ".join(f"`{name}`" for name in list(moved)[:5])
        log.note(
            f"{shown} count epochs while the others count steps; they were put at the step reached when they "
            "were written"
        )


def _numbered(clocked: dict[str, Clocked], log: Logbook) -> dict[str, Clocked]:
    longest = max(found.x.size for found in clocked.values())
    if longest < 2 or any(found.x.any() for found in clocked.values()):
        return clocked
    log.x_unit = "log rows"
    log.note("the values were logged without a step; x is their position in their series")
    return {
        name: Clocked(np.arange(found.x.size, dtype=np.float64), found.times)
        for name, found in clocked.items()
    }
