"""timm `summary.csv`, with `args.yaml` beside it."""

from __future__ import annotations

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings
from ..intake.counted_rows import head_layout, pour
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number
from ..intake.source import Source

EPOCH = "epoch"


class TimmCsv:
    """The table that timm's training script appends to, one row per epoch."""

    slug = "timm-csv"
    name = "timm summary.csv"

    def recognises(self, source: Source) -> float:
        """By `epoch`, `train_loss` and `eval_loss` or `eval_top1`."""
        layout = head_layout(source, ",")
        if layout is None or layout.header[0] != EPOCH or "train_loss" not in layout.header:
            return 0.0
        return CERTAIN if {"eval_top1", "eval_top5"}.intersection(layout.header) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is the epoch, 0-based."""
        layout = head_layout(source, ",")
        if layout is None or EPOCH not in layout.header:
            raise UnreadableLogError(
                f"expected a table with the column epoch in {source.name}, found another"
            )
        log.x_unit = "epochs"
        pour(source, log, layout, EPOCH)
        smoothing = (
            "with mixup or label smoothing it stays far above the evaluated loss; that is no underfitting"
        )
        log.declare("train_loss", Meaning("loss/train", "train", "lower", note=smoothing))
        _take_settings(source, log)


def _take_settings(source: Source, log: Logbook) -> None:
    found = settings(source, "args.yaml")
    if not found:
        return
    log.fact(config=found)
    batch, classes = number(found.get("batch_size")), number(found.get("num_classes"))
    if batch is not None and 0 < batch < 1e6:
        log.fact(batch_size=int(batch))
    if classes is not None and 1 < classes < 1e7:
        log.fact(n_classes=int(classes))
    planned = number(found.get("epochs"))
    last = log.series["train_loss"].x[-1] if "train_loss" in log.series else -1.0
    if planned is not None and last + 1 >= planned > 0:
        log.fact(status="finished")
