"""OpenMMLab text logs: the old `Epoch [1][50/3750]` and mmengine's `Epoch(train)  [1][50/3750]`."""

from __future__ import annotations

import re

from ..intake.importer import CERTAIN, LIKELY
from ..intake.logbook import Logbook
from ..intake.numbers import NUMBER
from ..intake.source import Source
from ..intake.text_lines import Row, matches, pour

_LINE = re.compile(
    r"\b(Epoch|Iter) ?(?:\((train|val|test)\))? *\[ *(\d+)(?: */ *(\d+))? *\]"
    r"(?:\[ *(\d+)(?: */ *(\d+))? *\])?[\s,]*(\S.*)$"
)
_SIGNATURE = re.compile(rf"{_LINE.pattern[:-8]}.*(?:eta: |time: |loss\w*: |: {NUMBER})")
_UNSIGNED = re.compile(r"\b(?:Epoch \[\d+\]\[\d+/\d+\]|Iter \[\d+/\d+\])\s+lr: ")
_BOOK_KEEPING = ("lr", "time", "data_time")
_FIELD = re.compile(rf"([A-Za-z_][\w./@%+-]*(?: [A-Za-z]\w*)?): *({NUMBER})(?=[\s,]|$)")


class OpenMmLabText:
    """OpenMMLab's text logs."""

    slug = "openmmlab-text"
    name = "OpenMMLab text log"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """Epoch or iteration lines with their brackets."""
        if not matches(source, _SIGNATURE, 2):
            return 0.0
        text = source.head_text()
        if re.search(r"mmcv|mmengine|mmdet| - mm|(?:Epoch|Iter)\((?:train|val)\)", text):
            return CERTAIN
        return LIKELY if matches(source, _UNSIGNED, 2) >= 2 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        reader = _Reader()
        pour(source, log, reader.row, "lines such as `Epoch [1][50/3750] lr: 9.9e-03, loss: 2.7`")


class _Reader:
    """Brings iterations of an epoch, iterations of the run, and epochs of an evaluation to one x."""

    def __init__(self) -> None:
        self._per_epoch = 0.0
        self._last = 0.0

    def row(self, line_number: int, line: str) -> Row | None:
        """The row of a line, None when it holds none."""
        del line_number
        if "Epoch" not in line and "Iter" not in line:
            return None
        found = _LINE.search(line) if len(line) < 20_000 else None
        if found is None:
            return None
        counter, mode, first, first_total, second, second_total, rest = found.groups()
        values = {name: float(text) for name, text in _FIELD.findall(rest)}
        for name in ("memory", "eta", "base_lr" if "lr" in values else "eta"):
            values.pop(name, None)
        if not values:
            return None
        if mode in ("val", "test"):
            return self._evaluated(counter, float(first), second, first_total or second_total, mode, values)
        if counter == "Iter":
            self._last = float(first)
            return self._last, values
        if second is None:
            return None
        self._per_epoch = float(second_total or self._per_epoch)
        self._last = (float(first) - 1) * self._per_epoch + float(second)
        return self._last, {"epoch": float(first), **values}

    def _evaluated(
        self,
        counter: str,
        first: float,
        second: str | None,
        total: str | None,
        mode: str,
        values: dict[str, float],
    ) -> Row | None:
        """Results of an evaluation; its progress lines (`[50/500] eta: …`) hold none."""
        named = {f"{mode}/{name}": value for name, value in values.items() if name not in _BOOK_KEEPING}
        named = {name: value for name, value in named.items() if not name.endswith("copypaste")}
        if not named:
            return None
        if counter == "Epoch" and second is not None and self._per_epoch:
            return first * self._per_epoch, named
        if counter == "Iter" and total is None:
            return first if first > self._last or not self._last else self._last, named
        return self._last, named
