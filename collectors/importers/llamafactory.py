"""LLaMA-Factory `trainer_log.jsonl`: one JSON object per log call."""

from __future__ import annotations

import re
from typing import Any

from ..intake.importer import CERTAIN
from ..intake.json_lines import head_objects, objects
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number, numbers_of
from ..intake.source import Source

_TIME = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")


class LlamaFactory:
    """The log that LLaMA-Factory's callback writes beside the checkpoints."""

    slug = "llamafactory"
    name = "LLaMA-Factory trainer_log.jsonl"

    def recognises(self, source: Source) -> float:
        """By `current_steps` and `total_steps`."""
        rows = head_objects(source)
        return CERTAIN if any("current_steps" in row and "total_steps" in row for row in rows) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """`current_steps` counts optimizer steps; a clock that goes back with the step is another launch."""
        log.x_unit = "optimizer steps"
        last_seconds = last_step = first_step = 0.0
        for line, row in objects(source, log):
            step = number(row.get("current_steps"))
            if step is None:
                log.note("rows without current_steps were left out", line=line)
                continue
            seconds = _seconds(row.get("elapsed_time"))
            if seconds is not None and seconds < last_seconds and step <= max(first_step, 0.05 * last_step):
                log.note("the clock and the step begin again: another launch was appended", line=line)
                log.new_run()
                first_step = 0.0
            first_step = first_step or step
            last_step, last_seconds = step, seconds if seconds is not None else last_seconds
            values = numbers_of({k: v for k, v in row.items() if k not in ("current_steps", "total_steps")})
            log.row(step, values)
            _take_facts(row, step, seconds, log)
        _declare(log)


def _declare(log: Logbook) -> None:
    if not any(name in log.series for name in ("loss", "eval_loss")):
        log.note("the file holds no loss: only steps, times and what else is listed")
    log.declare("loss", Meaning("loss/train", "train", "lower"))
    log.declare("accuracy", Meaning("accuracy/train", "train", "higher", "fraction"))
    log.declare("reward", Meaning("reward/train", "train", "higher"))
    log.declare("percentage", Meaning(unit="%"))


def _take_facts(row: dict[str, Any], step: float, seconds: float | None, log: Logbook) -> None:
    total = number(row.get("total_steps"))
    if seconds is not None:
        log.fact(seconds=seconds)
    if total is not None:
        log.fact(config={"total_steps": total}, status="finished" if 0 < total <= step else "unknown")
    epoch = number(row.get("epoch"))
    if epoch is not None:
        log.fact(epochs=epoch)


def _seconds(text: Any) -> float | None:
    match = _TIME.fullmatch(text.strip()) if isinstance(text, str) and len(text) < 40 else None
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
