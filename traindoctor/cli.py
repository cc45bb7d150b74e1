"""The command line: a client of the public names, no logic of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from .cli_check import check
from .cli_comment import comment
from .cli_compare import compare
from .cli_env import env
from .cli_live import live
from .cli_lr_find import lr_find, seed_options
from .cli_options import LANGUAGES, RUN_HELP, lang_option, log_options, percent, project_language, runs_option
from .cli_output import FORMATS_HELP, formats_asked_for, write_report
from .cli_prescribe import prescribe
from .cli_prove import prove
from .cli_runs import load_run
from .cli_tune import tune
from .console import (
    plain,
    print_runs,
    print_series,
    print_table,
    print_what_can_be_printed,
    progress,
    reading_progress,
)
from .errors import MissingDependencyError, NothingRecordedError, TraindoctorError, UsageError

if TYPE_CHECKING:
    from .finding import Diagnosis
    from .guarding import Ending
    from .run import Run

P = ParamSpec("P")
T = TypeVar("T")


class Group(click.Group):
    """Commands in the order in which a user meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in order of definition."""
        del ctx
        return list(self.commands)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="traindoctor")
def cli() -> None:
    """Record PyTorch training runs, diagnose them, prescribe a learning-rate schedule.

    \b
    traindoctor run -- train.py --epochs 3     record an unmodified script
    traindoctor report --format html --open    read what it says about the newest run
    """


@cli.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    envvar="TRAINDOCTOR_OUT",
    help="Folder that receives the run's folder.  [default: traindoctor-runs]",
)
@click.option("--name", default="", help="What to call the run.")
@click.option(
    "--every",
    type=click.IntRange(min=1),
    metavar="N",
    help="Sample parameter statistics every N steps.  [default: as often as the budget allows]",
)
@click.option(
    "--budget",
    callback=percent,
    metavar="SHARE",
    help="Share of the run's time that parameter statistics and gradient norms may take.  "
    "[default: statistics 0.5% after their first 0.3 s, norms at every step]",
)
@click.option(
    "--schedule",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Train under this prescription.json instead of the script's own learning rate.",
)
@click.option(
    "--stop-on",
    multiple=True,
    metavar="critical|CODE",
    help="Stop the run when this is seen in two looks at its log, one after the other; may be repeated.",
)
@click.option(
    "--look-every",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="With --stop-on: time between two looks, at least.",
)
@click.option(
    "--report",
    "formats",
    metavar="FORMATS",
    default="",
    help="When the script has ended write its report into the run's folder: html, pdf, md, json; several "
    "with commas.",
)
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    envvar="TRAINDOCTOR_LANG",
    help="With --report: its language.  [default: en, or `lang` of [tool.traindoctor]]",
)
@seed_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def run(
    out: Path | None,
    name: str,
    every: int | None,
    budget: float | None,
    schedule: Path | None,
    stop_on: tuple[str, ...],
    look_every: float,
    formats: str,
    lang: str | None,
    seed: int | None,
    seed_argument: str | None,
    command: tuple[str, ...],
) -> None:
    """Record an unmodified training script.

    \b
    traindoctor run -- train.py --lr 0.1          a script
    traindoctor run -- -m package.train           a module
    traindoctor run -- torchrun --nproc-per-node 2 train.py
    torchrun --nproc-per-node 2 -m traindoctor run -- train.py

    Exit code, output, traceback and signals are the script's own.

    With --schedule every optimizer step uses the prescribed learning rate; the script's own scheduler goes
    on, and what it had chosen is recorded as script_lr. Where that cannot be done the run ends with a
    sentence and code 70.

    With --stop-on critical a run that cannot be saved any more (a loss that is NaN, divergence, exploding or
    stale gradients, a model that is not trained) is asked to end as by Ctrl-C, then by SIGTERM; a code or a
    name of a check (`traindoctor explain`) stops for that finding. The run then ends with a sentence that
    says why, a file stopped.json in its folder, and code 86.

    With --report the script runs as a child of this process, which hands signals on, waits, writes the report
    and ends as the script ended; what is written is told on standard error. Without it this process becomes
    the script.
    """
    from .collectors.launcher.command import LaunchOptions, exec_command

    after = _report_after(formats, lang)
    if schedule is None and seed is None and seed_argument is None:
        options = LaunchOptions(out, every, name, budget)
        if stop_on:
            _run_guarded(command, stop_on, look_every, options, after)
        if after is not None:
            _run_reported(command, options, after)
        exec_command(command, options)
    from .driven_run import DrivenOptions, exit_code, run_driven, run_driven_guarded

    driven = DrivenOptions(schedule, seed, seed_argument, out, name, every, budget)
    if stop_on:
        trial, ending = run_driven_guarded(command, driven, stop_on, look_every)
        code, is_stopped = ending.exit_code, ending.finding is not None
        _say_why(ending)
    else:
        trial = run_driven(command, driven)
        code, is_stopped = exit_code(trial), False
    failures = [f"not as ordered: {trial.failure}"] if trial.failure and not is_stopped else []
    for sentence in (*trial.notes, *failures):
        click.echo(f"traindoctor: {plain(sentence)}", err=True)
    if after is not None:
        after(trial.path)
    sys.exit(code)


def _report_after(formats: str, lang: str | None) -> Callable[[Path], None] | None:
    """What writes the report into a run's folder; None where none is wanted, or another rank writes it.

    Raises:
        UsageError: a format is unknown: said before the training begins.
    """
    from .reported_run import is_first_rank, write_after

    if not formats or not is_first_rank():
        return None
    wanted, language = formats_asked_for(formats, None, "--report"), lang or project_language()
    return lambda folder: write_after(folder, wanted, language)


def _run_reported(command: tuple[str, ...], options: Any, after: Callable[[Path], None]) -> None:
    """Run a script, write its report, and end as it ended."""
    from .reported_run import leave_as, run_and_wait

    ended = run_and_wait(command, options)
    after(ended.folder)
    leave_as(ended.returncode)


def _run_guarded(
    command: tuple[str, ...],
    stop_on: tuple[str, ...],
    seconds: float,
    options: Any,
    after: Callable[[Path], None] | None,
) -> None:
    """Run a script under watch, say why it was stopped, and leave with its exit code."""
    from .guarding import run_guarded

    ending = run_guarded(command, stop_on, options, seconds)
    _say_why(ending)
    if after is not None:
        after(ending.folder)
    sys.exit(ending.exit_code)


def _say_why(ending: Ending) -> None:
    """Say what a run was stopped for, when it was."""
    if ending.finding is not None:
        found = ending.finding
        sentence = f"stopped for {found.code} {found.name}: {found.message} {found.remedy.text}"
        click.echo(f"traindoctor: {plain(sentence)}", err=True)


@cli.command(epilog=RUN_HELP)
@click.argument("reference", metavar="[RUN]", required=False)
@click.option("--format", "formats", help=f"{FORMATS_HELP}  [default: from the ending of -o FILE, else html]")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write, - for standard output.  [default: report.FORMAT in the run's folder]",
)
@click.option("--open", "open_it", is_flag=True, help="Open the report in the browser.")
@click.option(
    "--select", multiple=True, metavar="CODE", help="Run only this check (code or name); repeatable."
)
@click.option("--ignore", multiple=True, metavar="CODE", help="Leave this check out; repeatable.")
@click.option("--base", metavar="RUN", help="Compare with this run, in a section of its own.")
@click.option("--study", default="", metavar="NAME", help="Which study of an Optuna storage with several.")
@click.option(
    "--prescription",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Show this prescription and its proof.  [default: prescription.json in the run's folder, if any]",
)
@lang_option
@log_options
@runs_option
def report(
    reference: str | None,
    formats: str | None,
    output: str | None,
    open_it: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    base: str | None,
    study: str,
    prescription: Path | None,
    lang: str,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    runs: Path,
) -> None:
    """Diagnose a run and write a report; of an Optuna study, report the search and its best trial."""
    from .prescribing import with_prescription

    wanted = formats_asked_for(formats, output)
    diagnosis = diagnosis_of(reference, runs, number, importer, columns, study, (select, ignore))
    diagnosis = with_prescription(diagnosis, prescription)
    if base is not None:
        diagnosis = beside_base(diagnosis, load_run(base, runs, None, importer, columns), (select, ignore))
    failed: list[TraindoctorError] = []
    for name in wanted:
        try:
            write_report(diagnosis, name, output, open_it=open_it, language=lang)
        except MissingDependencyError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    if not diagnosis.run.n_steps and diagnosis.search is None:
        raise NothingRecordedError(diagnosis.verdict.sentence)


def diagnosis_of(
    reference: str | None,
    runs: Path,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    study: str,
    checks: tuple[Sequence[str], Sequence[str]],
) -> Diagnosis:
    """The diagnosis of a run; of a study when the reference is one and no single trial was asked for."""
    from . import diagnose, diagnose_study
    from .collectors.importers.optuna_search import is_study

    select, ignore = checks
    if reference is not None and number is None and is_study(Path(reference)):
        with progress("diagnosing"):
            return diagnose_study(reference, study, select=select, ignore=ignore)
    if study:
        raise UsageError(f"--study: expected the storage of an Optuna study, found {reference!r}")
    found = load_run(reference, runs, number, importer, columns)
    with progress("diagnosing"):
        return diagnose(found, select=select, ignore=ignore)


def beside_base(diagnosis: Diagnosis, base: Run, checks: tuple[Sequence[str], Sequence[str]]) -> Diagnosis:
    """The same diagnosis, compared with a base run."""
    from . import diagnose
    from .comparing import compare as compare_diagnoses

    with progress("comparing"):
        before = diagnose(base, select=checks[0], ignore=checks[1])
        return replace(diagnosis, comparison=compare_diagnoses((before, diagnosis)))


@cli.command("import")
@click.argument("reference", metavar="PATH", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the runs as run logs of ours below this folder.",
)
@click.option("--formats", is_flag=True, help="List the formats that can be read.")
@log_options
def import_command(
    reference: str | None,
    output: Path | None,
    formats: bool,
    number: int | None,
    importer: str,
    columns: dict[str, str],
) -> None:
    """Show what a log of another tool holds: format, runs, series, gaps; or write it as a run log of ours.

    \b
    traindoctor import logs/                          everything below a folder
    traindoctor import train.log --run 2              the second run in the file
    traindoctor import table.csv --map loss=ce,step=it
    traindoctor import lightning_logs -o traindoctor-runs
    """
    from .collectors.importers.catalog import all_importers
    from .collectors.importers.discovery import load_runs
    from .collectors.importers.rewriting import write_run

    if formats:
        print_table(("format", "what it is"), [(i.slug, i.name) for i in all_importers()[0]])
        return
    if reference is None:
        raise UsageError("expected a PATH: a file, a folder, a glob, an address, or - for standard input")
    with reading_progress() as told:
        found = load_runs(reference, importer=importer, columns=columns, progress=told)
    if number is not None and number > len(found.runs):
        raise UsageError(f"expected a run from 1 to {len(found.runs)} in {reference}, found {number}")
    chosen = list(enumerate(found.runs, 1))[slice(None) if number is None else slice(number - 1, number)]
    print_runs(chosen)
    for sentence in found.refused:
        click.echo(f"not read: {plain(sentence)}")
    if found.n_other:
        click.echo(f"left alone, no training log: {found.n_other} files")
    if output is not None:
        for _, run in chosen:
            click.echo(write_run(run, output))


@cli.command("list")
@runs_option
def list_command(runs: Path) -> None:
    """List the recorded runs, newest first."""
    from .collectors.run_folder import list_runs

    rows = [
        (r.id, r.name, r.status, f"{r.steps}", r.started, "" if r.last_loss is None else f"{r.last_loss:.6g}")
        for r in list_runs(runs)
    ]
    if not rows:
        click.echo(f"no runs in {runs}; record one with: traindoctor run -- train.py", err=True)
        return
    print_table(("id", "name", "status", "steps", "started", "last loss"), rows)


@cli.command(epilog=RUN_HELP)
@click.argument("reference", metavar="[RUN]", required=False)
@log_options
@runs_option
def show(
    reference: str | None, number: int | None, importer: str, columns: dict[str, str], runs: Path
) -> None:
    """Show what was recorded: settings, series, parameters, gaps."""
    from .names import unit_of

    found = load_run(reference, runs, number, importer, columns)
    info = found.info
    click.echo(f"{plain(found.id)}  {plain(found.name)}\nstatus  {info.status}\nsource  {plain(info.source)}")
    click.echo(f"length  {found.n_steps} optimizer steps, {info.epochs:g} epochs, {info.seconds:.1f} s")
    if isinstance(command := info.config.get("command"), (list, tuple)):
        click.echo(f"command {plain(' '.join(map(str, command)))}")
    for optimizer in info.optimizers:
        click.echo(
            f"optimizer {plain(optimizer.name)} ({len(optimizer.groups)} param groups) "
            f"{plain(optimizer.scheduler)}"
        )
    click.echo("")
    print_series(found)
    if found.parameters:
        click.echo("")
        quantities = [
            (
                quantity,
                f"{len(table)}",
                f"{max((len(s) for s in table.values()), default=0)}",
                unit_of(quantity),
            )
            for quantity, table in found.parameters.items()
        ]
        print_table(("per-parameter quantity", "parameters", "samples", "unit"), quantities)
    for sentence in info.diagnostics:
        click.echo(f"note: {plain(sentence)}")


@cli.command(epilog=RUN_HELP)
@click.argument("reference", metavar="[RUN]", required=False)
@click.option(
    "--format", "kind", type=click.Choice(["csv", "parquet"]), help="[default: from the file's suffix]"
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="FILE"
)
@log_options
@runs_option
def export(
    reference: str | None,
    kind: str | None,
    output: Path,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    runs: Path,
) -> None:
    """Write every recorded number as CSV or Parquet: one row per series and step."""
    from . import export_run

    with progress("exporting"):
        export_run(
            load_run(reference, runs, number, importer, columns), output, kind or output.suffix.lstrip(".")
        )
    click.echo(output)


@cli.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Explain a check: what it reports, how it decides, when it is wrong, what to try.

    CODE is a code (TD101) or a name (plateau); without it, all checks are listed.
    """
    from . import explain as explain_check
    from .analyzer.catalog import CATALOG

    if code:
        click.echo(explain_check(code))
        return
    for detector in CATALOG:
        summary = (type(detector).__doc__ or "").strip().split("\n", 1)[0]
        click.echo(f"{detector.code}  {detector.name:22}  {summary}")


cli.add_command(check)
cli.add_command(compare)
cli.add_command(comment)
cli.add_command(live)
cli.add_command(lr_find)
cli.add_command(prescribe)
cli.add_command(prove)
cli.add_command(tune)
cli.add_command(env)


def contained(function: Callable[P, T]) -> Callable[P, T]:
    """Turn our errors into one sentence on standard error and their exit code."""

    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except TraindoctorError as error:
            click.echo(f"traindoctor: {plain(str(error))}  [{error.slug}]", err=True)
            sys.exit(error.exit_code)

    return update_wrapper(wrapper, function)


@contained
def main() -> None:
    """Entry point of the `traindoctor` command."""
    print_what_can_be_printed()
    cli(prog_name="traindoctor")
