"""Weights & Biases: the binary `.wandb` file, its run folder, and the old `wandb-history.jsonl`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from traindoctor.errors import UnreadableLogError

from ..intake.companions import plain, settings
from ..intake.folder import Folder
from ..intake.importer import CERTAIN, LIKELY
from ..intake.json_lines import head_objects, objects
from ..intake.logbook import Logbook
from ..intake.numbers import number
from ..intake.source import Source
from .logged_step import count_by_logged_step
from .tracked_series import interpret
from .wandb_records import MAGIC, record_class, records

_LEGACY = "wandb-history.jsonl"
_RUN_FOLDER = re.compile(r"(?:offline-)?run-.+|latest-run|wandb")
_DEPTH = 6


class WeightsAndBiases:
    """Runs that wandb recorded on this machine, synced or not."""

    slug = "wandb"
    name = "Weights & Biases run"

    def recognises(self, source: Source) -> float:
        """By the magic number, or by the columns that wandb adds to each row."""
        head = source.head()
        if head.startswith(MAGIC):
            return CERTAIN
        if head[:1] != b"{":
            return LIKELY if source.suffix == ".wandb" else 0.0
        rows = head_objects(source)
        return CERTAIN if any("_step" in r and ("_runtime" in r or "_timestamp" in r) for r in rows) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """One run; a row is one log call."""
        if source.head().startswith(b"{"):
            _read_history_lines(source, log)
        else:
            _read_binary(source, log)

    def recognises_folder(self, folder: Folder) -> float:
        """A run's folder: its `.wandb` file, or the old history, beside `files/` and console output."""
        return CERTAIN if _RUN_FOLDER.fullmatch(folder.path.name) and len(_logs_of(folder)) == 1 else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """The run's log; summary and console output repeat it."""
        self.read(folder.open(_logs_of(folder)[0]), log)


def _logs_of(folder: Folder) -> list[str]:
    binary = [name for name in folder.files if name.endswith(".wandb")]
    return binary or [name for name in folder.files if name == _LEGACY]


class _Row:
    """Collects what the items of one log call hold."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.n_media = 0

    def add(self, name: str, value: Any, depth: int = 0) -> None:
        """A number, or an object of numbers; pictures, tables and texts are counted."""
        found = number(value)
        if found is not None:
            self.values[name] = found
        elif isinstance(value, dict) and "_type" not in value and depth < _DEPTH:
            for key, inner in value.items():
                self.add(f"{name}.{key}", inner, depth + 1)
        elif value is not None:
            self.n_media += 1


def _read_binary(source: Source, log: Logbook) -> None:
    log.x_unit = "log rows"
    seen = _Seen()
    with source.open() as file:
        for payload in records(file, log, source.path.name):
            try:
                record = record_class().FromString(payload)
            except DecodeError:
                log.note("records that are no protobuf messages were left out")
                continue
            seen.n_records += 1
            _take_record(record, seen, log)
    for sentence in source.damage:
        log.note(sentence)
    if not seen.n_records:
        raise UnreadableLogError(
            f"expected records of a Weights & Biases run in {source.name}, found none that is whole; "
            "sync or copy the file again"
        )
    if not log.series:
        raise UnreadableLogError(
            f"{source.name} is a Weights & Biases run that logged no numbers ({seen.n_records} records, "
            f"{seen.n_rows} calls of wandb.log)"
        )
    _take_end(seen, log)
    _choose_axis(log, seen.step_metric, seen.user_steps)


class _Seen:
    """What was met in a file apart from its rows."""

    def __init__(self) -> None:
        self.n_records = self.n_rows = 0
        self.last_step = -1
        self.user_steps = False
        self.step_metric = ""
        self.config: dict[str, Any] = {}
        self.exit: Any = None


def _take_record(record: Any, seen: _Seen, log: Logbook) -> None:
    if record.HasField("history"):
        _take_history(record.history, seen, log)
    elif record.HasField("run"):
        run = record.run
        name = (run.display_name or run.run_id).decode("utf-8", "replace")
        if name:
            log.fact(name=name)
        _take_config(run.config, seen)
    elif record.HasField("config"):
        _take_config(record.config, seen)
    elif record.HasField("metric") and record.metric.step_metric:
        seen.step_metric = record.metric.step_metric.decode("utf-8", "replace")
    elif record.HasField("exit"):
        seen.exit = record.exit


def _take_history(history: Any, seen: _Seen, log: Logbook) -> None:
    seen.n_rows += 1
    row = _Row()
    for item in history.item:
        row.add(_key(item), _value(item))
    if row.n_media:
        log.note("pictures, tables and texts were left out")
    step = row.values.pop("_step", None)
    if step is None:
        step = float(history.step.num) if history.HasField("step") else float(seen.last_step + 1)
    _pour(step, row.values, seen, log)


def _pour(step: float, values: Mapping[str, float], seen: _Seen, log: Logbook) -> None:
    # Calls that only carry pictures have a clock but no values.
    if any(not name.startswith("_") for name in values):
        log.row(step, values)
    seen.user_steps |= seen.last_step >= 0 and step != seen.last_step + 1
    seen.last_step = int(step)


def _take_config(config: Any, seen: _Seen) -> None:
    for item in config.update:
        name = _key(item)
        if not name.startswith("_wandb"):
            seen.config[name] = _value(item)


def _key(item: Any) -> str:
    parts = item.nested_key or (item.key,)
    return ".".join(part.decode("utf-8", "replace") for part in parts)


def _value(item: Any) -> Any:
    for kind in ("number", "integer", "boolean"):
        if item.HasField(kind):
            return getattr(item, kind)
    text = item.json or item.value_json
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _take_end(seen: _Seen, log: Logbook) -> None:
    log.fact(config=plain(seen.config))
    if seen.exit is None:
        log.fact(status="killed")
        log.note("the run has no end record: it was killed, or still runs")
        return
    log.fact(status="finished" if seen.exit.exit_code == 0 else "failed")
    if seen.exit.runtime > 0:
        log.fact(seconds=float(seen.exit.runtime))


def _choose_axis(log: Logbook, step_metric: str, user_steps: bool) -> None:
    runtime = log.series.get("_runtime")
    if runtime is not None and "seconds" not in log.chapters[-1].facts:
        log.fact(seconds=max(runtime.values))
    if user_steps:
        log.x_unit = "optimizer steps"
    count_by_logged_step(log, step_metric)
    interpret(log, steps_are_told=True)


def _read_history_lines(source: Source, log: Logbook) -> None:
    log.x_unit = "log rows"
    seen = _Seen()
    for line, found in objects(source, log):
        row = _Row()
        for name, value in found.items():
            row.add(name, value)
        if row.n_media:
            log.note("pictures, tables and texts were left out", line=line)
        step = row.values.pop("_step", float(seen.last_step + 1))
        _pour(step, row.values, seen, log)
    if not log.series:
        raise UnreadableLogError(f"{source.name} is a Weights & Biases history that holds no numbers")
    config = settings(source, "config.yaml")
    log.fact(config={k.removesuffix("/value"): v for k, v in config.items() if k.endswith("/value")})
    _choose_axis(log, "", seen.user_steps)
