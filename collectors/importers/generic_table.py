"""Any table, JSON lines or JSON list with named numbers, and the column map of `--map`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traindoctor import names
from traindoctor.errors import UnreadableLogError, UsageError

from ..intake import axes
from ..intake.fillers import drop_fillers
from ..intake.importer import POSSIBLE
from ..intake.logbook import Logbook, Meaning
from ..intake.long_tables import Shape, head_shape, shape_of
from ..intake.numbers import number
from ..intake.records import Record, Records, records_of, small_document
from ..intake.series_names import classify
from ..intake.source import Source
from ..intake.table_blocks import pour_table
from ..intake.tables import Layout

AXES = {"step": axes.STEPS, "epoch": axes.EPOCHS, "samples": axes.SAMPLES}
"""Short names of `--map` that choose x, and its unit."""

SHORT = {
    "loss": names.LOSS_TRAIN,
    "train_loss": names.LOSS_TRAIN,
    "val_loss": names.LOSS_VALIDATION,
    "test_loss": "loss/test",
    "lr": "lr/0",
    "grad_norm": names.GRAD_NORM,
    "accuracy": names.ACCURACY_VALIDATION,
    "val_accuracy": names.ACCURACY_VALIDATION,
    "train_accuracy": "accuracy/train",
    "test_accuracy": "accuracy/test",
    "time": names.STEP_TIME,
}
"""Short names of `--map` and the series they mean."""

_ADVICE = "say which with --map loss=COLUMN,step=COLUMN"


class GenericTable:
    """A table of an unknown tool: columns are told by their names, or by a map that the user gives."""

    slug = "table"
    name = "table of numbers (CSV, TSV, JSON lines, JSON)"

    def __init__(self, mapping: Mapping[str, str] | None = None) -> None:
        """Take a column map.

        Args:
            mapping: our short name (`loss`, `val_loss`, `lr`, ..., or a full name with a `/`), or `step`,
                `epoch`, `samples` for x -> column. Columns that are not mapped are read as usual.

        Raises:
            UsageError: an unknown short name.
        """
        self.mapping = dict(mapping or {})
        for short in self.mapping:
            if short not in AXES and short not in SHORT and "/" not in short:
                known = ", ".join((*AXES, *SHORT))
                raise UsageError(f"expected one of {known}, or a name with a `/`, found {short!r} in --map")

    def recognises(self, source: Source) -> float:
        """Possible, where a column counts or rows follow each other, and another is a loss or metric."""
        text = source.head_text().lstrip()
        is_json = text.startswith(("{", "["))
        found = records_of(source)
        if found is None:
            return 0.0
        if is_json and not found.is_lines:
            if len(source.head()) >= 1 << 16:
                return POSSIBLE if _names_a_measure(text[:4096].split('"')[1::2]) else 0.0
            found = small_document(source)
        if found is None or not found.head:
            return 0.0
        if not _names_a_measure((*found.names, *head_shape(found).measures)):
            return 0.0
        return POSSIBLE if axes.candidates(found.names) else 0.8 * POSSIBLE

    def read(self, source: Source, log: Logbook) -> None:
        """The rows, over the column that counts steps or epochs.

        Raises:
            UnreadableLogError: which column is which cannot be told; the message lists them.
            UsageError: the map names a column that is not there.
        """
        found = records_of(source)
        if found is None:
            raise UnreadableLogError(f"expected rows of named numbers in {source.name}, found none")
        self._check(found)
        shape = shape_of(found)
        x = self._axis(found, shape, log)
        self._declare(log)
        if not self.mapping and not _names_a_measure(_measures(found, shape)):
            raise UnreadableLogError(
                f"no column of {source.name} looks like a loss or metric: its columns are "
                f"{_listed(found.names)}; {_ADVICE}"
            )
        is_plain = found.layout is not None and not shape.special and x.column and not x.epoch
        if is_plain and found.layout is not None:
            x.pour_all(source, log, found.layout)
        for group in () if is_plain else shape.groups or ("",):
            x.last = -1.0
            if group:
                log.new_run(group if number(group) is None else f"{shape.group} {group}")
            for line, row in shape.rows_of_group(found, group, log):
                x.pour(line, row, log)
        drop_fillers(log)
        if not log.series:
            raise UnreadableLogError(
                f"expected numbers below the names in {source.name}, found none: its columns are "
                f"{_listed(found.names)}"
            )

    def _check(self, found: Records) -> None:
        for short, column in self.mapping.items():
            if column not in found.names:
                near = difflib.get_close_matches(column, found.names, 3, 0.3) or found.names
                raise UsageError(
                    f"--map {short}={column}: {found.source.name} has no such column; near it are "
                    f"{_listed(near)}"
                )

    def _axis(self, found: Records, shape: Shape, log: Logbook) -> Axis:
        chosen = [axes.Candidate(self.mapping[short], AXES[short]) for short in AXES if short in self.mapping]
        log.x_unit = chosen[0].unit if chosen else axes.LOG_ROWS
        if chosen:
            return Axis(chosen[0].column)
        known = [c for c in axes.candidates(found.names) if c.column not in shape.special]
        inside = _inside_epoch(found, known, log)
        if inside is not None:
            log.x_unit = axes.STEPS
            return inside
        usable = [c for c in known if _counts(found, c.column)]
        if not usable:
            return _rows_axis(found, shape, log)
        best = usable[0]
        log.x_unit = best.unit
        others = [c.column for c in usable[1:] if c.unit == best.unit]
        if others:
            log.note(f"`{best.column}` is taken as x; {_listed(others)} could be it too ({_ADVICE})")
        return Axis(best.column)

    def _declare(self, log: Logbook) -> None:
        for short, column in self.mapping.items():
            if short in AXES:
                continue
            ours = SHORT.get(short, short)
            usual = classify(ours)
            log.declare(column, Meaning(ours, usual.split, usual.better, rank=-10))


@dataclass
class Axis:
    """Where x comes from.

    Attributes:
        column: the column that holds x, "" for the number of the row.
        epoch: the column of the epoch, where `column` begins again in each.
        length: steps per epoch then.
        base: number of the first epoch, 0 or 1.
        last: x of the row before.
    """

    column: str = ""
    epoch: str = ""
    length: float = 0.0
    base: float = 0.0
    last: float = -1.0

    def pour_all(self, source: Source, log: Logbook, layout: Layout) -> None:
        """Put all rows of a table into the logbook."""

        def rest(line: int, row: Record) -> None:
            self.pour(line, row, log)

        def seen(x: float) -> None:
            self.last = x

        pour_table(source, log, layout, self.column, rest, hidden=("Unnamed: 0",), seen=seen)

    def pour(self, line: int, row: Record, log: Logbook) -> None:
        """Put one row into the logbook."""
        x = self._x(row)
        if x is None:
            log.note(f"rows without `{self.column}` were put at the x of the row before", line=line)
            x = max(self.last, 0.0)
        self.last = x
        hidden = (self.column, "Unnamed: 0") if self.column else ("Unnamed: 0",)
        values = {
            name: found
            for name, cell in row.items()
            if name not in hidden and not isinstance(cell, bool) and (found := number(cell)) is not None
        }
        if values:
            log.row(x, values)

    def _x(self, row: Record) -> float | None:
        if not self.column:
            return self.last + 1
        x = axes.position(row.get(self.column))
        if x is None or not self.epoch:
            return x
        epoch = axes.position(row.get(self.epoch))
        return x + ((self.base if epoch is None else epoch) - self.base) * self.length


def _rows_axis(found: Records, shape: Shape, log: Logbook) -> Axis:
    texts = [
        name
        for name in found.names
        if name not in shape.special and len({str(row.get(name)) for row in found.head}) > 1
        if all(number(row.get(name)) is None for row in found.head)
    ]
    distinct = [name for name in texts if len({str(row.get(name)) for row in found.head}) == len(found.head)]
    if distinct and len(found.head) > 1 and not _looks_like_time(found, distinct[0]):
        raise UnreadableLogError(
            f"{found.source.name} holds one row per run or item, it seems (`{distinct[0]}` differs in each), "
            f"and no column counts steps or epochs, so there is no curve; if there is one, {_ADVICE}"
        )
    log.note(f"no column counts steps or epochs: x is the number of the row ({_ADVICE})")
    return Axis()


def _looks_like_time(found: Records, column: str) -> bool:
    first = str(found.head[0].get(column))
    return ":" in first and any(character.isdigit() for character in first)


def _inside_epoch(found: Records, known: Sequence[axes.Candidate], log: Logbook) -> Axis | None:
    """x out of a count of batches that begins again in each epoch, None where there is none."""
    epoch = next((c.column for c in known if c.unit == axes.EPOCHS), "")
    if not epoch:
        return None
    steps = [c.column for c in known if c.unit == axes.STEPS]
    steps += [name for name in found.names if axes.plain_name(name) in axes.INSIDE_EPOCH]
    if not steps:
        return None
    length, base = _epoch_length(found, steps[0], epoch)
    if not length:
        return None
    log.note(f"`{steps[0]}` begins again in every `{epoch}`: x is counted on, {length:g} per epoch")
    return Axis(steps[0], epoch, length, base)


def _counts(found: Records, column: str) -> bool:
    """Whether a column holds rising numbers."""
    cells = [found_x for row in found.head if (found_x := axes.position(row.get(column))) is not None]
    return len(cells) == 1 == len(found.head) or axes.rises(cells)


def _epoch_length(found: Records, step: str, epoch: str) -> tuple[float, float]:
    """Steps per epoch and number of the first epoch where steps begin again in each; 0 where they don't."""
    falls = rises = 0
    lowest, highest, first, gap = math.inf, -math.inf, math.inf, math.inf
    last: tuple[float, float] | None = None
    for _, row in found.rows(Logbook()):
        x, e = axes.position(row.get(step)), axes.position(row.get(epoch))
        if x is None or e is None:
            continue
        if last is not None and e > last[1]:
            falls, rises = falls + (x <= last[0]), rises + (x > last[0])
        elif last is not None and x > last[0]:
            gap = min(gap, x - last[0])
        lowest, highest, first, last = min(lowest, x), max(highest, x), min(first, e), (x, e)
    if falls <= rises or falls < 2 or highest <= lowest:
        return 0.0, 0.0
    return (highest + min(gap, highest) if lowest == 0 else highest), (0.0 if first < 1 else 1.0)


def _measures(found: Records, shape: Shape) -> Sequence[str]:
    return (*found.names, *shape.measures)


def _names_a_measure(columns: Sequence[str]) -> bool:
    return any(_is_measure(column) for column in columns if len(column) < 200)


def _is_measure(column: str) -> bool:
    meaning = classify(column)
    return bool(meaning.better) and bool(meaning.name)


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(f"`{name[:60]}`" for name in columns[:20])
    return f"{shown} and {len(columns) - 20} more" if len(columns) > 20 else shown
