"""Reads text logs in whatever words: line by line, and in blocks where the lines are alike."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .endings import Endings
from .line_parser import MAX_LINE, ShapeBook
from .line_reader import LineReader, values_of
from .logbook import Logbook
from .series_names import classify
from .source import Source
from .text_axis import Binder
from .text_blocks import BlockReader
from .text_lines import nothing_read
from .text_tables import TableReader

LEAST_ROWS = 3


def read_words(source: Source, log: Logbook, expected: str) -> None:
    """Read a log by its words alone.

    Raises:
        UnreadableLogError: no line held a loss or a metric; `expected` says what was looked for.
    """
    endings = Endings(log)
    binder = Binder(log, endings)
    reader = LineReader(log, binder)
    BlockReader(reader, binder).read(source.lines())
    binder.settle()
    endings.close()
    if reader.config and log.n_rows:
        log.fact(config=reader.config)
    nothing_read(source, log, expected)


def has_curve(lines: Iterable[str], *, tables: bool = True) -> bool:
    """Whether some loss or metric comes with at least three numbers that vary, or that are all NaN."""
    shapes, table = ShapeBook(), TableReader()
    seen: dict[str, list[float]] = {}
    for line in lines:
        if len(line) > MAX_LINE:
            continue
        row = table.row(line) if tables else None
        if row is None:
            shape, numbers = shapes.shape(line)
            row = values_of([pair for pair in shape.pairs if pair.is_metric], numbers, averaged=False)
        for name, value in row.items():
            ours = classify(name).name
            if not ours or ours.startswith(("lr/", "epoch")):
                continue
            values = seen.setdefault(name, [])
            values.append(value)
            is_constant = math.isfinite(value) and all(known == value for known in values)
            if len(values) >= LEAST_ROWS and not is_constant:
                return True
    return False
