"""Reading a small text as a log: written to a file, recognised, read, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.run import Run


def runs(
    folder: Path,
    text: str | bytes,
    name: str = "log.csv",
    beside: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
) -> list[Run]:
    """The runs that a file of that text holds.

    Args:
        folder: an empty folder.
        text: content of the file.
        name: its name, which may hold folders.
        beside: name -> content of companion files.
        columns: a column map, see `load_runs`.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    for other, content in (beside or {}).items():
        (path.parent / other).write_text(content)
    return load_runs(path, columns=columns).runs


def run(folder: Path, text: str | bytes, name: str = "log.csv", **more: Any) -> Run:
    """The only run of a text; see `runs`."""
    found = runs(folder, text, name, **more)
    assert len(found) == 1, [r.name for r in found]
    return found[0]


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """JSON lines of some rows."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def points(found: Run, name: str) -> list[tuple[int, float]]:
    """The points of one series; [] when it is absent."""
    series = found.get(name)
    return [] if series is None else list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def source_of(found: Run, name: str) -> str:
    """The source's own name of a series."""
    return found.info.series[name].source_name


def said(found: Run, words: str) -> bool:
    """Whether one of the diagnostics holds some words."""
    return any(words in sentence for sentence in found.info.diagnostics)
