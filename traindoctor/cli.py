"""The command line: a client of the public names, no logic of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from .errors import MissingDependencyError, NothingRecordedError, TraindoctorError, UsageError

if TYPE_CHECKING:
    from .finding import Diagnosis
    from .run import Run

P = ParamSpec("P")
T = TypeVar("T")

FORMATS = ("html", "pdf", "md", "json")
RUN_HELP = "RUN is a path, an id, the beginning of an id, or nothing for the newest finished run."


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


def percent(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """`2%` or `0.02` as a fraction."""
    del ctx, parameter
    if value is None:
        return None
    try:
        return float(value[:-1]) / 100 if value.endswith("%") else float(value)
    except ValueError:
        raise click.BadParameter(f"expected a share such as 2% or 0.02, found {value!r}") from None


def runs_option(function: Callable[..., T]) -> Callable[..., T]:
    """The option that says where the runs are."""
    option = click.option(
        "--runs",
        type=click.Path(path_type=Path),
        envvar="TRAINDOCTOR_OUT",
        default=Path("traindoctor-runs"),
        show_default=True,
        help="Folder that holds the runs.",
    )
    return option(function)


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
    help="Share of the run's time that recording may take.  [default: 2%]",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def run(
    out: Path | None, name: str, every: int | None, budget: float | None, command: tuple[str, ...]
) -> None:
    """Record an unmodified training script.

    \b
    traindoctor run -- train.py --lr 0.1          a script
    traindoctor run -- -m package.train           a module
    traindoctor run -- torchrun --nproc-per-node 2 train.py
    torchrun --nproc-per-node 2 -m traindoctor run -- train.py

    Exit code, output, traceback and signals are the script's own.
    """
    from .collectors.launcher.command import LaunchOptions, exec_command

    exec_command(command, LaunchOptions(out, every, name, budget))


@cli.command(epilog=RUN_HELP)
@click.argument("reference", metavar="[RUN]", required=False)
@click.option(
    "--format",
    "formats",
    default="html",
    show_default=True,
    help="html, pdf, md or json; several with commas.",
)
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
@runs_option
def report(
    reference: str | None,
    formats: str,
    output: str | None,
    open_it: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    runs: Path,
) -> None:
    """Diagnose a run and write a report."""
    from . import diagnose

    wanted = formats.split(",")
    if unknown := [name for name in wanted if name not in FORMATS]:
        raise UsageError(f"--format: expected {', '.join(FORMATS)}, found {unknown[0]!r}")
    if output and len(wanted) > 1:
        raise UsageError(f"-o names one file, found {len(wanted)} formats; leave -o out to write them all")
    found = load_run(reference, runs)
    with progress("diagnosing"):
        diagnosis = diagnose(found, select=select, ignore=ignore)
    failed: list[TraindoctorError] = []
    for name in wanted:
        try:
            write_report(diagnosis, name, output, open_it)
        except MissingDependencyError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    if not found.n_steps:
        raise NothingRecordedError(diagnosis.verdict.sentence)


def write_report(diagnosis: Diagnosis, name: str, output: str | None, open_it: bool) -> None:
    """Render one format to a file or to standard output, and print the path written."""
    from . import render

    with progress(f"drawing {name}"):
        if output == "-":
            render(diagnosis, sys.stdout.buffer, name)
            return
        folder = Path(diagnosis.run.info.path or ".")
        default = (folder if folder.is_dir() else folder.parent) / f"report.{name}"
        path = Path(output) if output else default
        render(diagnosis, path, name)
    click.echo(path)
    if open_it:
        click.launch(str(path))


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
@runs_option
def show(reference: str | None, runs: Path) -> None:
    """Show what was recorded: settings, series, parameters, gaps."""
    from .names import unit_of

    found = load_run(reference, runs)
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
    rows = [
        (
            name,
            f"{len(s)}",
            f"{s.steps[0]}",
            f"{s.steps[-1]}",
            f"{s.values[0]:.6g}",
            f"{s.values[-1]:.6g}",
            unit_of(name),
        )
        for name, s in found.series.items()
        if len(s)
    ]
    print_table(("series", "points", "first step", "last step", "first value", "last value", "unit"), rows)
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
@runs_option
def export(reference: str | None, kind: str | None, output: Path, runs: Path) -> None:
    """Write every recorded number as CSV or Parquet: one row per series and step."""
    from . import export_run

    with progress("exporting"):
        export_run(load_run(reference, runs), output, kind or output.suffix.lstrip("."))
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


def load_run(reference: str | None, runs: Path) -> Run:
    """The run a user means; says on standard error which one was chosen when none was named."""
    from . import load
    from .collectors.run_folder import find_run

    path = find_run(reference, runs)
    if reference is None:
        click.echo(f"traindoctor: using the newest run, {path}", err=True)
    with progress("reading"):
        return load(path)


@contextmanager
def progress(what: str) -> Generator[None]:
    """A spinner on a terminal, silence elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns of plain text: names from a log never reach a markup parser."""
    cells = [header, *(tuple(plain(cell) for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def plain(text: str) -> str:
    """`text` without control characters, so that a name in a log cannot steer the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


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
    cli(prog_name="traindoctor")
