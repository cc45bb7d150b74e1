"""What `prescribe` and `prove` share on the command line: options, cost, progress, interrupts, output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from .cli_options import lang_option, log_options, runs_option
from .console import plain, progress

if TYPE_CHECKING:
    from .finding import Diagnosis
    from .prescription import Prescription
    from .trial_score import Script

T = TypeVar("T")

INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell reports it."""


def script_options(function: Callable[..., T]) -> Callable[..., T]:
    """Options that both commands share."""
    for option in (
        click.option(
            "--yes", "-y", is_flag=True, help="Do not ask before the runs; nobody asks off a terminal."
        ),
        click.option(
            "--keep-runs",
            is_flag=True,
            help="Keep the runs that were made beside the other runs.  [default: they are removed]",
        ),
        click.option(
            "--seed-arg",
            metavar="ARG",
            help="How the script takes its seed: --seed, or seed= for one word.  "
            "[default: random, numpy and torch are seeded as they are imported]",
        ),
        click.option(
            "--report",
            "formats",
            metavar="FORMATS",
            default="",
            help="Write a report with the result as well: html, pdf, md, json; several with commas.",
        ),
        lang_option,
        log_options,
        runs_option,
    ):
        function = option(function)
    return function


def script_of(
    words: tuple[str, ...], out: Path | None, seed_argument: str | None, *, is_kept: bool = False
) -> Script:
    """The user's command as something to run; `is_kept` says that `out` stays."""
    from .trial_score import Script

    return Script(words, out or Path(), seed_argument, is_kept)


def announce(sentence: str, yes: bool) -> None:
    """Say what it costs; ask on a terminal."""
    click.echo(sentence, err=True)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("go on?", default=True, abort=True, err=True)


@contextmanager
def status_line() -> Generator[Callable[[str], None]]:
    """A line that changes on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as shown:
        yield lambda text: shown.update(text)


@contextmanager
def interruptible(sentence: str) -> Generator[None]:
    """Ctrl-C ends with a sentence instead of a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"traindoctor: {sentence}", err=True)
        sys.exit(INTERRUPTED)


def print_prescription(prescription: Prescription) -> None:
    """The prescription on standard output, control characters removed."""
    from .prescription_text import prescription_lines

    for line in prescription_lines(prescription):
        click.echo(plain(line))


def write_reports(
    diagnosis: Diagnosis, prescription: Prescription, formats: str, language: str = "en"
) -> None:
    """Write the reports that were asked for beside the run, and print their paths."""
    from dataclasses import replace

    from . import render
    from .prescribing import default_file

    shown = replace(diagnosis, prescription=prescription)
    for name in filter(None, formats.split(",")):
        path = default_file(diagnosis.run).with_name(f"report.{name}")
        with progress(f"drawing {name}"):
            render(shown, path, name, language=language)
        click.echo(f"written   {path}")
