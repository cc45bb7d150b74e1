"""The scalars of optimizer steps, from rows in memory to columns in the log."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from traindoctor import names

from .architecture import longer_labels
from .device import ArrivingScalars
from .sink import Sink
from .state import Row, Track

_FIELDS: Mapping[str, Callable[[Row], Any]] = {
    names.GRAD_NORM_PRECLIP: lambda row: None if row.preclip_copies else row.preclip,
    names.GRAD_NORM_PRECLIP_PART: lambda row: (
        row.preclip / row.preclip_copies**0.5 if row.preclip_copies and row.preclip is not None else None
    ),
    names.STEP_TIME: lambda row: row.seconds,
    names.TIME_BEFORE_BACKWARD: lambda row: row.before_backward,
    names.EPOCH: lambda row: row.epoch,
    names.BATCH_SIZE: lambda row: row.batch_size,
    names.MICRO_BATCHES: lambda row: row.micro_batches,
    names.AMP_SCALE: lambda row: row.scale,
    names.AMP_SKIPPED: lambda row: None if row.scale is None else row.skipped,
    names.STALE_GRADIENTS: lambda row: row.stale,
}


def send_late(row: Row) -> None:
    """Start the copy of everything in the row, if some of it is still on an accelerator."""
    norms = row.norms
    if not norms or norms[0] is None or norms[0].is_cpu:
        for value in (*row.losses, *row.learning_rates, row.preclip, row.scale):
            if isinstance(value, Tensor):
                break
        else:
            return
    values = (*row.losses, *row.learning_rates, row.preclip, row.scale, *(norms or ()))
    row.late = ArrivingScalars([v for v in values if isinstance(v, Tensor)])


def _settle(row: Row) -> None:
    """Replace the tensors of a row by the numbers that arrived."""
    if row.late is None:
        return
    arrived = iter(row.late.read())
    row.losses = [next(arrived) if isinstance(v, Tensor) else v for v in row.losses]
    row.learning_rates = [next(arrived) if isinstance(v, Tensor) else v for v in row.learning_rates]
    row.preclip = next(arrived) if isinstance(row.preclip, Tensor) else row.preclip
    row.scale = next(arrived) if isinstance(row.scale, Tensor) else row.scale
    if row.norms:
        row.norms = [next(arrived) if isinstance(v, Tensor) else v for v in row.norms]
    row.late = None


def write_rows(sink: Sink, track: Track, *, wait: bool = False) -> None:
    """Write the finished rows of an optimizer, in order, up to the first whose numbers are still under way.

    Args:
        sink: the log.
        track: its rows are taken.
        wait: wait for numbers under way (only at the end of the run).
    """
    ready = len(track.rows)
    if not wait:
        ready = next(
            (i for i, row in enumerate(track.rows) if row.late and not row.late.has_arrived()), ready
        )
    rows, track.rows = track.rows[:ready], track.rows[ready:]
    if not rows:
        return
    for row in rows:
        _settle(row)
    columns: dict[str, list[Any]] = {names.LOSS_TRAIN: [_loss(track, row) for row in rows]}
    n_groups = max(len(row.learning_rates) for row in rows)
    if n_groups > len(track.labels):  # add_param_group was called
        track.labels = longer_labels(track.labels, track.optimizer(), n_groups)
    for index, label in enumerate(track.labels):
        columns[names.lr(label)] = [
            row.learning_rates[index] if index < len(row.learning_rates) else None for row in rows
        ]
    columns[names.GRAD_NORM] = _global_norms(rows)
    if any(row.copies for row in rows):
        columns[names.GRAD_NORM_PART] = [_part_norm(row, is_part=True) for row in rows]
        columns[names.GRAD_NORM_WHOLE] = [_part_norm(row, is_part=False) for row in rows]
    for name, field in _FIELDS.items():
        columns[name] = [field(row) for row in rows]
    _write(sink, track.prefix, [row.step for row in rows], columns)


def _write(sink: Sink, prefix: str, steps: list[int], columns: Mapping[str, list[Any]]) -> None:
    present: dict[str, NDArray[np.bool_]] = {}
    values: dict[str, NDArray[np.float64]] = {}
    for name, column in columns.items():
        missing = column.count(None)
        if missing == len(column):
            continue
        if missing:
            present[prefix + name] = np.array([v is not None for v in column])
            column = [0.0 if v is None else v for v in column]
        values[prefix + name] = np.array(column, dtype=np.float64)
    if values:
        sink.rows(np.array(steps, dtype=np.int64), values, present)


def _loss(track: Track, row: Row) -> float | None:
    """The loss of a step: of its one backward call, or of several together."""
    losses: list[Any] = row.losses
    if track.accumulation is not None and losses:
        return track.accumulation.loss(losses, min(row.n_batches or len(losses), len(losses)))
    return sum(losses) / len(losses) if losses else None


def _part_norm(row: Row, *, is_part: bool) -> float | None:
    """Norm of this rank's share of the gradients in parts, or of those that every rank holds whole."""
    if not row.norms or not row.copies:
        return None
    norms = [
        float(norm) ** 2 / max(copies, 1)
        for norm, copies in zip(row.norms, row.copies, strict=True)
        if norm is not None and (copies > 0) == is_part
    ]
    return math.sqrt(sum(norms))


def _global_norms(rows: list[Row]) -> list[float | None]:
    """Root of the sum of squares of each row's norms, in float64 so that large ones do not overflow."""
    kept = [[v for v in row.norms if v is not None] if row.norms else [] for row in rows]
    flat = [v for norms in kept for v in norms]
    if not flat:
        return [None] * len(rows)
    are_tensors = isinstance(flat[0], Tensor)
    # item by item: stacking many small tensors takes longer than reading them
    squares = np.square(np.array([v.item() for v in flat] if are_tensors else flat, dtype=np.float64))
    measured = [index for index, norms in enumerate(kept) if norms]
    starts = np.cumsum([0, *(len(kept[index]) for index in measured[:-1])])
    found: list[float | None] = [None] * len(rows)
    for index, norm in zip(measured, np.sqrt(np.add.reduceat(squares, starts)).tolist(), strict=True):
        found[index] = norm
    return found
