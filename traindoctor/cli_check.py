"""`traindoctor check`: the gate of a build."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_options import lang_option, log_options, runs_option
from .cli_output import FORMATS_HELP, formats_asked_for, write_report
from .cli_runs import load_run
from .console import progress
from .errors import MissingDependencyError, NothingRecordedError, TraindoctorError

if TYPE_CHECKING:
    from .finding import Diagnosis

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"

CHECK_HELP = (
    "Findings are critical, warnings or notes. --fail-on critical and high fail on critical ones, medium "
    "on warnings too, low on notes too, never on none. With --base, a finding fails only if the base run "
    "does not have it: the same check, at least as severe, naming the same parameters. Defaults come from "
    "[tool.traindoctor] of the nearest pyproject.toml (fail-on, select, ignore, base, format, lang), then "
    "from TRAINDOCTOR_FAIL_ON and so on, then from the options. Where $GITHUB_STEP_SUMMARY is set and no "
    "format was asked for, Markdown is appended to it and an HTML file is written. Exit codes: 0 nothing "
    "fails, 1 findings fail, 2 wrong call or settings, 3 the run cannot be analysed."
)


class ProjectCommand(click.Command):
    """A command whose defaults come from [tool.traindoctor] of the nearest pyproject.toml."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the settings first; click ranks them below the environment and the command line."""
        from .project_settings import project_settings

        if not {"-h", "--help"}.intersection(args):
            names = {parameter.name for parameter in self.params}
            found = project_settings(Path.cwd())
            extra.setdefault("default_map", {key: value for key, value in found.items() if key in names})
        return super().make_context(info_name, args, parent, **extra)


def gate_options(function: Any) -> Any:
    """The options of the gate, shared by `check` and `comment`."""
    options = (
        click.option(
            "--fail-on",
            envvar="TRAINDOCTOR_FAIL_ON",
            metavar="LEVEL",
            default="high",
            show_default=True,
            help="critical, high, medium, low or never.",
        ),
        click.option(
            "--base",
            envvar="TRAINDOCTOR_BASE",
            metavar="RUN",
            help="Only findings that this run does not have count; the report compares with it.",
        ),
        click.option(
            "--select",
            multiple=True,
            envvar="TRAINDOCTOR_SELECT",
            metavar="CODE",
            help="Run only this check (code or name); repeatable.",
        ),
        click.option(
            "--ignore",
            multiple=True,
            envvar="TRAINDOCTOR_IGNORE",
            metavar="CODE",
            help="Leave this check out; repeatable.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command("check", cls=ProjectCommand, epilog=CHECK_HELP)
@click.argument("reference", metavar="[RUN]", required=False)
@gate_options
@click.option(
    "--format",
    "formats",
    envvar="TRAINDOCTOR_FORMAT",
    metavar="FORMAT,…",
    help=f"{FORMATS_HELP}  [default: text]",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write a single format, - for standard output.")
@click.option(
    "--summary/--no-summary",
    default=None,
    help="Append Markdown to $GITHUB_STEP_SUMMARY.  [default: where no format was asked for]",
)
@lang_option
@log_options
@runs_option
def check(
    reference: str | None,
    fail_on: str,
    base: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    formats: str | None,
    output: str | None,
    summary: bool | None,
    lang: str,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    runs: Path,
) -> None:
    """Diagnose a run and fail where it has findings that matter: the gate of a build.

    \b
    traindoctor check                                the newest run, exit code 1 for a critical finding
    traindoctor check RUN --fail-on medium           warnings fail, too
    traindoctor check RUN --base main-run            only what the base run does not have fails
    traindoctor check RUN --format junit -o junit.xml
    """
    from .gating import level_of

    wanted = _formats(formats, output)
    level_of(fail_on)
    diagnosis = judged_diagnosis(
        load_run(reference, runs, number, importer, columns),
        None if base is None else load_run(base, runs, None, importer, columns),
        fail_on,
        (select, ignore),
    )
    failed = [error for name in wanted if (error := _written(diagnosis, name, output, lang)) is not None]
    if (formats is None if summary is None else summary) and os.environ.get(SUMMARY_VARIABLE):
        append_summary(diagnosis, Path(os.environ[SUMMARY_VARIABLE]), lang)
    assert diagnosis.gate is not None
    if not diagnosis.gate.is_passed:
        sys.exit(1)
    if not diagnosis.run.n_steps or diagnosis.verdict.state == "not-assessable":
        raise NothingRecordedError(diagnosis.verdict.sentence)
    if failed:
        raise failed[0]


def judged_diagnosis(
    run: Any, base: Any, fail_on: str, checks: tuple[Sequence[str], Sequence[str]]
) -> Diagnosis:
    """The diagnosis of a run with its gate, compared with the base run where there is one."""
    from . import diagnose
    from .comparing import compare
    from .gating import judge
    from .prescribing import with_prescription

    select, ignore = checks
    with progress("diagnosing"):
        found = with_prescription(diagnose(run, select=select, ignore=ignore), None)
        before = diagnose(base, select=select, ignore=ignore) if base is not None else None
    comparison = compare((before, found)) if before is not None else None
    return replace(found, gate=judge(found, fail_on, before), comparison=comparison)


def append_summary(diagnosis: Diagnosis, path: Path, language: str = "en") -> None:
    """Append the Markdown to the summary of the CI step, within what is left of GitHub's limit."""
    from .errors import RenderError
    from .report_templates.language import speaking
    from .report_templates.pull_request import SUMMARY_LIMIT, pull_request_text

    try:
        taken = path.stat().st_size if path.exists() else 0
        with speaking(language):
            text = "\n" + pull_request_text(diagnosis, limit=SUMMARY_LIMIT - taken - 1)
        if taken + len(text.encode()) > SUMMARY_LIMIT:
            click.echo(f"traindoctor: {path} is full, the summary was left out", err=True)
            return
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise RenderError(f"could not append to ${SUMMARY_VARIABLE}, {path}: {error.strerror}") from error
    click.echo(path)


def _formats(formats: str | None, output: str | None) -> list[str]:
    if formats is None:
        return ["text", "html"] if os.environ.get(SUMMARY_VARIABLE) and not output else ["text"]
    return formats_asked_for(formats, output)


def _written(diagnosis: Diagnosis, name: str, output: str | None, language: str) -> TraindoctorError | None:
    """Render one format; what lacks a library is told after everything else was written."""
    try:
        write_report(diagnosis, name, output, language=language)
    except MissingDependencyError as error:
        return error
    return None
