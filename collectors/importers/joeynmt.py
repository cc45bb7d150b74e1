"""JoeyNMT: `validations.txt` and the old and new `train.log`."""

from __future__ import annotations

import re

from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import NUMBER, number
from ..intake.source import Source
from ..intake.text_lines import Row, matches, pairs, pour

_VALIDATION = re.compile(rf"^Steps?: *\d+\t+[\w .]+: *{NUMBER}")
_BATCH = re.compile(rf"Epoch +(\d+),? +Step: +(\d+),? +(Batch Loss: +{NUMBER}.*)$")
_RESULTS = re.compile(r"alidation result[^:]*? at epoch +(\d+), *step:? +(\d+): *(.*)$")
_NEW_RESULT = re.compile(r"Evaluation result[^:]*?(?:\(\w+\))?:? *(.*)$")
_TOTAL = re.compile(rf"Epoch +(\d+): total training loss:? +({NUMBER})")
_SUMMED = "summed over the whole validation set"


class JoeyNmt:
    """JoeyNMT."""

    slug = "joeynmt"
    name = "JoeyNMT validations.txt/train.log"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """Rows `Steps: …<tab>Loss: …`, or lines `Epoch 1 Step: 100 Batch Loss: …`."""
        if matches(source, _VALIDATION, 1) and "PPL" in source.head_text():
            return CERTAIN
        return CERTAIN if matches(source, _BATCH, 2) >= 2 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        reader = _Reader()
        pour(source, log, reader.row, "rows `Steps: 1000<tab>Loss: …` or lines `Step: 100 Batch Loss: …`")
        log.declare("Loss", Meaning("loss/validation", "validation", "lower", "loss units", note=_SUMMED))
        log.declare(
            "valid loss", Meaning("loss/validation", "validation", "lower", "loss units", note=_SUMMED)
        )
        log.declare(
            "Batch Loss", Meaning("loss/train", "train", "lower", "loss units", note="of single batches")
        )
        total = "summed over the epoch's batches"
        log.declare(
            "total training loss", Meaning("epoch_sum_loss/train", "train", "lower", "loss units", note=total)
        )
        for name in log.series:
            if (
                name not in ("Loss", "LR", "Lr", "epoch")
                and "Steps" not in name
                and name.lower() in ("ppl", "valid ppl")
            ):
                log.declare(name, Meaning("ppl/validation", "validation", "lower"))


class _Reader:
    """Keeps the step for lines that name only the epoch."""

    def __init__(self) -> None:
        self._step: float | None = None

    def row(self, line_number: int, line: str) -> Row | None:
        """The row of a line, None when it holds none."""
        del line_number
        if len(line) > 2000:
            return None
        if line.startswith("Step"):
            return self._validation(line)
        if "Batch Loss:" in line:
            found = _BATCH.search(line)
            if found is None:
                return None
            self._step = float(found.group(2))
            return self._step, {"epoch": float(found.group(1)), **pairs(found.group(3))}
        if "alidation result" in line and "Best" not in line:
            found = _RESULTS.search(line)
            if found is None:
                return None
            self._step = float(found.group(2))
            return self._step, {f"valid {n}": v for n, v in pairs(found.group(3)).items() if n != "duration"}
        return self._rest(line)

    def _validation(self, line: str) -> Row | None:
        cells = [cell.split(":", 1) for cell in line.split("\t")]
        found = {cell[0].strip(): number(cell[1]) for cell in cells if len(cell) == 2}
        values = {name: value for name, value in found.items() if value is not None}
        step = values.pop("Steps", values.pop("Step", None))
        return None if step is None or not values else (step, values)

    def _rest(self, line: str) -> Row | None:
        if "total training loss" in line:
            found = _TOTAL.search(line)
            value = number(found.group(2)) if found else None
            return (
                (self._step, {"total training loss": value})
                if value is not None and self._step is not None
                else None
            )
        if "Evaluation result" in line and self._step is not None:
            found = _NEW_RESULT.search(line)
            values = (
                {f"valid {n}": v for n, v in pairs(found.group(1)).items() if n != "duration"}
                if found
                else {}
            )
            return (self._step, values) if values else None
        return None
