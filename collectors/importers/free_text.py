"""Text logs of no known tool: losses and metrics beside epochs and steps, in whatever words."""

from __future__ import annotations

import re

from ..intake.importer import POSSIBLE
from ..intake.logbook import Logbook
from ..intake.source import Source
from ..intake.text_reader import has_curve, read_words

NAMED_PAIRS = POSSIBLE + 0.1
"""Names beside numbers on the same line; a table has its names in a header."""

OTHERWISE = POSSIBLE - 0.1
_OTHER_TEXTS = """
.py .ipynb .md .rst .csv .tsv .json .jsonl .yaml .yml .toml .cfg .ini .html .xml .tex .sh .c .cc .cpp .h .cu
.js .svg .java .go .rs .ts .lock .diff .patch
"""
_NOT_LOGS = frozenset(_OTHER_TEXTS.split())


class FreeText:
    """Free-form text logs."""

    slug = "free-text"
    name = "free-form text log"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """Some name of a loss or metric with at least three numbers that vary."""
        if source.suffix in _NOT_LOGS or b"\0" in source.head()[:4096]:
            return 0.0
        lines = [line for line in re.split(r"[\r\n]+", source.head_text()) if line.strip()]
        if not has_curve(lines):
            return 0.0
        is_json = sum(line.lstrip().startswith('{"') for line in lines) > len(lines) / 2
        return OTHERWISE if is_json or not has_curve(lines, tables=False) else NAMED_PAIRS

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        read_words(source, log, "lines with a loss or a metric and a number")
