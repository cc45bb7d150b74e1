"""`traindoctor live`: the report of a run that goes on, in the browser."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_options import lang_option, log_options, runs_option
from .errors import RunNotFoundError, UsageError

if TYPE_CHECKING:
    from .live_page import Rendered

LESS_URGENT = 10
"""Added to the niceness of this process: the training goes first."""


@click.command()
@click.argument("reference", metavar="[RUN]", required=False)
@click.option(
    "--every",
    type=click.FloatRange(min=1.0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Shortest time between two reports.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Port to listen on.  [default: a free one]",
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
@lang_option
@log_options
@runs_option
def live(
    reference: str | None,
    every: float,
    port: int,
    open_it: bool,
    lang: str,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    runs: Path,
) -> None:
    """Serve the report of a run while it goes on; Ctrl-C ends it.

    RUN is a path, an id or the beginning of an id; a log of another tool that still grows will do. Without
    it the newest run is followed, also one that starts later.

    The page is served to this machine only, under a secret address, for reading. It is made again when the
    log grew, in a process of low priority and at most a tenth of the time. From another machine:
    ssh -L 8000:127.0.0.1:PORT HOST, with --port.
    """
    from .live_page import LivePage
    from .live_server import LiveServer
    from .report_templates.live import live_files

    if reference is not None:
        _place(reference, runs, lang)  # a typing error is told at once
    page = LivePage(
        lambda: _place(reference, runs, lang),
        lambda place: _made(place, number, importer, columns, lang),
        every,
    )
    try:
        server = LiveServer(page, live_files(lang), port)
    except OSError as error:
        raise UsageError(
            f"--port: cannot listen on port {port}: {error.strerror}; choose another, or leave --port out"
        ) from error
    if hasattr(os, "nice"):
        os.nice(LESS_URGENT)
    stop = threading.Event()
    threading.Thread(target=page.keep_fresh, args=(stop,), name="traindoctor-live", daemon=True).start()
    click.echo(server.url)
    if open_it:
        click.launch(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        server.server_close()


def _place(reference: str | None, runs: Path, language: str) -> Path:
    """Where the log of the run is."""
    from .collectors.importers.places import is_elsewhere
    from .collectors.run_folder import find_run, list_runs

    if reference is None:
        found = list_runs(runs)
        if not found:
            from .report_templates.live import waiting_for

            raise RunNotFoundError(waiting_for(str(runs), language))
        return found[0].path
    if is_elsewhere(reference):
        raise UsageError(f"live follows a file or folder of this machine, found {reference!r}")
    return find_run(reference, runs)


def _made(place: Path, number: int | None, importer: str, columns: dict[str, str], language: str) -> Rendered:
    """The report of what the log holds now."""
    from . import diagnose, render
    from .collectors.importers.discovery import load_run
    from .live_page import Rendered
    from .prescribing import with_prescription

    run = load_run(place, number, importer=importer, columns=columns)
    into = io.BytesIO()
    render(with_prescription(diagnose(run), None), into, "html", language=language)
    return Rendered(into.getvalue(), run.id, run.info.status, run.n_steps)
