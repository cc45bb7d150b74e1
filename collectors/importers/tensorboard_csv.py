"""Curves downloaded from TensorBoard's page as CSV or JSON: one tag of one run per file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from traindoctor.errors import UnreadableLogError

from ..intake.folder import Folder
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook
from ..intake.numbers import number
from ..intake.source import Source
from ..intake.tables import layout_of, rows
from .tracked_series import interpret

_HEADER = ("wall time", "step", "value")
_NAME = re.compile(r"(?:run-)?(?P<run>.*?)[-_]tag-(?P<tag>.+)")
_JSON = re.compile(r"\[\s*\[\s*\d{9,10}(?:\.\d+)?\s*,\s*-?\d+\s*,")
_SAMPLE = 1000
"""Points that TensorBoard keeps of a curve unless told otherwise."""


class TensorBoardDownload:
    """`Wall time,Step,Value`; run and tag stand in the file's name."""

    slug = "tensorboard-csv"
    name = "TensorBoard CSV download"

    def recognises(self, source: Source) -> float:
        """By its three columns, or by triples that begin with a unix time."""
        return CERTAIN if _is_download(source) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """One curve."""
        run, tag = _run_and_tag(source)
        if run:
            log.fact(name=run)
        if not _pour(source, tag, log):
            raise UnreadableLogError(f"{source.name} is a TensorBoard download without a single point")
        interpret(log, steps_are_told=False)

    def recognises_folder(self, folder: Folder) -> float:
        """Several downloads that stand alone in their folder: the tags of one run or of several."""
        tables = [name for name in folder.files if name.lower().endswith((".csv", ".json"))]
        if not 2 <= len(tables) <= 2000 or not all(_NAME.fullmatch(name) for name in tables):
            return 0.0
        sources = (folder.file(name) for name in tables)
        return CERTAIN if all(source is not None and _is_download(source) for source in sources) else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """The downloads by run."""
        runs: dict[str, list[tuple[str, Source]]] = {}
        for name in folder.files:
            source = folder.file(name)
            if source is not None and _is_download(source):
                run, tag = _run_and_tag(source)
                runs.setdefault(run, []).append((tag, source))
        for run, curves in runs.items():
            log.new_run(run)
            for tag, source in curves:
                _pour(source, tag, log)
        interpret(log, steps_are_told=False)


def _is_download(source: Source) -> bool:
    text = source.head_text().lstrip("\ufeff")
    first = text.partition("\n")[0].replace('"', "")
    if tuple(cell.strip().lower() for cell in first.split(",")) == _HEADER:
        return True
    return bool(_JSON.match(text[:200]))


def _run_and_tag(source: Source) -> tuple[str, str]:
    stem = source.path.stem
    found = _NAME.fullmatch(stem)
    if found is None:
        return "", stem
    return found["run"].strip("-_. "), found["tag"]


def _pour(source: Source, tag: str, log: Logbook) -> int:
    before, n = log.n_rows, 0
    for step, value in _points(source, log):
        log.row(step, {tag: value})
        n += 1
    if n == _SAMPLE:
        log.note("TensorBoard keeps a random 1000 points of a longer curve: spikes may be missing")
    return log.n_rows - before


def _points(source: Source, log: Logbook) -> Iterator[tuple[float, float]]:
    if source.head_text().lstrip("\ufeff").startswith("["):
        yield from _json_points(source, log)
        return
    layout = layout_of(source.head_text())
    if layout is None or len(layout.header) != len(_HEADER):
        return
    _, step_column, value_column = layout.header
    for line, row in rows(source, log, layout):
        step, value = number(row.get(step_column, "")), number(row.get(value_column, ""))
        if step is None or value is None:
            log.note("rows without a step or a value were left out", line=line)
        else:
            yield step, value


def _json_points(source: Source, log: Logbook) -> Iterator[tuple[float, float]]:
    value = source.json()
    for triple in value if isinstance(value, list) else ():
        if isinstance(triple, list) and len(triple) == 3:
            step, found = number(triple[1]), number(triple[2])
            if step is not None and found is not None:
                yield step, found
                continue
        log.note("entries that are no triple of time, step and value were left out")
