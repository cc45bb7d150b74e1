"""Rows of a table over the one column that counts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from .axes import position
from .logbook import Logbook
from .numbers import numbers_of
from .series_names import classify
from .source import Source
from .table_blocks import pour_table
from .tables import Layout, layout_of, rows


def head_layout(source: Source, delimiters: str = "") -> Layout | None:
    """The layout of a table with a header; None for anything else, or for another delimiter."""
    layout = layout_of(source.head_text())
    if layout is None or not layout.has_header or (delimiters and layout.delimiter not in delimiters):
        return None
    return layout


def counted_rows(
    source: Source, log: Logbook, layout: Layout, column: str
) -> Iterator[tuple[int, float, dict[str, float]]]:
    """Line, x and the other numbers of every row; rows without x are left out with a note.

    Args:
        source: the table.
        log: takes the notes.
        layout: see `tables.layout_of`.
        column: the one that holds x.
    """
    for line, row in rows(source, log, layout):
        counted = _counted(line, row, column, {column}, log)
        if counted is not None:
            yield line, *counted


def pour(source: Source, log: Logbook, layout: Layout, column: str, skip: Iterable[str] = ()) -> None:
    """All rows of a table into the logbook; rows without x are left out with a note.

    Args:
        source: the table.
        log: takes the rows and the notes.
        layout: see `tables.layout_of`.
        column: the one that holds x.
        skip: columns to leave out besides.
    """
    hidden = {column, *skip}

    def rest(line: int, row: dict[str, str]) -> None:
        counted = _counted(line, row, column, hidden, log)
        if counted is not None and counted[1]:
            log.row(*counted)

    pour_table(source, log, layout, column, rest, hidden=hidden)


def _counted(
    line: int, row: dict[str, str], column: str, hidden: Collection[str], log: Logbook
) -> tuple[float, dict[str, float]] | None:
    x = position(row.get(column))
    if x is None:
        log.note(f"rows without `{column}` were left out", line=line)
        return None
    return x, numbers_of({name: cell for name, cell in row.items() if name not in hidden})


def declare_training(log: Logbook, is_held_out: Callable[[str], bool]) -> None:
    """Read every name that tells no split as training's, unless `is_held_out`: the tool marks only those."""
    for name in log.series:
        if name not in log.meanings and not is_held_out(name) and not classify(name).tells_split:
            log.declare(name, classify(f"train_{name}"))


def lower(layout: Layout) -> Mapping[str, str]:
    """Column names in lower case -> as they are."""
    return {name.lower(): name for name in reversed(layout.header)}
