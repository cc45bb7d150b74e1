"""Where a report goes: a file, the run's folder, or standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .console import progress
from .errors import UsageError

if TYPE_CHECKING:
    from .finding import Diagnosis

FORMATS = ("html", "pdf", "md", "json", "junit", "github", "text")
FORMATS_HELP = "html, pdf, md, json, junit, github or text; several with commas."
ON_A_STREAM = ("text", "github")
"""Formats that go to standard output unless a file is named."""
_ENDINGS = {"junit": "junit.xml", "text": "txt", "github": "github.txt"}


def formats_asked_for(formats: str | None, output: str | None, option: str = "--format") -> list[str]:
    """The formats in a text with commas; without one, what the name of the file says, else HTML.

    Raises:
        UsageError: one is unknown, or there are several and one file.
    """
    if formats is None:
        return [_format_of(output or "")]
    wanted = [name.strip() for name in formats.split(",")]
    if unknown := [name for name in wanted if name not in FORMATS]:
        raise UsageError(f"{option}: expected {', '.join(FORMATS)}, found {unknown[0]!r}")
    if output and len(wanted) > 1:
        raise UsageError(f"-o names one file, found {len(wanted)} formats; leave -o out to write them all")
    return wanted


def _format_of(output: str) -> str:
    """The format whose ending a file's name has; HTML for any other name."""
    endings = {_ENDINGS.get(name, name): name for name in FORMATS}
    fitting = [ending for ending in endings if output.lower().endswith(f".{ending}")]
    return endings[max(fitting, key=len)] if fitting else "html"


def write_report(
    diagnosis: Diagnosis, name: str, output: str | None, *, open_it: bool = False, language: str = "en"
) -> None:
    """Render one format to a file or to standard output, and print the path written."""
    from . import render

    with progress(f"drawing {name}"):
        if output == "-" or (output is None and name in ON_A_STREAM):
            render(diagnosis, sys.stdout.buffer, name, language=language)
            sys.stdout.flush()
            return
        path = Path(output) if output else default_path(diagnosis, name)
        render(diagnosis, path, name, language=language)
    click.echo(path)
    if open_it:
        click.launch(str(path))


def default_path(diagnosis: Diagnosis, name: str) -> Path:
    """In the folder of a recorded run; in the current folder for logs of other tools and for studies."""
    run, ending = diagnosis.run, _ENDINGS.get(name, name)
    if diagnosis.search is not None:
        return Path(f"report-{Path(diagnosis.search.study.path).stem}.{ending}")
    if run.info.source != "traindoctor":
        return Path(f"report-{run.id}.{ending}")
    folder = Path(run.info.path or ".")
    return (folder if folder.is_dir() else folder.parent) / f"report.{ending}"
