"""The run that a user means on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .console import reading_progress

if TYPE_CHECKING:
    from .run import Run


def load_run(
    reference: str | None, runs: Path, number: int | None, importer: str, columns: dict[str, str]
) -> Run:
    """The run a user means; says on standard error which one was chosen when none was named."""
    from .collectors.importers.discovery import load_run as load_one
    from .collectors.importers.places import is_elsewhere
    from .collectors.run_folder import find_run

    elsewhere = reference is not None and is_elsewhere(reference)
    place = reference if reference is not None and elsewhere else find_run(reference, runs)
    if reference is None:
        click.echo(f"traindoctor: using the newest run, {place}", err=True)
    with reading_progress() as told:
        return load_one(place, number, importer=importer, columns=columns, progress=told)
