"""Rows of named values from any text that holds them: tables, JSON lines, JSON lists and columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from traindoctor.errors import UnreadableLogError

from . import json_lines, tables
from .axes import position
from .logbook import Logbook
from .numbers import flat, number
from .source import HEAD, Source

HEAD_ROWS = 200
JSON_SHARE = 0.3
"""Of the first 100 lines; the others are junk between them."""

Record = dict[str, Any]
WRAPPERS = ("history", "log_history", "logs", "log", "metrics", "results", "records", "data", "rows")
"""Names under which the rows of a document may lie one level down."""

SETTINGS = ("config", "params", "args", "hparams", "hyperparameters", "settings", "hyper_parameters", "opt")
"""Names under which lists are settings, not curves."""


@dataclass
class Records:
    """The rows of one source; may be gone through several times.

    Attributes:
        source: where they come from.
        layout: how the table is written, None for JSON.
        is_lines: whether it is one JSON object per line.
        notes: what was guessed about a document, once it was read.
    """

    source: Source
    layout: tables.Layout | None = None
    is_lines: bool = False
    notes: list[str] = field(default_factory=list[str])

    def rows(self, log: Logbook) -> Iterator[tuple[int, Record]]:
        """Line (or position in a list, 1-based) and values of every row; nested names are joined by `/`.

        Raises:
            UnreadableLogError: a document that is no JSON, or holds no rows.
        """
        if self.layout is not None:
            yield from tables.rows(self.source, log, self.layout)
        elif self.is_lines:
            for line, value in json_lines.objects(self.source, log):
                yield line, flat(value)
        else:
            yield from enumerate(self.document, 1)
            for note in self.notes:
                log.note(note)

    @cached_property
    def document(self) -> list[Record]:
        """The rows of a JSON document."""
        return rows_of(self.source.json(), self.source.name, self.notes)

    @cached_property
    def head(self) -> list[Record]:
        """The first rows."""
        return [row for _, row in islice(self.rows(Logbook()), HEAD_ROWS)]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names of the header and the first rows, in order."""
        header = self.layout.header if self.layout is not None else ()
        return tuple(dict.fromkeys((*header, *(name for row in self.head for name in row))))


def records_of(source: Source) -> Records | None:
    """The rows of a source, None when it holds none; only the head is looked at. Never raises."""
    text = source.head_text().lstrip()
    objects = json_lines.head_objects(source)
    if text.startswith(("{", "[")):
        return Records(source, is_lines=bool(objects) and not _is_one_document(text))
    if len(objects) > 1 and len(objects) >= JSON_SHARE * sum(1 for line in text.split("\n")[:100] if line):
        return Records(source, is_lines=True)
    layout = tables.layout_of(text)
    return Records(source, layout) if layout is not None else None


def small_document(source: Source) -> Records | None:
    """A JSON document that fits into the head, to recognise a format by; None for anything else."""
    if len(source.head()) >= HEAD or not source.head_text().lstrip().startswith(("{", "[")):
        return None
    found = Records(source)
    try:
        return found if found.document else None
    except UnreadableLogError:
        return None


def rows_of(value: Any, where: str, notes: list[str]) -> list[Record]:
    """The rows of a JSON value: a list of objects, or an object of lists.

    Args:
        value: what the document holds.
        where: what to call it.
        notes: takes a sentence for each thing that was guessed.

    Raises:
        UnreadableLogError: it holds neither.
    """
    if isinstance(value, list) and any(isinstance(row, dict) for row in value):
        return [flat(row) for row in value if isinstance(row, dict)]
    if isinstance(value, dict):
        columns = _columns(value) or _indexed(value)
        if columns:
            return _turned(columns, notes)
        for name in WRAPPERS:
            if isinstance(value.get(name), (list, dict)):
                return rows_of(value[name], where, notes)
        if value and all(isinstance(inner, dict) for inner in value.values()):
            return _keyed(value, notes)
    raise UnreadableLogError(
        f"expected a list of objects, or an object of lists, in {where}; found {_kind(value)} in which no "
        "rows of numbers can be told"
    )


def _columns(value: dict[str, Any]) -> dict[str, list[Any]]:
    """The lists of numbers in an object, settings left out."""
    found: dict[str, list[Any]] = {}
    for name, inner in flat(value).items():
        if isinstance(inner, list) and any(number(item) is not None for item in inner[:20]):
            top, _, below = name.partition("/")
            if top.lower() not in SETTINGS or not below:
                found[below if top.lower() in WRAPPERS and below else name] = inner
    return found


def _indexed(value: dict[str, Any]) -> dict[str, list[Any]]:
    """Columns written as `{"loss": {"0": 0.5, "1": 0.4}}`, which is what pandas makes of a history."""
    columns: dict[str, list[Any]] = {}
    for name, inner in value.items():
        if not isinstance(inner, dict) or not inner or not all(key.isdecimal() for key in inner):
            return {}
        columns[name] = [inner[key] for key in sorted(inner, key=lambda key: int(key[:18]))]
    return columns


def _keyed(value: dict[str, Any], notes: list[str]) -> list[Record]:
    """Rows written as `{"1": {"loss": 0.5}, "2": {...}}`: a key that counts is the epoch."""
    counts = all(position(key) is not None for key in value)
    if counts:
        notes.append("the names of the rows are taken as epochs")
    return [{"epoch" if counts else "key": key, **flat(inner)} for key, inner in value.items()]


def _turned(columns: dict[str, list[Any]], notes: list[str]) -> list[Record]:
    """Columns to rows; columns of other lengths are spread over the longest."""
    longest = max(len(column) for column in columns.values())
    rows: list[Record] = [{} for _ in range(longest)]
    for name, column in columns.items():
        places = _places(len(column), longest)
        if places[-1:] != [len(column) - 1]:
            notes.append(
                f"`{name}` has {len(column)} values where the longest list has {longest}: they were spread "
                "evenly over it"
            )
        for place, item in zip(places, column, strict=True):
            if item is not None:
                rows[place][name] = item
    return rows


def _places(n: int, longest: int) -> list[int]:
    """At which of `longest` rows the n values of a list belong."""
    if n > 0.8 * longest or n == 1:
        return list(range(n))
    if longest % n == 0:
        return [(i + 1) * (longest // n) - 1 for i in range(n)]
    return [round(i * (longest - 1) / (n - 1)) for i in range(n)]


def _is_one_document(text: str) -> bool:
    """Whether a text that begins like JSON is one value over several lines rather than one per line."""
    first = text.split("\n", 1)[0]
    return not json_lines.parse(first)[1] or "\n" not in text.strip()


def _kind(value: Any) -> str:
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else "one value"
