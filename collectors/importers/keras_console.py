"""Keras console output: `Epoch 1/10` and a progress line per epoch, whose last state counts."""

from __future__ import annotations

import re

from ..intake.endings import Endings
from ..intake.importer import LIKELY
from ..intake.logbook import Logbook
from ..intake.numbers import NUMBER, number
from ..intake.source import Source
from ..intake.text_lines import matches, nothing_read

_EPOCH = re.compile(r"^\s*Epoch (\d+)(?:/(\d+))?\s*:?\s*$")
_FIELD = re.compile(rf"(?:^|[\s-])([A-Za-z_][\w./-]*): ({NUMBER})(?=\s|$|\x08)")
_PROGRESS = re.compile(
    rf"^\s*\d+/(?:\d+|Unknown) .{{0,400}}?(?:\d+[mu]?s(?:/(?:step|epoch|sample))?|ETA: \S+)"
    rf" - (?=\S+: {NUMBER})"
    rf"|^\s*-? ?\d+s - (?=\S+: {NUMBER})"
)
_TRAILING_BACKSPACES = re.compile(r"\x08+")


class KerasConsole:
    """Keras console output."""

    slug = "keras-console"
    name = "Keras console output"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """Progress lines with a time per step, below epoch headings."""
        return LIKELY + 0.1 if matches(source, _PROGRESS, 1) and matches(source, _EPOCH, 1) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        log.x_unit = "epochs"
        endings = Endings(log)
        epoch: float | None = None
        values: dict[str, float] = {}
        for line_number, line in source.lines():
            for part in _TRAILING_BACKSPACES.split(line) if "\x08" in line else (line,):
                heading = _EPOCH.match(part) if "Epoch" in part[:20] else None
                if heading is not None:
                    _emit(endings, epoch, values)
                    epoch, values = float(heading.group(1)), {}
                elif (found := _fields(part)) is not None:
                    values = {**values, **found}
                else:
                    endings.see(line_number, part)
        _emit(endings, epoch, values)
        endings.close()
        nothing_read(source, log, "headings `Epoch 1/10` with lines `- loss: 0.2 - val_loss: 0.3` below")


def _emit(endings: Endings, epoch: float | None, values: dict[str, float]) -> None:
    if epoch is not None and values:
        endings.row(epoch, values)


def _fields(line: str) -> dict[str, float] | None:
    found = _PROGRESS.match(line) if " - " in line and len(line) < 5000 else None
    if found is None:
        return None
    fields = ((name, number(text)) for name, text in _FIELD.findall(line, found.end() - 1))
    return {name: value for name, value in fields if value is not None}
