"""detectron2 `metrics.json`: one JSON object per 20 iterations, evaluations in between."""

from __future__ import annotations

import re

from ..intake.importer import CERTAIN, LIKELY
from ..intake.json_lines import head_objects, objects
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import flat, number, numbers_of
from ..intake.series_names import classify
from ..intake.source import Source

ITERATION = "iteration"
_MARKS = (
    "total_loss",
    "eta_seconds",
    "data_time",
    "rank_data_time",
    "bbox/AP",
    "segm/AP",
    "sem_seg/mIoU",
    "lr",
)
_HELD_OUT = re.compile(
    r"(?:^|/)(?:AP\w*|AR\w*|mIoU|fwIoU|IoU|mACC|pACC|ACC|PQ|SQ|RQ)(?:$|[-/])|^validation|^val"
)


class Detectron2Json:
    """What detectron2's `JSONWriter` appends to."""

    slug = "detectron2-json"
    name = "detectron2 metrics.json"

    def recognises(self, source: Source) -> float:
        """By `iteration` beside `total_loss`, `eta_seconds` or AP columns."""
        rows = head_objects(source)
        good = [r for r in rows if number(r.get(ITERATION)) is not None and any(mark in r for mark in _MARKS)]
        if not good or "mode" in good[0] or "step" in good[0]:
            return 0.0
        sure = any("total_loss" in row or "eta_seconds" in row or "bbox/AP" in row for row in good)
        return CERTAIN if sure else LIKELY

    def read(self, source: Source, log: Logbook) -> None:
        """x is `iteration`, 0-based and logged as 19, 39, ...; its first value again is another launch."""
        log.x_unit = "optimizer steps"
        first = None
        for line, row in objects(source, log):
            x = number(row.get(ITERATION))
            if x is None:
                log.note("rows without an iteration were left out", line=line)
                continue
            values = numbers_of({name: value for name, value in flat(row).items() if name != ITERATION})
            is_train = "total_loss" in values
            if is_train and first is not None and x <= first:
                log.note("the iteration begins again: another launch was appended", line=line)
                log.new_run()
            if is_train and (first is None or x <= first):
                first = x
            log.row(x, values)
        _declare(log)


def _declare(log: Logbook) -> None:
    for name in log.series:
        if _HELD_OUT.search(name):
            meaning = classify(name)
            better = meaning.better or ("lower" if "loss" in name else "higher")
            quantity = meaning.name.rpartition("/")[0] or re.sub(r"\W+", "_", name)
            note = "NaN where a class or a size of objects is absent" if better == "higher" else ""
            log.declare(name, Meaning(f"{quantity}/validation", "validation", better, note=note))
        elif name not in ("time", "data_time") and not classify(name).tells_split:
            log.declare(name, classify(f"train_{name}"))
    log.declare("total_loss", Meaning("loss/train", "train", "lower", note="median over 20 iterations"))
    log.declare("time", Meaning("time/step", unit="s"))
    log.declare("data_time", Meaning("time/data", unit="s", note="waiting for the loader, part of each step"))
