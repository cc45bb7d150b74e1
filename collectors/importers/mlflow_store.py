"""MLflow: a run's folder in the file store, and the SQLite database of a tracking server."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.companions import plain, settings_of
from ..intake.folder import Folder
from ..intake.importer import CERTAIN
from ..intake.logbook import MAX_POINTS, Logbook
from ..intake.numbers import number
from ..intake.source import Source
from .sqlite_database import Database, is_database, opened, waits_in_journal
from .timed_series import Timed, pour
from .tracked_series import interpret

_STATUS = {
    "1": "running", "2": "running", "3": "finished", "4": "failed", "5": "killed",
    "RUNNING": "running", "SCHEDULED": "running", "FINISHED": "finished", "FAILED": "failed",
    "KILLED": "killed",
}  # fmt: skip
_MODEL = re.compile(r"m-[0-9a-f]{8,}")
_MACHINE = "system/"
_MAX_PARAMETERS = 1000
_TABLES = ("runs", "metrics", "experiments")


class MlflowStore:
    """Runs in MLflow's file store or database."""

    slug = "mlflow"
    name = "MLflow run"

    def recognises_folder(self, folder: Folder) -> float:
        """A run: `meta.yaml` with a run id beside `metrics/`; or the models that repeat the runs' metrics."""
        if _is_models(folder):
            return CERTAIN
        if "meta.yaml" not in folder.files:
            return 0.0
        meta = folder.file("meta.yaml")
        text = meta.head_text() if meta is not None else ""
        return CERTAIN if re.search(r"^run_(?:id|uuid):", text, re.MULTILINE) else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """One run; each metric is a file, its name may hold folders."""
        if _is_models(folder):
            raise UnreadableLogError(
                f"{folder.name} holds logged models, which repeat the metrics of their runs; read the runs"
            )
        _take_meta(folder, log)
        series = _metrics(folder.folder("metrics"), log)
        _pour(series, log, folder.name)

    def recognises(self, source: Source) -> float:
        """A database with MLflow's tables."""
        if not is_database(source):
            return 0.0
        try:
            with opened(source.path, source.name) as database:
                return CERTAIN if database.has(*_TABLES) else 0.0
        except UnreadableLogError:
            return 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """Every run of the database that was not deleted."""
        if waits_in_journal(source):
            log.note("rows that wait in the -wal file beside the database are not shown; close MLflow first")
        with opened(source.path, source.name) as database:
            _read_database(database, log)


def _is_models(folder: Folder) -> bool:
    return folder.path.name == "models" and any(
        _MODEL.fullmatch(name) and "meta.yaml" in folder.folder(name).files for name in folder.folders
    )


def _take_meta(folder: Folder, log: Logbook) -> None:
    source = folder.file("meta.yaml")
    meta = settings_of(source) if source is not None else {}
    tags = _texts(folder.folder("tags"))
    name = tags.get("mlflow.runName") or meta.get("run_name") or folder.path.name
    _facts(log, str(name), meta, _texts(folder.folder("params")))


def _facts(log: Logbook, name: str, meta: Mapping[str, Any], config: dict[str, Any]) -> None:
    log.fact(name=name, config=plain(config))
    status = str(meta.get("status") or "").removesuffix(".0")
    if status in _STATUS:
        log.fact(status=_STATUS[status])
    start, end = number(meta.get("start_time")), number(meta.get("end_time"))
    if start is not None and end is not None and end > start > 0:
        log.fact(seconds=(end - start) / 1000.0)


def _texts(folder: Folder) -> dict[str, Any]:
    """Name -> content of the small files of a folder."""
    out: dict[str, Any] = {}
    for _, name in zip(range(_MAX_PARAMETERS), folder.files, strict=False):
        source = folder.file(name)
        if source is not None and source.size < 10_000:
            out[name] = source.head_text().strip()
    return out


def _metrics(folder: Folder, log: Logbook) -> dict[str, Timed]:
    out: dict[str, Timed] = {}
    n_points = n_machine = 0
    for path in folder.walk():
        if path.startswith(_MACHINE):
            n_machine += 1
            continue
        source = folder.file(path)
        if source is None or n_points > MAX_POINTS:
            continue
        found = _metric(source, log)
        n_points += len(found.x)
        out[path] = found
    if n_machine:
        log.note(f"{n_machine} metrics of the machine (`{_MACHINE}...`) were left out")
    return out


def _metric(source: Source, log: Logbook) -> Timed:
    """Lines `time value step`; the oldest have no step, those of models repeat a run id at the end."""
    x: list[float] = []
    values: list[float] = []
    times: list[float] = []
    least, last_line = 2, 0
    for line, text in source.lines():
        cells = text.split()
        found = [number(cell) for cell in cells[:3]]
        if len(found) < least or None in found or not math.isfinite(found[0] or 0.0):
            log.note(f"lines of {source.path.name} that are not `time value step` were left out", line=line)
            continue
        least = len(found)  # a line that is shorter than those before it was cut
        times.append((found[0] or 0.0) / 1000.0)
        values.append(found[1] or 0.0)
        x.append(found[2] or 0.0 if least > 2 else 0.0)
        last_line = line
    if x and source.is_cut():
        log.note(f"the last line of {source.path.name} is cut and was left out", line=last_line)
        del x[-1], values[-1], times[-1]
    return Timed(x, values, times)


def _pour(series: Mapping[str, Timed], log: Logbook, name: str) -> None:
    if not any(len(found.x) for found in series.values()):
        log.note("no metrics were logged")
        return
    pour(series, log)
    if all(len(found.x) <= 1 for found in series.values()):
        log.note(f"{name} holds one value per metric: final figures, no curve")
    interpret(log, steps_are_told=False)


def _read_database(database: Database, log: Logbook) -> None:
    runs = {
        str(row[0]): row[1:]
        for row in database.rows(
            "runs", ("run_uuid", "name", "status", "start_time", "end_time", "lifecycle_stage")
        )
        if row[5] != "deleted"
    }
    parameters: dict[str, dict[str, Any]] = {}
    for run, key, value in database.rows("params", ("run_uuid", "key", "value")):
        parameters.setdefault(str(run), {})[str(key)] = value
    metrics: dict[str, dict[str, tuple[list[float], list[float], list[float]]]] = {}
    columns = ("run_uuid", "key", "value", "timestamp", "step", "is_nan")
    n_points = 0
    for run, key, value, time, step, is_nan in database.rows("metrics", columns):
        x, found, clock = number(step) or 0.0, number(value), number(time)
        if str(key).startswith(_MACHINE) or str(run) not in runs or n_points >= MAX_POINTS:
            continue
        if found is None or clock is None:
            continue
        series = metrics.setdefault(str(run), {}).setdefault(str(key), ([], [], []))
        n_points += 1
        series[0].append(x)
        series[1].append(math.nan if is_nan else found)
        series[2].append(clock / 1000.0)
    if not metrics:
        raise UnreadableLogError(f"{database.name} is an MLflow database of {len(runs)} runs without metrics")
    n_empty = len(runs) - len(metrics)
    if n_empty:
        log.note(f"{n_empty} runs without metrics were left out")
    for run, found_series in metrics.items():
        name, status, start, end, _ = runs[run]
        log.new_run(str(name or run))
        meta = {"status": status, "start_time": start, "end_time": end}
        _facts(log, str(name or run), meta, parameters.get(run, {}))
        pour({key: Timed(*columns) for key, columns in found_series.items()}, log)
    interpret(log, steps_are_told=False)
