"""Writes an imported run as our own run log, so that it is read once and listed with the others."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from traindoctor.errors import UsageError
from traindoctor.run import Run
from traindoctor.runlog import Kind, LogWriter, encode_rows

from ..run_names import log_name, new_run_id

_ROWS_PER_FRAME = 1 << 16
_NOT_FACTS = (
    "path",
    "diagnostics",
    "parameters",
    "optimizers",
    "network",
    "series",
    "seconds",
    "epochs",
    "baseline",
)


def write_run(run: Run, root: Path) -> Path:
    """Write a run below `root`, in a folder of its own.

    Points at negative x have no place in a run log; they are left out, and the log says so.

    Args:
        run: an imported run.
        root: folder of the runs; made when absent.

    Returns:
        The run's folder.

    Raises:
        UsageError: the folder cannot be written to.
    """
    try:
        folder = _fresh_folder(root)
        name = log_name({"host": "imported", "rank": 0, "attempt": 0, "pid": 0})
        writer = LogWriter(folder / name, {"run_id": folder.name, "name": run.name, "rank": 0, "attempt": 0})
    except OSError as error:
        raise UsageError(
            f"expected a folder that can be written to, found {root}: {error.strerror}"
        ) from None
    lost = _write_series(run, writer)
    notes = [*run.info.diagnostics, *([f"{lost} points at negative x were left out"] if lost else [])]
    writer.append_json(Kind.META, {**_facts(run), "diagnostics": notes})
    for event in run.events:
        writer.append_json(Kind.EVENT, {**event.data, "step": max(0, event.step), "kind": event.kind})
    writer.close({"status": "failed" if run.info.status == "failed" else "finished"})
    if writer.last_error:
        raise UsageError(f"the run could not be written: {writer.last_error}")
    return folder


def _fresh_folder(root: Path) -> Path:
    while True:
        folder = root / new_run_id()
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def _write_series(run: Run, writer: LogWriter) -> int:
    lost = 0
    for name, series in run.series.items():
        keep = series.steps >= 0
        lost += int(np.count_nonzero(~keep))
        steps, values = series.steps[keep], series.values[keep]
        for at in range(0, steps.size, _ROWS_PER_FRAME):
            part = slice(at, at + _ROWS_PER_FRAME)
            writer.append(Kind.ROWS, encode_rows(steps[part], {name: values[part]}))
            writer.flush()
    return lost


def _facts(run: Run) -> dict[str, Any]:
    info = run.info
    facts = {f.name: getattr(info, f.name) for f in dataclasses.fields(info) if f.name not in _NOT_FACTS}
    facts["optimizers"] = [dataclasses.asdict(optimizer) for optimizer in info.optimizers]
    facts["series"] = {name: dataclasses.asdict(known) for name, known in info.series.items()}
    for name in ("seconds", "epochs", "baseline"):
        value = getattr(info, name)
        if np.isfinite(value):
            facts[name] = value
    facts["config"] = json.loads(json.dumps({**info.config, "imported from": info.path}, default=str))
    facts["name"] = run.name
    return facts
