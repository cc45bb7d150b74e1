"""What importers of line-by-line text logs share: `name: number` pairs, and the loop over the lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from traindoctor.errors import UnreadableLogError

from .endings import Endings
from .logbook import Logbook
from .numbers import NUMBER
from .source import Source

Row = tuple[float, Mapping[str, float]]
"""x and the values by the source's own names."""

_PAIR = re.compile(
    rf"(?<![\w.])([A-Za-z_][\w./@%-]{{0,80}}(?: [A-Za-z_][\w./@%-]{{0,40}}){{0,4}})['\"]?\s{{0,4}}[:=]"
    rf"\s{{0,20}}['\"]?({NUMBER})(?![\w.:/]{{0,40}}[\w:/])"
)
_JSON_LIKE = (
    ".json",
    ".jsonl",
    ".csv",
    ".tsv",
    ".py",
    ".ipynb",
    ".md",
    ".rst",
    ".yaml",
    ".yml",
    ".toml",
    ".html",
)
"""Suffixes of files that may quote a log but are none."""


def pairs(text: str) -> dict[str, float]:
    """The `name: number` and `name=number` pairs of a line; numbers with a unit glued to them are left out.

    Example:
        >>> pairs("lr: 1.0e-03, eta: 1:02:03, loss_cls: 0.5, time: 0.8s, loss: nan")
        {'lr': 0.001, 'loss_cls': 0.5, 'loss': nan}
    """
    return {name: float(value) for name, value in _PAIR.findall(text)}


def matches(source: Source, pattern: re.Pattern[str], most: int = 3) -> int:
    """How many lines of the head match a pattern, counted up to `most`; 0 for files that only quote logs."""
    if source.suffix in _JSON_LIKE:
        return 0
    count = 0
    for line in re.split(r"[\r\n]", source.head_text()):
        if len(line) < 4096 and pattern.search(line):
            count += 1
            if count >= most:
                break
    return count


def pour(source: Source, log: Logbook, reader: Callable[[int, str], Row | None], expected: str) -> None:
    """Read every line; `reader` gives the row of a line, or None where it holds none.

    Raises:
        UnreadableLogError: no line held a row.
    """
    endings = Endings(log)
    for line_number, line in source.lines():
        found = reader(line_number, line)
        if found is None:
            endings.see(line_number, line)
        else:
            endings.row(*found)
    endings.close()
    nothing_read(source, log, expected)


def nothing_read(source: Source, log: Logbook, expected: str) -> None:
    """Complain when a file held no row.

    Raises:
        UnreadableLogError: there is none.
    """
    if not log.n_rows:
        raise UnreadableLogError(
            f"expected {expected}, found no such line with a number in {source.name}; "
            "check that the log was not cut before training began"
        )
