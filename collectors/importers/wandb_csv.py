"""Weights & Biases exported as CSV: a chart's columns per run, a run's history, a table of runs."""

from __future__ import annotations

import csv
import re
from array import array
from dataclasses import dataclass, field
from itertools import pairwise

from traindoctor.errors import UnreadableLogError

from ..intake.importer import CERTAIN
from ..intake.logbook import MAX_POINTS, Logbook
from ..intake.numbers import number
from ..intake.source import Source
from ..intake.tables import Layout, layout_of, rows
from .logged_step import count_by_logged_step
from .tracked_series import interpret

_TWIN = ("__MIN", "__MAX")
_RUN_TABLE = frozenset(("Name", "State", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "ID"))
_CLOCKS = frozenset(("_runtime", "_timestamp"))
_STEP_NAMES = re.compile(r"(?:.*[/_])?(?:global_step|step|steps|iter|iters|iteration|iterations|num_updates)")
_SAMPLED = 500
"""Rows that `run.history()` returns unless told otherwise."""


class WeightsAndBiasesCsv:
    """Charts and histories that were exported from Weights & Biases."""

    slug = "wandb-csv"
    name = "Weights & Biases CSV export"

    def recognises(self, source: Source) -> float:
        """By `_step` beside wandb's clocks, by `run - metric` columns with their twins, or by a run table."""
        header = _header(source)
        is_history = "_step" in header and bool(_CLOCKS & set(header))
        return CERTAIN if is_history or _chart_columns(header) or _is_run_table(header) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """A chart holds several runs, a history one."""
        header = _header(source)
        if _is_run_table(header) and "_step" not in header:
            raise UnreadableLogError(
                f"{source.name} is a table of runs, one row per run with its final figures and no curve; "
                "export a chart's data as CSV, or run.history() of one run"
            )
        layout = layout_of(source.head_text())
        if layout is None:
            raise UnreadableLogError(
                f"expected rows of numbers in {source.name}, found none below its header"
            )
        columns = _chart_columns(layout.header)
        if columns:
            _read_chart(source, log, layout, columns)
        else:
            _read_history(source, log, layout)


def _header(source: Source) -> tuple[str, ...]:
    first = source.head_text().lstrip("\ufeff\n").partition("\n")[0]
    if "," not in first or len(first) > 1 << 16:
        return ()
    try:
        return tuple(cell.strip() for cell in next(csv.reader([first]), []))
    except csv.Error:
        return ()


def _is_run_table(header: tuple[str, ...]) -> bool:
    return len(_RUN_TABLE & set(header)) >= 4 or {"summary", "config", "name"} <= set(header)


def _chart_columns(header: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Column -> run and metric; {} when the table is no chart."""
    known = set(header)
    found = {
        name: (run, metric)
        for name in header[1:]
        if not name.endswith(_TWIN)
        for run, _, metric in (name.rpartition(" - "),)
        if run and metric
    }
    twins = sum(name + "__MIN" in known or name + "__MAX" in known for name in found)
    return found if twins and 2 * twins >= len(found) else {}


@dataclass
class _Curve:
    x: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))


def _read_chart(source: Source, log: Logbook, layout: Layout, columns: dict[str, tuple[str, str]]) -> None:
    curves: dict[str, _Curve] = {}
    axis, n_points = layout.header[0], 0
    for line, row in rows(source, log, layout):
        x = number(row.get(axis, ""))
        if x is None:
            log.note(f"rows without `{axis}` were left out", line=line)
            continue
        for name in columns:
            value = number(row[name]) if name in row else None
            if value is not None and n_points < MAX_POINTS:
                curve = curves.setdefault(name, _Curve())
                curve.x.append(x)
                curve.values.append(value)
                n_points += 1
    if not curves:
        raise UnreadableLogError(f"{source.name} is a Weights & Biases chart without a single value")
    log.x_unit = _unit(axis)
    log.note("`__MIN` and `__MAX` columns, the range within a plotted point, were left out")
    if axis == "Step":
        log.note("a chart's Step is wandb's own step: it counts log calls unless the run set it")
    runs: dict[str, list[str]] = {}
    for name in curves:
        runs.setdefault(columns[name][0], []).append(name)
    for run, names in runs.items():
        log.new_run(run)
        for name in names:
            if columns[name][1] not in ("_step", axis):
                log.columns(columns[name][1], curves[name].x, curves[name].values)
    interpret(log)


def _unit(axis: str) -> str:
    lower = axis.lower()
    if lower in ("step", "_step"):
        return "steps"
    if lower.startswith("relative time") or lower in ("_runtime", "wall time", "_timestamp"):
        return "seconds"
    if _STEP_NAMES.fullmatch(lower):
        return "optimizer steps"
    return "epochs" if lower.rsplit("/")[-1] in ("epoch", "epochs") else axis


def _read_history(source: Source, log: Logbook, layout: Layout) -> None:
    log.x_unit = "log rows"
    steps: list[float] = []
    for line, row in rows(source, log, layout):
        step = number(row.get("_step", ""))
        if step is None:
            log.note("rows without `_step` were left out", line=line)
            continue
        values = {
            name: found
            for name, cell in row.items()
            if name != "_step" and not name.startswith("Unnamed: ") and (found := number(cell)) is not None
        }
        steps.append(step)
        if any(not name.startswith("_") for name in values):
            log.row(step, values)
    if not log.series:
        raise UnreadableLogError(f"{source.name} is a Weights & Biases history that holds no numbers")
    if any(after - before > 1 for before, after in pairwise(steps)):
        log.x_unit = "steps"
        if len(steps) == _SAMPLED:
            log.note("500 rows with gaps: run.history() returns a sample of that size; spikes may be missing")
    runtime = log.series.get("_runtime")
    if runtime is not None:
        log.fact(seconds=max(runtime.values))
    count_by_logged_step(log)
    interpret(log)
