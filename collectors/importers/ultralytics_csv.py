"""Ultralytics `results.csv` (YOLOv5 from 6.0, YOLOv8 to v12, RT-DETR), with `args.yaml` beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings
from ..intake.counted_rows import counted_rows, head_layout
from ..intake.importer import CERTAIN, LIKELY
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number
from ..intake.source import Source

EPOCH = "epoch"
TOTALS = {"train": "train/loss (sum)", "val": "val/loss (sum)"}
_COMPONENT = re.compile(r"(train|val)/[A-Za-z0-9_]+?(?:_loss|_om|_oo)")
_RATE = re.compile(r"(?:lr/pg|x/lr)\d+")
_FITNESS = re.compile(r"metrics/mAP(?:50-95|_0\.5:0\.95)(?:\([BMP]\))?|metrics/accuracy_top1")


class UltralyticsCsv:
    """The table that Ultralytics' trainers write, one row per epoch."""

    slug = "ultralytics-csv"
    name = "Ultralytics results.csv"

    def recognises(self, source: Source) -> float:
        """By `epoch` beside `train/..._loss` columns and `metrics/...` or `lr/pg0`."""
        layout = head_layout(source, ",")
        if layout is None or EPOCH not in layout.header:
            return 0.0
        names = layout.header
        n_parts = sum(bool(_COMPONENT.fullmatch(name)) for name in names)
        if any(name.startswith("metrics/") or _RATE.fullmatch(name) for name in names):
            return CERTAIN if n_parts or "train/loss" in names else 0.0
        return LIKELY if n_parts > 1 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is the epoch, 0- or 1-based as the version wrote it."""
        layout = head_layout(source, ",")
        if layout is None or EPOCH not in layout.header:
            raise UnreadableLogError(
                f"expected a table with the column epoch in {source.name}, found another"
            )
        log.x_unit = "epochs"
        train, held_out = _components(layout.header, "train"), _components(layout.header, "val")
        rates = [name for name in layout.header if _RATE.fullmatch(name)]
        progress = _Progress()
        bias = ""
        for _, x, values in counted_rows(source, log, layout, EPOCH):
            if progress.n == 0:
                bias = _bias_group(rates, values)
            # The rate of the weights first: the first rate is what a schedule is read from.
            row = {name: values[name] for name in sorted(values, key=lambda name: name == bias)}
            _add_total(row, train, TOTALS["train"])
            _add_total(row, held_out, TOTALS["val"])
            progress.take(x, values)
            log.row(x, row)
        _declare(log, train, held_out, bias)
        _take_facts(source, log, progress)


class _Progress:
    """How far the run went and when it was best."""

    def __init__(self) -> None:
        self.n = 0
        self.first = self.last = self.best_epoch = self.best = float("-inf")
        self.seconds = 0.0

    @property
    def done(self) -> float:
        """Epochs done: old versions count from 0."""
        return self.last if self.first >= 1 else self.last + 1

    def take(self, epoch: float, values: Mapping[str, float]) -> None:
        """One row."""
        self.first = epoch if self.n == 0 else self.first
        self.n += 1
        self.last = epoch
        fitness = sum(value for name, value in values.items() if _FITNESS.fullmatch(name))
        if fitness > self.best:
            self.best, self.best_epoch = fitness, epoch
        self.seconds = max(self.seconds, values.get("time", 0.0))


def _components(header: tuple[str, ...], split: str) -> list[str]:
    """The losses to add up; none where the total itself is a column."""
    if f"{split}/loss" in header:
        return []
    return [name for name in header if (match := _COMPONENT.fullmatch(name)) and match[1] == split]


def _add_total(row: dict[str, float], parts: list[str], name: str) -> None:
    if parts and all(part in row for part in parts):
        row[name] = sum(row[part] for part in parts)


def _bias_group(rates: list[str], first: Mapping[str, float]) -> str:
    """The rate that starts far above the others: biases warm up from above; the first one when none does."""
    found = [name for name in rates if name in first]
    if len(found) < 2:
        return ""
    highest = max(found, key=lambda name: first[name])
    others = [first[name] for name in found if name != highest]
    return highest if first[highest] > 1.5 * max(others) else found[0]


def _declare(log: Logbook, train: list[str], held_out: list[str], bias: str) -> None:
    for split, parts, ours in (("train", train, "train"), ("val", held_out, "validation")):
        total = TOTALS[split]
        if total in log.series:
            shown = " + ".join(part.partition("/")[2] for part in parts)
            log.declare(total, Meaning(f"loss/{ours}", ours, "lower", note=f"{shown}, added up on reading"))
    if TOTALS["train"] in log.series:
        log.note("the file holds no total loss; the columns of its parts, gains applied, were added up")
    if bias:
        note = "rate of the biases; it starts high and comes down during warmup by design"
        log.declare(bias, Meaning("lr/bias", unit="1/step", note=note))


def _take_facts(source: Source, log: Logbook, progress: _Progress) -> None:
    found = settings(source, "args.yaml") or settings(source, "opt.yaml")
    if progress.seconds > 0:
        log.fact(seconds=progress.seconds)
    if progress.n:
        log.fact(epochs=progress.done)
    if not found:
        return
    log.fact(config=found)
    batch = number(found.get("batch", found.get("batch_size")))
    if batch is not None and 0 < batch < 1e6:
        log.fact(batch_size=int(batch))
    _take_end(log, progress, found)


def _take_end(log: Logbook, progress: _Progress, found: Mapping[str, Any]) -> None:
    planned, patience = number(found.get("epochs")), number(found.get("patience"))
    last = progress.done
    mosaic = number(found.get("close_mosaic"))
    if planned is not None and last >= planned > 0:
        log.fact(status="finished")
    elif patience and progress.last - progress.best_epoch >= patience:
        log.fact(status="finished")
        log.note(
            f"stopped early at epoch {progress.last:g}: no better validation for {patience:g} epochs "
            f"(best at {progress.best_epoch:g})"
        )
    elif planned is not None:
        log.note(f"the table ends at epoch {progress.last:g} of {planned:g}: the run was cut or goes on")
    if planned is not None and mosaic and last > planned - mosaic > 0:
        at = planned - mosaic + (1 if progress.first >= 1 else 0)
        log.event(at, "note", what="mosaic augmentation ends")
        log.note(f"mosaic augmentation ends at epoch {at:g} (close_mosaic): the train losses step down there")
