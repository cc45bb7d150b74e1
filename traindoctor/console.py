"""What the command line prints: tables of plain text, progress on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .names import unit_of

if TYPE_CHECKING:
    from .run import Run


def print_what_can_be_printed() -> None:
    """Write what the terminal's encoding cannot hold as `\\u5b66` from now on, instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def progress(what: str) -> Generator[None]:
    """A spinner on a terminal, silence elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns of plain text: names from a log never reach a markup parser."""
    cells = [header, *(tuple(plain(cell) for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def plain(text: str) -> str:
    """`text` without control characters, so that a name in a log cannot steer the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


@contextmanager
def reading_progress() -> Generator[Callable[[str, int, int], None] | None]:
    """A bar of the bytes read of each file on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def told(name: str, done: int, size: int) -> None:
            bar.update(
                task, description=escape(plain(Path(name).name))[:40], completed=done, total=size or None
            )

        yield told


def print_runs(runs: Sequence[tuple[int, Run]]) -> None:
    """One run in full; several as a table."""
    if len(runs) == 1:
        print_run(runs[0][1])
        return
    rows = [
        (
            f"{number}",
            run.name,
            run.info.source,
            run.info.status,
            f"{len(run.series)}",
            f"{sum(map(len, run.series.values()))}",
            f"{run.info.x_unit} to {run.n_steps - 1}" if run.n_steps else "",
            run.info.path,
        )
        for number, run in runs
    ]
    print_table(("run", "name", "format", "status", "series", "points", "x", "path"), rows)
    click.echo("choose one with --run N to see its series and notes", err=True)


def print_run(run: Run) -> None:
    """Everything that was read of one run."""
    info = run.info
    click.echo(f"{plain(run.name)}\nformat  {plain(info.source)}\nstatus  {info.status}")
    click.echo(f"x axis  {plain(info.x_unit)}")
    rates = ", ".join(f"lr/{group}" for group in run.learning_rates()) or "not logged"
    click.echo(f"learning rate  {plain(rates)}")
    norms = [f"{name}{note}" for name, note in gradient_norms(run)]
    click.echo(f"gradient norm  {plain(', '.join(norms) or 'not logged')}")
    if info.loss_role != "progress":
        click.echo(f"objective  {plain(info.loss_role)}: the loss does not fall when training goes well")
    click.echo("")
    print_series(run)
    for sentence in info.diagnostics:
        click.echo(f"note: {plain(sentence)}")


def gradient_norms(run: Run) -> list[tuple[str, str]]:
    """The gradient-norm series and, in brackets, what the log says about them."""
    found: list[tuple[str, str]] = []
    for name in run.series:
        if name.startswith("grad_norm/"):
            known = run.info.series.get(name)
            found.append((name, f" ({known.note})" if known and known.note else ""))
    return found


def print_series(run: Run) -> None:
    """A row per series: our name, the source's, how many points from where to where, unit and direction."""
    from .run import SeriesInfo

    rows: list[tuple[str, ...]] = []
    for name, series in run.series.items():
        if not len(series):
            continue
        known = run.info.series.get(name, SeriesInfo())
        ends = (
            f"{series.steps[0]}",
            f"{series.steps[-1]}",
            f"{series.values[0]:.6g}",
            f"{series.values[-1]:.6g}",
        )
        bad = len(series) - len(series.finite())
        better = f"{known.better} is better" if known.better else ""
        notes = (known.unit or unit_of(name), better, known.note)
        source = known.source_name if known.source_name != name else ""
        rows.append((name, source, f"{len(series)}", *ends, f"{bad or ''}", *notes))
    header = (
        "series",
        "in the source",
        "points",
        "first x",
        "last x",
        "first value",
        "last value",
        "not finite",
    )
    print_table((*header, "unit", "direction", "note"), rows)
