"""Sacred's FileStorageObserver: `metrics.json` with `run.json` and `config.json` beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings
from ..intake.folder import Folder
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook
from ..intake.numbers import number
from ..intake.source import Source, parse_json
from .timed_series import Timed, pour
from .tracked_series import interpret

FILE = "metrics.json"
_SERIES = re.compile(r'\{\s*"(?:[^"\\]|\\.){1,300}"\s*:\s*\{\s*"(?:steps|timestamps|values)"\s*:\s*\[')
_EMPTY = re.compile(r"\{\s*\}\s*")
_STATUS = {
    "COMPLETED": "finished", "FAILED": "failed", "RUNNING": "running", "INTERRUPTED": "killed",
    "TIMEOUT": "killed", "DIED": "killed", "QUEUED": "unknown",
}  # fmt: skip
_RUN_KEYS = ('"experiment"', '"heartbeat"', '"start_time"', '"status"')


class SacredRun:
    """One run of a Sacred experiment."""

    slug = "sacred"
    name = "Sacred run"

    def recognises(self, source: Source) -> float:
        """By steps, timestamps and values under a name; an empty file by the run beside it."""
        text = source.head_text().lstrip()
        if _SERIES.match(text[:2000]):
            return CERTAIN
        is_empty = len(text) < 100 and _EMPTY.fullmatch(text) is not None
        return CERTAIN if is_empty and _run_of(source) is not None else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """One run; x is the step that was logged."""
        value = source.json()
        if not isinstance(value, dict):
            raise UnreadableLogError(f"expected an object of metrics in {source.name}, found a list or value")
        _take_run(source, log)
        _pour(value, log)

    def recognises_folder(self, folder: Folder) -> float:
        """The run's folder: `run.json` of a Sacred experiment."""
        run = folder.file("run.json") if "run.json" in folder.files else None
        return CERTAIN if run is not None and _is_run(run) else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """The same from the folder; a run that died before its first metric has no file of them."""
        metrics = folder.file(FILE)
        if metrics is not None:
            self.read(metrics, log)
            return
        _take_run(folder.open("run.json"), log)
        _pour({}, log)


def _run_of(source: Source) -> Source | None:
    run = source.beside("run.json")
    return run if run is not None and _is_run(run) else None


def _is_run(run: Source) -> bool:
    head = run.head_text()
    return head.lstrip().startswith("{") and sum(key in head for key in _RUN_KEYS) >= 3


def _pour(metrics: Mapping[str, Any], log: Logbook) -> None:
    series = {name: _series(name, found, log) for name, found in metrics.items()}
    if not any(len(found.x) for found in series.values()):
        log.note("no metrics were logged")
        return
    pour(series, log)
    interpret(log, steps_are_told=False)


def _series(name: str, found: Any, log: Logbook) -> Timed:
    steps, values = (found.get("steps"), found.get("values")) if isinstance(found, dict) else (None, None)
    if not isinstance(steps, list) or not isinstance(values, list):
        log.note(f"`{name[:100]}` holds no steps and values and was left out")
        return Timed((), ())
    if len(steps) != len(values):
        log.note(f"`{name[:100]}` has {len(steps)} steps but {len(values)} values: the longer was cut")
    clock = found.get("timestamps")
    times = [_seconds(time) for time in clock] if isinstance(clock, list) else []
    out: tuple[list[float], list[float], list[float]] = ([], [], [])
    for index, (step, value) in enumerate(zip(steps, values, strict=False)):
        # Sacred pickles NumPy's scalars as objects with their value inside.
        exact = number(value.get("value") if isinstance(value, dict) else value)
        x = number(step if step is not None else index)
        time = times[index] if index < len(times) else None
        if exact is None or x is None:
            log.note("entries without a number were left out")
            continue
        out[0].append(x)
        out[1].append(exact)
        if time is not None:
            out[2].append(time)
    return Timed(*out)


def _seconds(time: Any) -> float | None:
    try:
        return datetime.fromisoformat(time).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _take_run(source: Source, log: Logbook) -> None:
    log.fact(config=settings(source, "config.json"))
    run = source if source.path.name == "run.json" else source.beside("run.json")
    if run is None:
        return
    try:
        found = parse_json(run.text(1 << 24), run.name)
    except UnreadableLogError as error:
        log.note(str(error))
        return
    if not isinstance(found, dict):
        return
    experiment = found.get("experiment")
    name = experiment.get("name") if isinstance(experiment, dict) else None
    log.fact(name=f"{name or 'sacred'}/{source.path.absolute().parent.name}")
    log.fact(status=_STATUS.get(str(found.get("status")), "unknown"))
    begun, ended = (
        _seconds(found.get("start_time")),
        _seconds(found.get("stop_time") or found.get("heartbeat")),
    )
    if begun is not None and ended is not None and ended >= begun:
        log.fact(seconds=ended - begun)
    trace = found.get("fail_trace")
    if isinstance(trace, list) and trace and isinstance(trace[-1], str):
        log.note(f"the run failed with: {trace[-1].strip()[:300]}")
