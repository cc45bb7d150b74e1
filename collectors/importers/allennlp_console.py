"""AllenNLP console output: a table with the columns Training and Validation after each epoch."""

from __future__ import annotations

import re

from ..intake.endings import Endings
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook
from ..intake.numbers import number
from ..intake.source import Source
from ..intake.text_lines import matches, nothing_read

_EPOCH = re.compile(r"\bEpoch (\d+)/\d+\s*$")
_HEADER = re.compile(r"\bTraining\s*\|\s*Validation\s*$")
_ROW = re.compile(r"(?:^|\s)([\w./-]+)\s*\|\s*(\S+)\s*\|\s*(\S+)\s*$")


class AllenNlpConsole:
    """AllenNLP console output."""

    slug = "allennlp-console"
    name = "AllenNLP console output"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """The header of its table."""
        return CERTAIN if matches(source, _HEADER, 1) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        log.x_unit = "epochs"
        endings = Endings(log)
        epoch, values, in_table = 0.0, dict[str, float](), False
        for line_number, line in source.lines():
            heading = _EPOCH.search(line) if "Epoch" in line else None
            found = _ROW.search(line) if in_table and "|" in line and len(line) < 1000 else None
            if heading is not None:
                if values:
                    endings.row(epoch, values)
                epoch, values, in_table = float(heading.group(1)), {}, False
            elif "Training" in line and _HEADER.search(line):
                in_table = True
            elif found is not None:
                for split, text in (("training", found.group(2)), ("validation", found.group(3))):
                    value = number(text)
                    if value is not None:
                        values[f"{split}_{found.group(1)}"] = value
            else:
                endings.see(line_number, line)
        if values:
            endings.row(epoch, values)
        endings.close()
        nothing_read(source, log, "a table with the columns Training and Validation after each epoch")
