"""Console forms of known tools that are read by their words, as free text is; here they get their names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..intake.importer import LIKELY
from ..intake.logbook import Logbook
from ..intake.numbers import NUMBER
from ..intake.source import Source
from ..intake.text_lines import matches
from ..intake.text_reader import read_words


@dataclass(eq=False)
class WordedText:
    """One tool's console form.

    Attributes:
        slug: stable short name.
        name: the format in words.
        signature: what a line of it looks like.
    """

    slug: str
    name: str
    signature: re.Pattern[str]
    starts_late: bool = True

    def recognises(self, source: Source) -> float:
        """Two lines with the tool's signature."""
        return LIKELY if matches(source, self.signature, 2) >= 2 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        read_words(source, log, f"lines of {self.name}")


WORDED = (
    WordedText(
        "yolox", "YOLOX train_log.txt", re.compile(r"\bepoch: \d+/\d+, iter: \d+/\d+, (?:gpu )?mem: ")
    ),
    WordedText(
        "flair-log",
        "flair training.log",
        re.compile(rf"\bepoch \d+ - iter \d+/\d+ - loss {NUMBER} - |EPOCH \d+ done: loss "),
    ),
    WordedText(
        "timm-console",
        "timm training console",
        re.compile(rf"\bTrain: \d+ \[ *\d+/\d+ *\( *\d+%\)\]  Loss: +{NUMBER} \("),
    ),
    WordedText(
        "metric-logger",
        "torchvision/DETR MetricLogger console",
        re.compile(
            rf"\bEpoch: \[\d+\](?:  |.{{0,20}}\[) *\[? *\d+/\d+\]  eta: .{{0,400}}\w: {NUMBER} \({NUMBER}\)"
        ),
    ),
    WordedText(
        "lightning-bar",
        "Lightning progress bar",
        re.compile(rf"\bEpoch \d+: +\d+%\|.{{0,200}}?\| \d+/\d+ \[.{{0,200}}?\w+={NUMBER}"),
    ),
)
"""Every such form."""
