"""Which logged column is the x axis, where a tracker itself only counts its log calls."""

from __future__ import annotations

from array import array

import numpy as np

from ..intake.logbook import Logbook, Points

STEPS = (
    "trainer/global_step", "train/global_step", "global_step", "train/step", "iter", "iteration",
    "train/iteration", "iteration-samples", "step", "steps", "num_updates", "update", "training/step",
    "optimizer_step", "batch_step", "iters", "iterations", "train/iter", "train/steps",
)  # fmt: skip
EPOCHS = ("epoch", "train/epoch", "epochs", "Epoch", "training/epoch")
COVERED = 0.9
"""Share of the rows with values that must carry the step."""

_BOOKKEEPING = ("_step", "_runtime", "_timestamp", "_wandb")


def count_by_logged_step(log: Logbook, preferred: str = "") -> None:
    """Put every row at the optimizer step, else the epoch, that is logged in it, if nearly all rows log one.

    A row without it stands at the last one before. `_step` is kept as a series then.

    Args:
        log: poured with the tracker's own count as x.
        preferred: column that the run itself declared as its x axis.
    """
    rows = _rows_with_values(log)
    if not rows.size:
        return
    # A step that the run gave itself is finer than an epoch, and as good.
    counts_calls = log.x_unit == "log rows"
    for name in dict.fromkeys((preferred, *STEPS, *(EPOCHS if counts_calls else ()))):
        points = log.series.get(name)
        if points is None or not _is_axis(points, rows, once=name in EPOCHS):
            continue
        unit = "epochs" if name.lower().rsplit("/")[-1] in ("epoch", "epochs") else "optimizer steps"
        if unit == "epochs" and name == preferred and not _is_axis(points, rows, once=True):
            continue
        _move(log, name, rows)
        log.x_unit = unit
        log.note(f"x is `{name}`, which is logged in each row, not the tracker's own `_step`")
        return


def _rows_with_values(log: Logbook) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    rows = [
        np.frombuffer(points.rows, np.int64).copy()
        for name, points in log.series.items()
        if name not in _BOOKKEEPING and name not in STEPS and name not in EPOCHS
    ]
    return np.unique(np.concatenate(rows)) if rows else np.empty(0, np.int64)


def _is_axis(points: Points, rows: np.ndarray[tuple[int], np.dtype[np.int64]], *, once: bool) -> bool:
    """Whether a column can be x: whole numbers that hardly ever fall; `once`: one row for each."""
    values = np.frombuffer(points.values, np.float64)
    if values.size < 2 or not np.isfinite(values).all() or np.any(values != np.round(values)):
        return False
    own = np.frombuffer(points.rows, np.int64)
    if np.isin(rows, own).mean() < COVERED or np.unique(values).size < 2:
        return False
    steps = np.diff(values)
    if once:
        return bool((steps > 0).mean() > COVERED)
    return bool((steps < 0).mean() <= 0.02 or (steps < 0).sum() <= 3)


def _move(log: Logbook, name: str, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    own = np.frombuffer(log.series[name].rows, np.int64).copy()
    values = np.frombuffer(log.series[name].values, np.float64).copy()
    n_without = int((~np.isin(rows, own)).sum())
    if n_without:
        log.note(f"{n_without} rows without `{name}` stand at the last one before them")
    if "_step" not in log.series:
        _keep_count(log)
    for series, points in log.series.items():
        at = np.frombuffer(points.rows, np.int64).copy()
        index = np.maximum(np.searchsorted(own, at, side="right") - 1, 0)
        points.x = array("d", values[index].tobytes())
        if series in _BOOKKEEPING or series == name:
            _first_of_each(points)


def _first_of_each(points: Points) -> None:
    """Clocks and counters stand in every row: one point per x is enough."""
    x = np.frombuffer(points.x, np.float64).copy()
    keep = np.concatenate(([True], np.diff(x) != 0))
    rows, values = np.frombuffer(points.rows, np.int64)[keep], np.frombuffer(points.values, np.float64)[keep]
    points.x, points.rows = array("d", x[keep].tobytes()), array("q", rows.tobytes())
    points.values = array("d", values.tobytes())


def _keep_count(log: Logbook) -> None:
    x = np.concatenate([np.array(points.x) for points in log.series.values()])
    rows = np.concatenate([np.array(points.rows) for points in log.series.values()])
    rows, first = np.unique(rows, return_index=True)
    log.columns("_step", x[first], x[first], rows)
