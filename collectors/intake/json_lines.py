"""JSON objects, one per line: bare NaN, junk between them, several on a line, a torn end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .logbook import Logbook
from .source import Source

HEAD_OBJECTS = 50
MAX_ON_A_LINE = 10_000
_DECODER = json.JSONDecoder()


def objects(source: Source, log: Logbook) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of every line that holds one; `NaN` and `Infinity` are accepted.

    Lines of other text are left out and counted in a note, and so is a last line that was cut.
    """
    torn: tuple[int, str] | None = None
    for line, text in source.lines():
        if torn is not None:
            _skipped(log, *torn)
            torn = None
        found, is_whole = parse(text)
        for value in found:
            yield line, value
        if not is_whole:
            torn = (line, text)
    if torn is not None:
        if source.is_cut() and torn[1].lstrip()[:1] in ("{", "["):
            log.note("the last line is cut and was left out", line=torn[0])
        else:
            _skipped(log, *torn)
    for sentence in source.damage:
        log.note(sentence)


def parse(text: str) -> tuple[list[dict[str, Any]], bool]:
    """The objects on one line, and whether the line holds nothing else.

    Example:
        >>> parse('{"loss": NaN}{"loss": 1}'), parse('Loading data')
        (([{'loss': nan}, {'loss': 1}], True), ([], False))
    """
    text = text.strip()
    found: list[dict[str, Any]] = []
    place = 0
    while place < len(text) and len(found) < MAX_ON_A_LINE:
        if text[place] != "{":
            return found, False
        try:
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return found, False
        found.append(value)
        while place < len(text) and text[place] in " \t,":
            place += 1
    return found, place >= len(text)


def head_objects(source: Source) -> list[dict[str, Any]]:
    """The first objects of the head, at most 50; to recognise a format by. Never raises."""
    found: list[dict[str, Any]] = []
    for text in source.head_text().split("\n"):
        if text.lstrip().startswith("{"):
            found += parse(text)[0]
        if len(found) >= HEAD_OBJECTS:
            break
    return found[:HEAD_OBJECTS]


def _skipped(log: Logbook, line: int, text: str) -> None:
    is_json = text.lstrip()[:1] in ("{", "[", '"') or text.strip() in ("null", "true", "false")
    kind = "lines of damaged or unexpected JSON" if is_json else "lines that hold no JSON object"
    log.note(f"{kind} were left out", line=line)
