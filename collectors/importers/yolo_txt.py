"""YOLOv5 (up to 5.0), YOLOv7 and relatives: `results.txt`, 15 columns without a header."""

from __future__ import annotations

import re

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number
from ..intake.source import Source

COLUMNS = (
    "train/box_loss", "train/obj_loss", "train/cls_loss", "train/loss", "targets", "img_size",
    "metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95",
    "val/box_loss", "val/obj_loss", "val/cls_loss",
)  # fmt: skip
"""What follows the epoch and the memory."""

N_COLUMNS = 2 + len(COLUMNS)
_FIRST = re.compile(r"\s{0,40}(\d{1,7})/(\d{1,7})\s+(\d[\d.]{0,12})[GM]B?\s")
_AP, _F1 = COLUMNS.index("metrics/mAP_0.5:0.95"), "metrics/F1"


class YoloTxt:
    """The table that YOLOv5's and YOLOv7's `train.py` append to, one row per epoch."""

    slug = "yolo-txt"
    name = "YOLO results.txt"

    def recognises(self, source: Source) -> float:
        """By rows that begin like `0/299 5.7G` and hold nothing but numbers."""
        rows = _head(source)
        good = sum(bool(_FIRST.match(row)) and len(row.split()) >= 10 for row in rows)
        return CERTAIN if good and good >= min(0.8 * len(rows), len(rows) - 1) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is the epoch before the slash, 0-based.

        Raises:
            UnreadableLogError: the rows have another number of columns; their order is not known.
        """
        widths = [len(row.split()) for row in _head(source) if _FIRST.match(row)]
        width = max(set(widths), key=widths.count) if widths else 0
        if width != N_COLUMNS:
            raise UnreadableLogError(
                f"expected {N_COLUMNS} columns in {source.name}, found {width}: forks with more losses order "
                'them as they like; name the ones you know, e.g. --map epoch="column 1",loss="column N"'
            )
        log.x_unit = "epochs"
        names = _names(source, log)
        planned, last = _pour(source, log, names)
        log.declare("train/loss", Meaning("loss/train", "train", "lower", note="box + obj + cls"))
        _take_facts(source, log, planned, last)


def _pour(source: Source, log: Logbook, names: tuple[str, ...]) -> tuple[float, float]:
    planned = last = -1.0
    held: tuple[int, str] | None = None
    for line, text in source.lines():
        if held is not None:
            planned, last = _row(*held, names, log) or (planned, last)
        held = (line, text)
    if held is not None:
        if source.is_cut():
            log.note("the last row has no line end, may be cut and was left out", line=held[0])
        else:
            planned, last = _row(*held, names, log) or (planned, last)
    return planned, last


def _row(line: int, text: str, names: tuple[str, ...], log: Logbook) -> tuple[float, float] | None:
    match, cells = _FIRST.match(text), text.split()
    if match is None or len(cells) != N_COLUMNS:
        if text.strip():
            log.note(f"lines that are no row of {N_COLUMNS} columns were left out", line=line)
        return None
    values = {
        name: found
        for name, cell in zip(names, cells[2:], strict=True)
        if (found := number(cell)) is not None
    }
    held_out = names[6:]
    if all(values.get(name) == 0.0 for name in held_out):
        log.note(
            "epochs whose seven evaluation columns are all 0 were not evaluated: left out there", line=line
        )
        values = {name: value for name, value in values.items() if name not in held_out}
    val = [values[name] for name in names[10:] if name in values]
    if len(val) == 3:
        values["val/loss (sum)"] = sum(val)
        log.declare(
            "val/loss (sum)",
            Meaning("loss/validation", "validation", "lower", note="box + obj + cls, added up on reading"),
        )
    log.row(float(match[1]), values)
    return float(match[2]), float(match[1])


def _names(source: Source, log: Logbook) -> tuple[str, ...]:
    """The column names; the first YOLO trainers wrote F1 where later ones write mAP@.5:.95."""
    rows = [row.split() for row in _head(source) if _FIRST.match(row)]
    for row in rows:
        values = [number(cell) for cell in row[2:]]
        if len(values) != len(COLUMNS) or any(value is None for value in values):
            continue
        strict, loose = values[_AP] or 0.0, values[_AP - 1] or 0.0
        if strict > loose + 0.005:
            log.note(
                "column 12 exceeds mAP@.5, so it is no mAP@.5:.95: taken as F1, as old versions wrote it"
            )
            return (*COLUMNS[:_AP], _F1, *COLUMNS[_AP + 1 :])
    return COLUMNS


def _head(source: Source) -> list[str]:
    return [row for row in source.head_text().split("\n") if row.strip()][:300]


def _take_facts(source: Source, log: Logbook, planned: float, last: float) -> None:
    found = {**settings(source, "hyp.yaml"), **settings(source, "opt.yaml")}
    if found:
        log.fact(config=found)
    batch = number(found.get("total_batch_size", found.get("batch_size")))
    if batch is not None and 0 < batch < 1e6:
        log.fact(batch_size=int(batch))
    if last >= 0:
        log.fact(epochs=last + 1, status="finished" if last >= planned else "unknown")
