"""MLPerf training logs: `:::MLLOG` lines with one JSON object, and the older `:::MLL`/`:::MLP` spellings."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import flat, number
from ..intake.source import Source
from ..intake.text_lines import nothing_read

MARK = ":::ML"
REPEATS = 512
"""Events remembered to leave out what several ranks log alike."""

MAX_EVENTS = 2_000_000
_OLD = re.compile(r"\S*\s+(?:[a-z]\w* +)?(\d+(?:\.\d+)?) +(?:\([^)]{0,300}\) +)?(\w+)(?:: *(.*))?$")
_EVALUATIONS = frozenset(("eval_accuracy", "eval_error", "eval_loss", "train_loss", "eval_result"))
_COUNTERS = ("samples_count", "step_num", "step", "iteration", "epoch_num")
_KEYS_KEPT = """
submission_benchmark submission_org submission_division submission_status submission_platform seed
global_batch_size gradient_accumulation_steps train_samples eval_samples d_batch_size
"""
_SETTINGS = frozenset(_KEYS_KEPT.split())
_STATUS = {"success": "finished", "aborted": "failed", "abort": "failed"}
_LOSS = Meaning(
    "loss/validation", "validation", "lower", note="MLPerf calls this benchmark's loss eval_accuracy"
)
_DIRECTIONS = {
    "rnnt": Meaning(
        "wer/validation", "validation", "lower", note="MLPerf stores the word error rate as eval_accuracy"
    ),
    "gpt3": _LOSS,
    "flux1": _LOSS,
}
_LLAMA = re.compile(r"llama|mixtral|deepseek|gpt")


@dataclass
class Event:
    """One value-bearing event: its values, and what its metadata count."""

    values: dict[str, float]
    counts: dict[str, float]
    is_evaluation: bool


@dataclass
class RunEvents:
    """The events of one run."""

    events: list[Event] = field(default_factory=list[Event])
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    status: str = ""
    started: float | None = None
    stopped: float | None = None


class MlPerf:
    """MLPerf training logs."""

    slug = "mlperf"
    name = "MLPerf :::MLLOG"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """The mark on some line of the head, with a key behind it."""
        head = source.head_text()
        return (
            CERTAIN
            if re.search(r":::ML(?:LOG|L|P)[v\d. ]", head) and source.suffix not in (".py", ".md")
            else 0.0
        )

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        runs = [RunEvents()]
        known: deque[tuple[Any, ...]] = deque(maxlen=REPEATS)
        for line_number, line in source.lines():
            at = line.find(MARK)
            if at < 0:
                continue
            found = _parsed(line[at:])
            if found is None:
                log.note("MLPerf lines that are damaged were left out", line=line_number)
                continue
            key = str(found.get("key"))
            identity = (
                found.get("time_ms", found.get("time_s")),
                key,
                str(found.get("value")),
                str(found.get("metadata")),
            )
            if identity in known:
                log.note("events that several ranks logged alike are taken once", line=line_number)
                continue
            known.append(identity)
            if key in ("run_start", "init_start") and runs[-1].status:
                runs.append(RunEvents())
            _take(runs[-1], key, found)
        for run in runs:
            log.new_run()
            _pour(run, log)
        nothing_read(source, log, "MLPerf events eval_accuracy, train_loss or tracked_stats")


def _parsed(text: str) -> dict[str, Any] | None:
    """The event of a line; None when it is none."""
    brace = text.find("{")
    if text.startswith(":::MLLOG") and brace > 0:
        found = _json(text[brace:])
        return found if isinstance(found, dict) and "key" in found else None
    old = _OLD.match(text)
    if old is None:
        found = _json(text[brace:]) if brace > 0 else None
        return found if isinstance(found, dict) and "key" in found else None
    time_s, key, payload = old.groups()
    value = _json(payload) if payload else None
    out: dict[str, Any] = {"key": key, "time_s": time_s, "value": value, "metadata": {}}
    if isinstance(value, dict):
        metadata = value.get("metadata")
        out["value"] = value.get("value")
        out["metadata"] = {**(metadata if isinstance(metadata, dict) else {}), **value}
        if "epoch" in value:
            out["metadata"].setdefault("epoch_num", value["epoch"])
    return out


def _json(text: str) -> Any:
    try:
        return json.JSONDecoder().raw_decode(text.strip())[0]
    except (ValueError, RecursionError):
        return text.strip()


def _take(run: RunEvents, key: str, event: dict[str, Any]) -> None:
    metadata, value = event.get("metadata"), event.get("value")
    metadata = metadata if isinstance(metadata, dict) else {}
    time_ms = number(event.get("time_ms"))
    if key == "run_start":
        run.started = time_ms
    elif key in ("run_stop", "run_final"):
        run.status, run.stopped = str(metadata.get("status", run.status or "unknown")), time_ms
    elif key in _SETTINGS or key.startswith("opt_"):
        if isinstance(value, (str, int, float)) and len(str(value)) < 200:
            run.config[key] = value
    elif key in _EVALUATIONS or key == "tracked_stats":
        counts = {name: count for name in _COUNTERS if (count := number(metadata.get(name))) is not None}
        values = _values(key, value)
        if values and len(run.events) < MAX_EVENTS:
            run.events.append(Event(values, counts, key != "tracked_stats"))


def _values(key: str, value: Any) -> dict[str, float]:
    """`eval_accuracy` as such, its parts as `eval_BBOX`, tracked statistics by their own names."""
    if not isinstance(value, dict):
        plain = number(value)
        return {} if plain is None else {key: plain}
    stem = key.partition("_")[0] + "_" if key != "tracked_stats" else ""
    found = {f"{stem}{name}": number(part) for name, part in flat(value).items()}
    return {name: part for name, part in found.items() if part is not None}


def _pour(run: RunEvents, log: Logbook) -> None:
    events = run.events
    if not events and not run.status:
        return
    counter, unit = _counter(events)
    if log.n_rows and log.x_unit != unit:
        log.note(f"runs of this file count x in different ways; a later run counts {unit}")
    log.x_unit = unit if not log.n_rows else log.x_unit
    if counter == "":
        log.note("the events count neither samples nor steps; x is the number of the evaluation")
    x = 0.0
    for order, event in enumerate(events, 1):
        x = _x(event, counter, order, x)
        values = dict(event.values)
        if "epoch_num" in event.counts and counter != "epoch_num":
            values["epoch"] = event.counts["epoch_num"]
        log.row(x, values)
    _state(run, log)


def _counter(events: list[Event]) -> tuple[str, str]:
    """What x is: samples, else steps, else whole epochs that vary, else the order ("")."""
    having = {name: [e.counts[name] for e in events if name in e.counts] for name in _COUNTERS}
    if having["samples_count"]:
        return "samples_count", "samples"
    steps = max(("step_num", "step", "iteration"), key=lambda name: len(having[name]))
    epochs = having["epoch_num"]
    if having[steps]:
        # Some log their epochs as steps beside evaluations that count epochs: one counter, then.
        same = (
            epochs
            and 0.95 <= max(epochs) / max(1.0, *having[steps]) <= 1.0
            and len(having[steps]) > len(epochs)
        )
        return steps, "epochs" if same else "optimizer steps"
    whole = all(epoch == round(epoch) for epoch in epochs)
    if len(epochs) == len(events) and whole and len(set(epochs)) > max(1, len(events) // 2):
        return "epoch_num", "epochs"
    return "", "evaluations"


def _x(event: Event, counter: str, order: int, last: float) -> float:
    if counter == "":
        return float(order)
    if counter in event.counts:
        return event.counts[counter]
    if counter == "step" and "epoch_num" in event.counts and event.counts["epoch_num"] >= last > 0:
        nearby = event.counts["epoch_num"]
        return nearby if nearby <= last * 2 else last
    return last


def _state(run: RunEvents, log: Logbook) -> None:
    status = _STATUS.get(run.status, "unknown")
    log.fact(status=status)
    if run.status == "abort" or run.status == "aborted":
        log.note("run_stop says that the run was aborted: it did not reach the target")
    if run.started is not None and run.stopped is not None and run.stopped > run.started:
        log.fact(seconds=(run.stopped - run.started) / 1000)
    batch = number(run.config.get("global_batch_size"))
    if batch and batch > 0:
        log.fact(batch_size=int(batch))
    if run.config:
        log.fact(config=run.config)
    benchmark = str(run.config.get("submission_benchmark", ""))
    known = _DIRECTIONS.get(benchmark) or (_LOSS if _LLAMA.search(benchmark) else None)
    if known is not None:
        log.declare("eval_accuracy", known)
