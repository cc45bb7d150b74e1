"""ESPnet2 `train.log`: one `results:` line per epoch with a section per split."""

from __future__ import annotations

import re

from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook
from ..intake.source import Source
from ..intake.text_lines import Row, matches, pairs, pour

_RESULTS = re.compile(r"\b(\d+)epoch results: (.*)$")
_SECTION = re.compile(r"\[(\w+)\] ([^\[]*)")


class EspNet:
    """ESPnet2."""

    slug = "espnet"
    name = "ESPnet train.log"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """A line `1epoch results: [train] …`, or batch lines `1epoch:train:1-100batch:`."""
        return (
            CERTAIN
            if matches(source, _RESULTS, 1)
            or matches(source, re.compile(r"\d+epoch:train:\d+-\d+batch: "), 2)
            else 0.0
        )

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        log.x_unit = "epochs"

        def row(line_number: int, line: str) -> Row | None:
            if "epoch" not in line:
                return None
            found = _RESULTS.search(line)
            if found is None:
                if "batch: " in line:
                    log.note(
                        "values of single batches were left out; the epochs' averages were taken",
                        line=line_number,
                    )
                return None
            values = {
                f"{split}/{name}": value
                for split, text in _SECTION.findall(found.group(2))
                for name, value in pairs(text).items()
                if "time" not in name
            }
            return (float(found.group(1)), values) if values else None

        pour(source, log, row, "lines such as `1epoch results: [train] loss=480, [valid] loss=300`")
