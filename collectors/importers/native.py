"""Reads what traindoctor recorded, a run folder or one log file of it, to a `Run`."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from traindoctor.errors import RunNotFoundError, UnreadableLogError
from traindoctor.names import STEP_TIME
from traindoctor.run import Run, RunInfo, RunStatus
from traindoctor.runlog import SUFFIX

from ..environment import boot_id, host_name, process_start
from .attempts import merge_attempts, resumes
from .facts import run_facts
from .merging import attempts_of, merge_ranks, rank_notes
from .process_log import ProcessLog, read_process_log

FRESH_SECONDS = 600.0
"""A log of another machine that was written to within this time counts as of a running process."""

_GRAVITY: tuple[RunStatus, ...] = ("failed", "running", "killed", "finished")
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def read_run(path: Path) -> Run:
    """Read a recorded run.

    Ranks of one attempt are merged: losses and accuracies are the mean over ranks, everything else is rank
    0's. Attempts follow each other: the newest wins from its first step on. What was merged, skipped or
    damaged is said in `Run.info.diagnostics`.

    Args:
        path: a run folder, or one log file.

    Raises:
        RunNotFoundError: there is nothing at `path`.
        UnreadableLogError: nothing in it is a run log, or no frame is intact.
    """
    path = Path(path)
    files = log_files(path)
    logs: list[ProcessLog] = []
    notes: list[str] = []
    for file in files:
        try:
            logs.append(read_process_log(file))
        except UnreadableLogError as error:
            if len(files) == 1:
                raise
            notes.append(str(error))
    if not logs:
        raise UnreadableLogError(f"none of the {len(files)} logs in {path} can be read: {notes[0]}")
    attempts, left_out = attempts_of(logs)
    return _run(path, attempts, [*notes, *left_out, *_notes_of(logs)])


def log_files(path: Path) -> list[Path]:
    """The log files of a run, sorted by name.

    Raises:
        RunNotFoundError: there is nothing at `path`.
        UnreadableLogError: the folder holds no log.
    """
    if not path.is_dir():
        if not path.exists():
            raise RunNotFoundError(
                f"expected a run folder or a {SUFFIX} file, found nothing at {path}; "
                "`traindoctor list` shows the recorded runs"
            )
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.suffix == SUFFIX and file.is_file())
    except OSError as error:
        raise UnreadableLogError(f"cannot read the folder {path}: {error.strerror}") from error
    if not files:
        raise UnreadableLogError(
            f"expected at least one {SUFFIX} file in {path}, found none: no optimizer step was recorded. "
            "A script is recorded when it imports torch and calls backward() and step() of a torch optimizer"
        )
    return files


def process_status(header: Mapping[str, Any], ended: RunStatus | None, file: Path) -> RunStatus:
    """How the process ended: as the END frame says; without one `running` or `killed`."""
    if ended is not None:
        return ended
    pid, start = header.get("pid"), header.get("process_start")
    if header.get("host") == host_name() and header.get("boot") == boot_id():
        if isinstance(pid, int) and isinstance(start, int):
            return "running" if process_start(pid) == start else "killed"
        return "running" if _is_alive(pid) else "killed"
    try:
        return "running" if time.time() - file.stat().st_mtime < FRESH_SECONDS else "killed"
    except OSError:
        return "killed"


def _is_alive(pid: Any) -> bool:
    """Whether a process has that pid, where the system does not tell when it was started."""
    if not isinstance(pid, int) or pid <= 0 or os.name == "nt":  # os.kill ends processes on Windows
        return False
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False
    return True


def _notes_of(logs: Sequence[ProcessLog]) -> list[str]:
    return [f"{log.path.name}: {note}" if len(logs) > 1 else note for log in logs for note in log.notes]


def _run(path: Path, attempts: Sequence[Sequence[ProcessLog]], notes: list[str]) -> Run:
    newest = attempts[-1][0]
    merged = [merge_ranks(ranks) for ranks in attempts]
    series, parameters, join_notes = merge_attempts(merged)
    statuses: list[RunStatus] = [process_status(log.header, log.ended, log.path) for log in attempts[-1]]
    status = min(statuses, key=_GRAVITY.index)
    facts, fact_notes = run_facts(_facts(attempts))
    run_id = _run_id(path, newest)
    name = newest.meta.get("name") or newest.header.get("name")
    notes = [*newest.meta["diagnostics"], *rank_notes(attempts[-1]), *join_notes, *notes, *fact_notes]
    told = [*(event for log in merged for event in log.events), *resumes(merged)]
    events = sorted(told, key=lambda event: event.step)
    facts = {"status": status, "source": "traindoctor", **facts}
    info = RunInfo(path=str(path), diagnostics=tuple(notes), **facts)
    if np.isnan(info.seconds) and STEP_TIME in series:
        info = dataclasses.replace(info, seconds=float(series[STEP_TIME].finite().values.sum()))
    predictions = next((log.predictions for log in reversed(merged) if log.predictions), None)
    return Run(
        run_id, name[:200] if isinstance(name, str) else run_id, series, parameters, events, predictions, info
    )


def _facts(attempts: Sequence[Sequence[ProcessLog]]) -> dict[str, Any]:
    """META of the newest attempt over those before; what END frames know about the whole run goes with it."""
    facts: dict[str, Any] = {}
    for ranks in attempts:
        end = ranks[0].end or {}
        facts.update(ranks[0].meta)
        facts.update({key: end[key] for key in ("seconds", "epochs") if key in end})
        if "overhead" in end and isinstance(facts.get("environment"), dict):
            facts["environment"] = {**facts["environment"], "overhead": end["overhead"]}
    return facts


def _run_id(path: Path, log: ProcessLog) -> str:
    said = log.header.get("run_id")
    folder = path if path.is_dir() else path.parent
    candidates = (said, folder.absolute().name, path.stem)
    return next((c for c in candidates if isinstance(c, str) and _SAFE_ID.fullmatch(c)), "run")
