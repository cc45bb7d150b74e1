"""The policy benchmark: is what `prescribe` says right, on fifteen small tasks?

Each task is trained under thirteen faulty learning rates or schedules and two good ones; every policy
decides, one paired run accepts or rejects, and runs on other seeds judge. Finished runs are kept, so the same
command goes on after an interrupt. From the repository root: python -m benchmarks.prescription --write
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from .measure import Measurement, Row
from .store import Store
from .tables import DOCUMENT, render, written
from .tasks import Task, tasks

LONG = 4
"""Horizon of the slice over the tasks' own."""


@click.command(help=__doc__)
@click.option("--seeds", default=2, show_default=True, help="Recorded runs (and sweeps) per case.")
@click.option("--only", default="", help="Only tasks whose name holds this text.")
@click.option("--long/--no-long", "has_long", default=True, help="The slice at four times the horizon.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("../shared/datasets"),
    show_default=True,
    help="Folder with mnist.npz; without it that task is left out.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=Path("build/prescription"),
    show_default=True,
    help="Folder of the finished runs.",
)
@click.option("--write", is_flag=True, help=f"Write the tables into {DOCUMENT}.")
def main(seeds: int, only: str, has_long: bool, data: Path, work: Path, write: bool) -> None:
    """The command line."""
    torch.set_num_threads(1)
    chosen = [task for task in tasks(data) if only in task.name]
    rows: list[Row] = []
    began = time.process_time()
    for part in _parts(chosen, seeds, has_long):
        rows += measured(*part, work)
        (work / "rows.json").write_text(json.dumps([row.to_json() for row in rows]), encoding="utf-8")
    print(f"{time.process_time() - began:.0f} s of one core in this call", file=sys.stderr)
    text = render(rows)
    click.echo(text)
    if write:
        path = Path(DOCUMENT)
        path.write_text(written(path.read_text(encoding="utf-8"), text), encoding="utf-8")


def _parts(chosen: list[Task], seeds: int, has_long: bool) -> Iterator[tuple[Task, int, int]]:
    """(task, horizon over its own, seed): all tasks once, then the long slice, then further seeds."""
    yield from ((task, 1, 0) for task in chosen)
    yield from ((task, LONG, 0) for task in chosen if task.is_long and has_long)
    yield from ((task, 1, seed) for seed in range(1, seeds) for task in chosen)


def measured(task: Task, times: int, seed: int, work: Path) -> list[Row]:
    """The rows of one part; none where the task's data are missing."""
    try:
        data = task.make()
    except FileNotFoundError as error:
        print(f"{task.name}: left out, {error}", file=sys.stderr)
        return []
    what = f"{task.name}, {times} x {task.steps} steps, seed {seed}"
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}: {task.completed} runs"), TimeElapsedColumn())
    began = time.process_time()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task(what, total=None)
        store = Store(task, data, work, lambda runs: progress.advance(bar, runs))
        measurement = Measurement(
            store, times, ("linear",) if times > 1 else ("linear", "cosine", "constant")
        )
        rows = measurement.rows(seed, rivals=times == 1)
    seconds = time.process_time() - began
    print(f"{what}: best LR {measurement.best_lr:.3g}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    main()
