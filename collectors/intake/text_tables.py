"""Tables inside text logs: a header with an epoch or a step and a metric, and the rows below it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .axis_choice import EPOCH, STEP
from .line_parser import MAX_LINE
from .numbers import number
from .series_names import classify

_RULE = re.compile(r"[\s|+:=─━┼│-]+")
_BLANKS = re.compile(r"\s{2,}")
_HEADER_WORD = re.compile(r"(?i)(?:^|[\s|#])(?:epochs?|steps?|iter(?:ation)?s?|#)(?:[\s|]|$)")
_PLAIN = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
MAX_COLUMNS = 100


class TableReader:
    """Sees headers go by and reads the rows that fit the last one."""

    def __init__(self) -> None:
        self._header: list[str] = []
        self._split = ""

    @property
    def is_open(self) -> bool:
        """Whether a header went by to which the next line may belong."""
        return bool(self._header)

    def row(self, line: str) -> dict[str, float] | None:
        """The numbers of a row; empty for a header or a rule below it; None for what is no table."""
        if not self._header:
            if ":" in line or "=" in line:
                return None
            return {} if _HEADER_WORD.search(line[:MAX_LINE]) and self._begins(line) else None
        cells = _cells(line, self._split)
        if len(cells) != len(self._header):
            if _RULE.fullmatch(line):
                return {}
            if line.strip():
                self._header = []
            return {} if _HEADER_WORD.search(line) and self._begins(line) else None
        if _RULE.fullmatch(line) or cells == self._header:
            return {}
        found = {name: number(cell.rstrip("+*- ")) for name, cell in zip(self._header, cells, strict=True)}
        row = {name: value for name, value in found.items() if value is not None}
        if not any(self.marker_of(name) for name in row):
            return {} if self._begins(line) else None
        return row

    def marker_of(self, name: str) -> str:
        """Whether a column counts epochs or steps; "" when it counts neither."""
        word = name.lower().strip("# ")
        if word in ("epoch", "epochs", "ep"):
            return EPOCH
        return (
            STEP
            if word in ("step", "steps", "iter", "iteration", "iterations", "global_step", "global step")
            else ""
        )

    def _begins(self, line: str) -> bool:
        split = _split_of(line)
        cells = _cells(line, split)
        if not 2 <= len(cells) <= MAX_COLUMNS or len(set(cells)) < len(cells):
            return False
        if any(not cell or number(cell) is not None or ":" in cell or "=" in cell for cell in cells):
            return False
        if not any(map(self.marker_of, cells)) or not any(_is_metric(cell) for cell in cells):
            return False
        self._header, self._split = [cell for cell in cells if cell != "cp"], split
        return True


def never_begins_table(line: str, literals: Sequence[str]) -> bool:
    """Whether no line with these words is a header, whatever its numbers.

    Args:
        line: one of them.
        literals: what stands between its numbers.
    """
    if ":" in line or "=" in line or not _HEADER_WORD.search(line):
        return True
    split = _split_of(line)
    has_word = any(re.search(r"[^\W\deE]", literal) for literal in literals)
    return (split != " " or has_word) and any(map(_PLAIN.fullmatch, _cells(line, split)))


def _split_of(line: str) -> str:
    return "|" if line.count("|") > 1 else "\t" if "\t" in line.strip() else " "


def _cells(line: str, split: str) -> list[str]:
    text = line.strip()
    if split == " ":
        text = text.removesuffix("+").strip()
        found = _BLANKS.split(text)
        return (
            found
            if len(found) > 1 and not re.fullmatch(r"[\d.eE+-]+(?: [\d.eE+-]+)+", text)
            else text.split()
        )
    return [cell.strip() for cell in text.strip("|").split(split)] if split == "|" else text.split(split)


def _is_metric(name: str) -> bool:
    ours = classify(name).name
    return bool(ours) and not ours.startswith(("lr/", "epoch"))
