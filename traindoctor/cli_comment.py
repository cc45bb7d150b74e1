"""`traindoctor comment`: the report as one comment on a pull request."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .cli_check import ProjectCommand, gate_options, judged_diagnosis
from .cli_options import lang_option, log_options, runs_option
from .cli_runs import load_run
from .console import progress

COMMENT_HELP = (
    "The place is taken from GITHUB_REPOSITORY, GITHUB_REF or GITHUB_EVENT_PATH, GITHUB_API_URL, the token "
    "from GITHUB_TOKEN. A comment made before is found by a hidden mark and updated. Findings never change "
    "the exit code: 0 posted, 2 wrong call or nothing known about the pull request, 3 GitHub refused."
)


@click.command("comment", cls=ProjectCommand, epilog=COMMENT_HELP)
@click.argument("reference", metavar="[RUN]", required=False)
@gate_options
@click.option("--dry-run", is_flag=True, help="Print what would be posted, post nothing.")
@click.option("--pr", type=click.IntRange(min=1), metavar="N", help="Number of the pull request.")
@click.option(
    "--key", default="", metavar="TEXT", help="Tells several comments on one pull request apart, e.g. a job."
)
@lang_option
@log_options
@runs_option
def comment(
    reference: str | None,
    fail_on: str,
    base: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    dry_run: bool,
    pr: int | None,
    key: str,
    lang: str,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    runs: Path,
) -> None:
    """Put the diagnosis of a run on a GitHub pull request, as one comment that is updated.

    \b
    traindoctor comment --dry-run                    what would be posted
    traindoctor comment RUN --base main-run          with what changed against the base run
    """
    from .gating import level_of
    from .pull_request_comment import marker, post, pull_request_of
    from .report_templates.language import speaking
    from .report_templates.pull_request import COMMENT_LIMIT, pull_request_text

    level_of(fail_on)
    place = None if dry_run else pull_request_of(os.environ, pr)
    diagnosis = judged_diagnosis(
        load_run(reference, runs, number, importer, columns),
        None if base is None else load_run(base, runs, None, importer, columns),
        fail_on,
        (select, ignore),
    )
    mark = marker(key)
    with speaking(lang):
        text = pull_request_text(diagnosis, limit=COMMENT_LIMIT, report_url=_run_url(), marker=mark)
    if place is None:
        click.echo(text, nl=False)
        return
    with progress("posting"):
        address = post(place, text, mark)
    click.echo(address)


def _run_url() -> str:
    """The page of this workflow run, where its artifacts are; "" outside GitHub."""
    parts = [os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}" if all(parts) else ""
