"""Long tables, read a few thousand plain rows at a time; rows of any other kind one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import islice

import numpy as np

from traindoctor.run import Floats, Ints

from .logbook import Logbook
from .numbers import number
from .source import Source
from .tables import BLANKS, Layout, TableReader, logical_lines

BLOCK = 4096
"""Rows read at once."""

Line = tuple[int, str]


def pour_table(
    source: Source,
    log: Logbook,
    layout: Layout,
    column: str,
    rest: Callable[[int, dict[str, str]], None],
    *,
    hidden: Collection[str] = (),
    seen: Callable[[float], None] = lambda x: None,
) -> None:
    """All rows of a table into the logbook, with the same outcome as `tables.rows` and `Logbook.row`.

    Args:
        source: the table.
        log: takes the rows and the notes.
        layout: see `tables.layout_of`.
        column: the one that holds x.
        rest: takes the rows that are not plain: line and cells by name.
        hidden: columns to leave out besides.
        seen: told the last x of every block.
    """
    reader = TableReader(source, log, layout)
    lines = logical_lines(source)
    chunk = list(islice(lines, BLOCK))
    while chunk:
        following = list(islice(lines, BLOCK))
        x = _poured(chunk, reader, column, hidden) if following else None
        if x is None:
            for line, row in reader.rows(chunk, is_end=not following):
                rest(line, row)
        else:
            seen(x)
        chunk = following
    for sentence in source.damage:
        log.note(sentence)


def _poured(chunk: Sequence[Line], reader: TableReader, column: str, hidden: Collection[str]) -> float | None:
    """Pour plain rows and return the last x; None, and nothing done, where a row is not plain."""
    layout, log = reader.layout, reader.log
    texts = [text for _, text in chunk]
    joined = "".join(texts)
    is_plain = not (reader.header_is_due or layout.decimal_comma or layout.delimiter == BLANKS)
    if not is_plain or '"' in joined or "#" in joined or column not in layout.header:
        return None
    rows = [text.split(layout.delimiter) for text in texts]
    if any(len(row) != len(layout.header) for row in rows):
        return None
    cells = dict(zip(layout.header, zip(*rows, strict=True), strict=True))
    at, x = _numbers(cells.pop(column))
    if at.size != len(chunk) or not np.isfinite(x).all():
        return None
    values = {name: _numbers(found) for name, found in cells.items() if name not in hidden}
    values = {name: found for name, found in values.items() if found[0].size}
    if not log.takes(values, sum(at.size for at, _ in values.values())):
        return None
    log.rows(x, values)
    reader.recent.extend(row[-1] for row in rows[-32:])
    return float(x[-1])


def _numbers(cells: Sequence[str]) -> tuple[Ints, Floats]:
    """Which cells hold a number, and the numbers."""
    at = [i for i, cell in enumerate(cells) if cell and not cell.isspace()]
    filled = [cells[i] for i in at] if len(at) < len(cells) else cells
    try:
        if "_" not in "".join(filled):  # Python takes 1_000 for a number
            return np.array(at, np.int64), np.fromiter(map(float, filled), np.float64, len(filled))
    except ValueError:
        pass
    found = [(i, value) for i, cell in zip(at, filled, strict=True) if (value := number(cell)) is not None]
    return np.array([i for i, _ in found], np.int64), np.array([value for _, value in found], np.float64)
