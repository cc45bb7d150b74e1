"""StyleGAN2/3's and EDM's `stats.jsonl`, one tick per line, and their `metric-*.jsonl`."""

from __future__ import annotations

import re
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings
from ..intake.folder import Folder
from ..intake.importer import CERTAIN
from ..intake.json_lines import head_objects, objects
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number
from ..intake.source import Source

_KIMG = "Progress/kimg"
_TICK = "Progress/tick"
_SNAPSHOT = re.compile(r"(?:.*\D)?(\d{4,9})\.pkl")
_METRIC_FILE = re.compile(r"metric-\w{1,60}\.jsonl")
_GAN = {"Loss/G/loss", "Loss/D/loss"}


class StyleGanStats:
    """Statistics collected per tick of NVIDIA's training loops."""

    slug = "stylegan"
    name = "StyleGAN/EDM stats.jsonl"

    def recognises(self, source: Source) -> float:
        """By statistics with num, mean and std over `Progress/kimg`, or by metrics of a snapshot."""
        rows = head_objects(source)[:3]
        return CERTAIN if any(_is_tick(row) or _is_metric(row) for row in rows) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x counts the images shown to the network: thousandths of `Progress/kimg`."""
        log.x_unit = "samples"
        n_empty = 0
        for line, row in objects(source, log):
            if _is_metric(row):
                _take_metric(row, line, log)
            elif _is_tick(row):
                n_empty += _take_tick(row, line, log)
            else:
                log.note("rows of another kind were left out", line=line)
        if not log.series:
            raise UnreadableLogError(
                f"expected ticks with {_KIMG} in {source.name}, found none that is whole"
            )
        if n_empty:
            log.note("statistics without a sample in their tick were left out; they are stored as NaN")
        _take_companions(source, log)
        if set(log.series) >= _GAN:
            log.fact(loss_role="gan")
        for name in log.series:
            if name.startswith("Loss/"):
                _declare_loss(name, log)


def _mean(value: Any) -> float | None:
    return number(value.get("mean")) if isinstance(value, dict) else None


def _is_tick(row: dict[str, Any]) -> bool:
    return _mean(row.get(_KIMG)) is not None


def _is_metric(row: dict[str, Any]) -> bool:
    return isinstance(row.get("results"), dict) and "metric" in row and "snapshot_pkl" in row


def _take_tick(row: dict[str, Any], line: int, log: Logbook) -> int:
    """Pour the means of one tick; how many statistics were empty."""
    kimg = _mean(row.get(_KIMG))
    if kimg is None:
        return 0
    values: dict[str, float] = {}
    n_empty = 0
    for name, value in row.items():
        found = _mean(value) if isinstance(value, dict) else number(value)
        if isinstance(value, dict) and number(value.get("num")) == 0:
            n_empty += 1
        elif found is not None:
            values[name] = found
    if kimg != kimg or abs(kimg) > 1e12:
        log.note("ticks without a finite Progress/kimg were left out", line=line)
        return n_empty
    log.row(float(round(kimg * 1000.0)), values)
    return n_empty


def _take_metric(row: dict[str, Any], line: int, log: Logbook) -> None:
    found = _SNAPSHOT.fullmatch(str(row["snapshot_pkl"])[:500])
    if found is None:
        log.note("metrics of a snapshot without a number were left out", line=line)
        return
    values = {str(name): value for name, raw in row["results"].items() if (value := number(raw)) is not None}
    for name, value in values.items():
        if abs(value) > 1e15:
            log.note(f"`{name}` holds values beyond 1e15, which no such metric reaches", line=line)
        log.declare(name, Meaning(better=_better(name), split="validation", name=f"{name}/validation"))
    log.row(1000.0 * int(found[1]), values)


def _better(name: str) -> str:
    return "lower" if name.startswith(("fid", "kid", "ppl")) else "higher" if name[:2] in ("is", "pr") else ""


def _take_companions(source: Source, log: Logbook) -> None:
    options = settings(source, "training_options.json")
    log.fact(config=options)
    batch = number(options.get("batch_size"))
    if batch is not None and 0 < batch < 1e9:
        log.fact(batch_size=int(batch))
    seconds = log.series.get("Timing/total_sec")
    if seconds is not None:
        log.fact(seconds=max(seconds.values))
    if source.path.name != "stats.jsonl":
        return
    for name in Folder(source.path.parent).files:
        metric = source.beside(name) if _METRIC_FILE.fullmatch(name) else None
        if metric is not None:
            for line, row in objects(metric, log):
                if _is_metric(row):
                    _take_metric(row, line, log)


def _declare_loss(name: str, log: Logbook) -> None:
    if name == "Loss/loss":
        log.declare(name, Meaning("loss/train", "train", "lower", note="mean over the tick's images"))
    elif name == "Loss/G/loss":
        log.declare(name, Meaning("g_loss/train", "train", note="generator; its fall is no progress"))
    elif name == "Loss/D/loss":
        log.declare(name, Meaning("d_loss/train", "train", note="discriminator; its fall is no progress"))
    else:
        log.declare(name, Meaning(split="train"))
