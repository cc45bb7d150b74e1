"""`traindoctor env`: what this installation can do, as text or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .console import plain, progress

if TYPE_CHECKING:
    from .collectors.probing import Check

WIDTHS = (7, 13)
"""Columns of the longest state and of the longest name of a check."""


@click.command("env")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines to read, or one JSON object.",
)
def env(kind: str) -> None:
    """Check this installation: torch, torchvision, GPU, recording, disk, PDF reports, fonts.

    Each line is ok, a note (something could be better) or a problem, with what to do about it. A training
    of two steps is recorded on the way. Takes some seconds, as torch is loaded several times.

    Exit code 0 without a problem, 1 with one.
    """
    from .collectors.installation import check_installation

    found: list[Check] = []
    for check in _with_progress(check_installation()):
        found.append(check)
        if kind == "text":
            _print_check(check)
    problems = sum(check.state == "problem" for check in found)
    if kind == "json":
        click.echo(json.dumps({"ok": not problems, "checks": [asdict(check) for check in found]}, indent=1))
    else:
        click.echo(_summary(found))
    sys.exit(1 if problems else 0)


def _with_progress(checks: Iterator[Check]) -> Iterator[Check]:
    """The checks, with a spinner on a terminal while the next one is being made."""
    while True:
        with progress("checking"):
            check = next(checks, None)
        if check is None:
            return
        yield check


def _print_check(check: Check) -> None:
    state, name = check.state.ljust(WIDTHS[0]), check.name.ljust(WIDTHS[1])
    click.echo(f"{state}  {name}  {plain(check.found)}")
    if check.advice:
        click.echo(" " * (sum(WIDTHS) + 4) + f"-> {plain(check.advice)}")


def _summary(checks: Sequence[Check]) -> str:
    problems, notes = ([c.name for c in checks if c.state == state] for state in ("problem", "note"))
    if problems:
        return f"\nproblems: {', '.join(problems)}"
    return "\nall is well" + (f"; notes: {', '.join(notes)}" if notes else "")
