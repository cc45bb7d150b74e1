"""detectron2 `log.txt`: event lines, and evaluation results as `copypaste` lines."""

from __future__ import annotations

import re
from dataclasses import replace

from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook
from ..intake.numbers import NUMBER, number
from ..intake.series_names import classify
from ..intake.source import Source
from ..intake.text_lines import Row, matches, pour

_EVENT = re.compile(r"\biter: (\d+) +(\S.*)$")
_SIGNATURE = re.compile(
    rf"(?:eta: .*)?\biter: \d+ +(?:\w+: {NUMBER} +)*(?:total_)?loss\w*: {NUMBER}.*\b(?:lr|time|max_mem): "
)
_FIELD = re.compile(rf"([\w/.+-]+): ({NUMBER})(?=\s|$)")
_COPY = re.compile(r"copypaste: (.*)$")


class Detectron2Text:
    """detectron2's text log."""

    slug = "detectron2-text"
    name = "detectron2 log.txt"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """Event lines with `iter:` and a loss."""
        if "d2." in (text := source.head_text()) or "detectron2" in text:
            return CERTAIN if matches(source, _SIGNATURE, 1) else 0.0
        return CERTAIN - 0.2 if matches(source, _SIGNATURE, 2) >= 2 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        reader = _Reader(log)
        pour(
            source,
            log,
            reader.row,
            "lines such as `d2.utils.events INFO: eta: 1:02:03 iter: 19 total_loss: 0.14`",
        )


class _Reader:
    """Binds results to the last iteration; a task's header line names its columns."""

    def __init__(self, log: Logbook) -> None:
        self.log = log
        self._iteration: float | None = None
        self._task = ""
        self._columns: list[str] = []

    def row(self, line_number: int, line: str) -> Row | None:
        """The row of a line, None when it holds none."""
        if "iter: " in line:
            found = _EVENT.search(line)
            values = {name: float(text) for name, text in _FIELD.findall(found.group(2))} if found else {}
            if found is None or not values:
                return None
            self._iteration = float(found.group(1))
            return self._iteration, values
        copied = _COPY.search(line) if "copypaste: " in line else None
        return None if copied is None else self._copied(line_number, copied.group(1).strip())

    def _copied(self, line_number: int, text: str) -> Row | None:
        if text.startswith("Task: "):
            self._task, self._columns = text[6:].strip(), []
            return None
        cells = text.split(",")
        numbers = [number(cell) for cell in cells]
        if all(value is None for value in numbers):
            self._columns = cells
            return None
        if len(cells) != len(self._columns):
            self.log.note("results without a matching header were left out", line=line_number)
            return None
        found = {f"{self._task}/{n}": v for n, v in zip(self._columns, numbers, strict=True) if v is not None}
        for name in found:
            self.log.declare(
                name,
                replace(
                    classify(name), name=f"{name.lower().replace('/', '_')}/validation", split="validation"
                ),
            )
        x = self._iteration if self._iteration is not None else 0.0
        return x, found
