"""What each driven process says about itself: a JSON file in the run's folder, read by whoever started it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_PREFIX, _SUFFIX = "driven.", ".json"


@dataclass
class DriverReport:
    """How far the orders were followed in one process.

    Attributes:
        rank: rank of the process, 0 without torchrun.
        steps: optimizer steps of the first optimizer that were driven.
        failure: why the orders could not be followed; "" when they were.
        is_stopped: the script was ended by us.
        notes: what a reader of the result has to know, in sentences.
        overridden: class name of the script's own scheduler, "" when none was seen.
        base_lr: base LR of the first param group of the first optimizer, unit 1/step; NaN before a step.
        optimizer: class name of the first optimizer.
        range_test: what a range test measured, see `probing_steps`; None without one.
    """

    rank: int = 0
    pid: int = 0
    steps: int = 0
    failure: str = ""
    is_stopped: bool = False
    notes: list[str] = field(default_factory=list[str])
    overridden: str = ""
    base_lr: float = float("nan")
    optimizer: str = ""
    range_test: dict[str, Any] | None = None

    def note(self, sentence: str) -> None:
        """Add a sentence, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def write(self, folder: Path) -> None:
        """Put it in the run's folder, whole or not at all.

        Raises:
            OSError: the folder cannot be written.
        """
        path = folder / f"{_PREFIX}{self.rank:05d}.{self.pid}{_SUFFIX}"
        half = path.with_suffix(".tmp")
        half.write_text(json.dumps(asdict(self)))
        os.replace(half, path)


def read_reports(folder: Path) -> list[DriverReport]:
    """The reports of a run's processes, lowest rank first; one that cannot be read is left out."""
    found: list[DriverReport] = []
    for path in sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}")):
        try:
            document = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(document, Mapping):
            known = {k: v for k, v in document.items() if k in DriverReport.__dataclass_fields__}
            found.append(DriverReport(**known))
    return found
