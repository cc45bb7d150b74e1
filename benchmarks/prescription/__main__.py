"""The policy benchmark: is what `prescribe` says right, on fifteen small tasks?

Each task is trained under thirteen faulty learning rates or schedules and two good ones; every policy
decides, one paired run accepts or rejects, and runs on other seeds judge. Finished runs are kept, so the same
command goes on after an interrupt. From the repository root: python -m benchmarks.prescription --write
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
@click.option("--only", multiple=True, help="Only tasks whose name holds this text. Repeatable.")
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
@click.option("--finished", is_flag=True, help="Decide nothing: the tables of what was finished before.")
@click.option("--write", is_flag=True, help=f"Write the tables into {DOCUMENT}.")
def main(
    seeds: int, only: tuple[str, ...], has_long: bool, data: Path, work: Path, finished: bool, write: bool
) -> None:
    """The command line."""
    torch.set_num_threads(1)
    chosen = [task for task in tasks(data) if not only or any(text in task.name for text in only)]
    done = Finished(work / "rows.json")
    parts = list(_parts(chosen, seeds, has_long))
    began = time.process_time()
    for part in () if finished else parts:
        done.keep(part, measured(*part, work))
    print(f"{time.process_time() - began:.0f} s of one core in this call", file=sys.stderr)
    text = render([row for part in parts for row in done.rows(part)], done.commits(parts))
    click.echo(text)
    if write:
        path = Path(DOCUMENT)
        path.write_text(written(path.read_text(encoding="utf-8"), text), encoding="utf-8")


Part = tuple[Task, int, int]
"""Task, horizon over its own, seed."""


class Finished:
    """The rows of the finished parts on disk, each with the commit whose code decided."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}

    @staticmethod
    def _key(part: Part) -> str:
        return f"{part[0].name} | {part[1]} | {part[2]}"

    def keep(self, part: Part, rows: list[Row]) -> None:
        """Write a part down in place of what was known of it."""
        git = ["git", "rev-parse", "--short", "HEAD"]
        commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
        self._known[self._key(part)] = {"commit": commit, "rows": [row.to_json() for row in rows]}
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self._known), encoding="utf-8")
        partial.replace(self._path)

    def rows(self, part: Part) -> list[Row]:
        """The rows of a part, none while it is not finished."""
        return [Row(**row) for row in self._known.get(self._key(part), {"rows": ()})["rows"]]

    def commits(self, parts: list[Part]) -> list[str]:
        """The commits whose code decided, in the order of the parts."""
        found = (self._known.get(self._key(part), {}).get("commit", "") for part in parts)
        return [commit for commit in dict.fromkeys(found) if commit]


def _parts(chosen: list[Task], seeds: int, has_long: bool) -> Iterator[Part]:
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
