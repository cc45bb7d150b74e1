"""Lightning's `CSVLogger`: `metrics.csv`, one row per log call, with `hparams.yaml` beside it."""

from __future__ import annotations

from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings
from ..intake.counted_rows import head_layout, pour
from ..intake.importer import CERTAIN, LIKELY
from ..intake.logbook import Logbook
from ..intake.numbers import number
from ..intake.source import Source
from ..intake.tables import cells_of

STEP, EPOCH = "step", "epoch"
_SAMPLE = 200


class LightningCsv:
    """The table that `lightning.pytorch.loggers.CSVLogger` writes into each `version_N` folder."""

    slug = "lightning-csv"
    name = "Lightning CSVLogger metrics.csv"

    def recognises(self, source: Source) -> float:
        """By `step` and `epoch` side by side, and rows that are filled only in part."""
        layout = head_layout(source, ",")
        if (
            layout is None
            or STEP not in layout.header
            or EPOCH not in layout.header
            or len(layout.header) < 3
        ):
            return 0.0
        if _begins_again(source, layout.header) or not _always_has_step(source, layout.header):
            return 0.0
        twins = any(
            name.endswith("_step") and f"{name[:-5]}_epoch" in layout.header for name in layout.header
        )
        called_so = source.path.name.startswith("metrics.csv") or source.path.parent.name.startswith(
            "version_"
        )
        has_rates = any(name.startswith("lr-") for name in layout.header)
        if twins or has_rates:
            return CERTAIN
        return LIKELY if called_so or _is_sparse(source) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """`step` counts optimizer steps: gradient accumulation counts once."""
        layout = head_layout(source, ",")
        if layout is None or STEP not in layout.header:
            raise UnreadableLogError(
                f"expected a table with the columns step and epoch, found another in {source.name}"
            )
        log.x_unit = "optimizer steps"
        pour(source, log, layout, STEP)
        if not any(name not in (STEP, EPOCH) for name in log.series):
            log.note("the file holds steps and epochs only: nothing was logged to it")
        _take_settings(source, log)


def _take_settings(source: Source, log: Logbook) -> None:
    found = settings(source, "hparams.yaml")
    if found:
        log.fact(config=found)
    batch: Any = next((found[name] for name in ("batch_size", "train_batch_size") if name in found), None)
    size = number(batch)
    if size is not None and 0 < size < 1e9:
        log.fact(batch_size=int(size))


def _rows(source: Source, n: int) -> list[list[str]]:
    lines = [line for line in source.head_text().split("\n")[1 : n + 1] if '"' not in line and line.strip()]
    return [cells_of(line, ",") for line in lines]


def _is_sparse(source: Source) -> bool:
    rows = _rows(source, _SAMPLE)
    filled = sum(bool(cell.strip()) for row in rows for cell in row)
    return bool(rows) and filled < 0.85 * sum(len(row) for row in rows)


def _always_has_step(source: Source, header: tuple[str, ...]) -> bool:
    step = header.index(STEP)
    rows = [row for row in _rows(source, _SAMPLE) if len(row) == len(header)]
    return all(number(row[step]) is not None for row in rows)


def _begins_again(source: Source, header: tuple[str, ...]) -> bool:
    """Whether the step falls where the epoch rises: inside the epoch is not how Lightning counts."""
    step, epoch = header.index(STEP), header.index(EPOCH)
    last: tuple[float, float] | None = None
    falls = rises = 0
    for row in _rows(source, 5000):
        if len(row) <= max(step, epoch):
            continue
        x, e = number(row[step]), number(row[epoch])
        if x is None or e is None:
            continue
        if last is not None and e > last[1]:
            falls, rises = falls + (x < last[0]), rises + (x >= last[0])
        last = (x, e)
    return falls > rises
