"""Listing the runs in a folder without reading them whole, and finding the one that a user means."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from traindoctor.errors import RunNotFoundError, UnreadableLogError
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import RunStatus
from traindoctor.runlog import SUFFIX, Kind, LogReader

from .importers.columns import Columns
from .importers.facts import WrongTypeError, number, parse_json, whole
from .importers.native import process_status
from .importers.process_log import end_status
from .run_names import log_name, new_run_id, runs_root

__all__ = ["RunSummary", "find_run", "list_runs", "log_name", "new_run_id", "runs_root"]

_HEAD_FRAMES = 8
_TAIL_BYTES = 1 << 16
_FURTHER_TAIL_BYTES = 1 << 23


@dataclass(frozen=True)
class RunSummary:
    """One line of `traindoctor list`.

    Attributes:
        id: name of the run's folder.
        name: what the user calls the run, "" if nothing.
        status: as `RunInfo.status`; `unknown` for a folder without a readable log.
        steps: optimizer steps recorded.
        started: local time of the start, `YYYY-MM-DD HH:MM:SS`, "" when unknown.
        last_loss: last recorded training loss, None when there is none.
        path: the run's folder.
        seconds_since_1970: the start, for sorting.
    """

    id: str
    name: str
    status: RunStatus
    steps: int
    started: str
    last_loss: float | None
    path: Path
    seconds_since_1970: float = 0.0


def list_runs(root: Path) -> list[RunSummary]:
    """The runs in `root`, newest first, from the head and the tail of one log each; [] without a folder."""
    if not root.is_dir():
        return []
    folders = [folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    found = [summary for folder in folders if (summary := _summary(folder)) is not None]
    return sorted(found, key=lambda run: (run.seconds_since_1970, run.id), reverse=True)


def find_run(reference: str | None, root: Path) -> Path:
    """The run that a user means.

    Args:
        reference: a path to a run folder or log file, an id, or the beginning of an id that fits only one
            run. None = the newest finished run, else the newest with any recorded step.
        root: folder of the runs.

    Returns:
        A run folder, or a log file if the reference is one.

    Raises:
        RunNotFoundError: nothing answers to the reference, several do, or nothing was recorded.
    """
    if reference is None:
        return _newest(root)
    if not reference.strip():
        raise RunNotFoundError("expected a path, an id or the beginning of an id, found an empty text")
    ids = _ids(root)
    if reference in ids:
        return root / reference
    matches = [run_id for run_id in ids if run_id.startswith(reference)]
    if len(matches) == 1:
        return root / matches[0]
    if "\0" not in reference and Path(reference).exists():
        return Path(reference)
    if matches:
        raise RunNotFoundError(
            f"{reference!r} begins {len(matches)} ids in {root}: {_some(matches)}; type more of it"
        )
    known = f"the newest runs are {_some(ids)}" if ids else "there are no runs"
    raise RunNotFoundError(
        f"expected a path, an id or the beginning of an id, found {reference!r}, which is none of them "
        f"in {root} ({known}); `traindoctor list` shows all"
    )


def _newest(root: Path) -> Path:
    runs = list_runs(root)
    recorded = [run for run in runs if run.steps > 0] or runs
    chosen = next((run for run in recorded if run.status == "finished"), recorded[0] if recorded else None)
    if chosen is not None:
        return chosen.path
    found = "none" if root.is_dir() else "no such folder"
    raise RunNotFoundError(
        f"expected recorded runs in {root}, found {found}; record one with: traindoctor run -- train.py"
    )


def _ids(root: Path) -> list[str]:
    """Folder names in `root`, newest first by name."""
    if not root.is_dir():
        return []
    return sorted((f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")), reverse=True)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _summary(folder: Path) -> RunSummary | None:
    """What the newest attempt's lowest rank says; None for a folder that is no run's."""
    files = sorted(file for file in folder.iterdir() if file.suffix == SUFFIX and file.is_file())
    if not files:
        is_empty_run = not any(folder.iterdir())
        return _unreadable(folder) if is_empty_run else None
    ranks = {file.name.split(".", 1)[0] for file in files}
    of_lowest_rank = [file for file in files if file.name.startswith(min(ranks))]
    try:
        return max(map(_log_summary, of_lowest_rank), key=lambda s: (s.seconds_since_1970, s.steps))
    except UnreadableLogError:
        return _unreadable(folder)


def _unreadable(folder: Path) -> RunSummary:
    return RunSummary(folder.name, "", "unknown", 0, "", None, folder)


def _log_summary(file: Path) -> RunSummary:
    facts: dict[str, object] = {}
    for _, frame in zip(range(_HEAD_FRAMES), LogReader(file), strict=False):
        if frame.kind in (Kind.HEADER, Kind.META):
            facts.update(_json(frame.payload))
    size = file.stat().st_size
    columns, ended = _tail(file, size - _TAIL_BYTES)
    if LOSS_TRAIN not in columns:
        columns, ended = _tail(file, size - _FURTHER_TAIL_BYTES)
    loss = columns.get(LOSS_TRAIN)
    name = facts.get("name")
    started = _number(facts.get("started"))
    return RunSummary(
        file.parent.name,
        name[:200] if isinstance(name, str) else "",
        process_status(facts, ended, file),
        max((steps for steps, _ in columns.values()), default=-1) + 1,
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started)) if started else "",
        loss[1] if loss else None,
        file.parent,
        started,
    )


def _tail(file: Path, start: int) -> tuple[dict[str, tuple[int, float]], RunStatus | None]:
    """Last step and value of each series in the tail of a log, and how it ended."""
    columns, ended = Columns(), None
    try:
        for frame in LogReader(file, start=max(0, start)):
            if frame.kind == Kind.ROWS:
                columns.add(frame.sequence, frame.payload)
            elif frame.kind == Kind.END:
                ended = end_status(_json(frame.payload))
    except UnreadableLogError:  # one frame longer than the tail
        return {}, None
    return {name: (int(s.steps[-1]), float(s.values[-1])) for name, s in columns.series().items()}, ended


def _json(payload: bytes) -> dict[str, object]:
    try:
        return dict(parse_json(payload))
    except WrongTypeError:
        return {}


def _number(value: object) -> float:
    """Seconds since 1970 that a calendar can show, 0 for anything else."""
    try:
        seconds = number(value)
        return float(whole(int(seconds))) if 0 <= seconds < 1e11 else 0.0
    except WrongTypeError:
        return 0.0
