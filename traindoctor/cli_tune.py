"""`traindoctor tune`: options, what is said before, during and after a search."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cli_options import lang_option
from .console import plain
from .errors import UsageError

if TYPE_CHECKING:
    from .search import Search
    from .tuning import OnTick, Session

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """`90`, `90s`, `30m`, `2h` or `1d` as seconds."""
    del ctx, parameter
    if value is None:
        return None
    unit = _UNITS.get(value[-1:], 0.0)
    try:
        return float(value[:-1]) * unit if unit else float(value)
    except ValueError:
        raise click.BadParameter(f"expected a time such as 90s, 30m or 2h, found {value!r}") from None


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--method",
    type=click.Choice(("tpe", "gp", "random", "grid")),
    default="tpe",
    show_default=True,
    help="How points are chosen: tree-structured Parzen estimator, Gaussian process, at random, a full grid.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Trials of the study, over all its sessions.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Trials at the same time."
)
@click.option(
    "--objective",
    default="loss/validation",
    show_default=True,
    metavar="NAME",
    help="Recorded series that is judged (`traindoctor show RUN` lists them).",
)
@click.option(
    "--direction",
    type=click.Choice(("lower", "higher")),
    help="Which values are better.  [default: from the objective's name]",
)
@click.option(
    "--score",
    type=click.Choice(("last", "best")),
    default="last",
    show_default=True,
    help="Judge a trial by the last or by the best value of the objective.",
)
@click.option(
    "--prune",
    type=click.Choice(("hyperband", "none")),
    default="hyperband",
    show_default=True,
    help="Stop trials early that fall behind.",
)
@click.option(
    "--hook",
    "hooks",
    multiple=True,
    metavar="NAME:SPEC",
    help="Search lr, momentum, weight_decay or schedule through the optimizer, without an argument of the "
    "script: lr:log:1e-5:1, schedule:choice:linear,cosine,constant. Repeatable.",
)
@click.option(
    "--study",
    "journal",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Journal of the study.  [default: study.journal in the folder]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the search, and of what the script does not seed itself.",
)
@click.option("--timeout", callback=duration, metavar="TIME", help="End this session after 90s, 30m, 2h …")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("traindoctor-tune"),
    show_default=True,
    help="Folder of the study, its runs and its report.",
)
@click.option("--open", "open_it", is_flag=True, help="Open the report in the browser.")
@lang_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def tune(
    command: tuple[str, ...],
    folder: Path,
    journal: Path | None,
    workers: int,
    direction: str | None,
    open_it: bool,
    lang: str,
    **options: Any,
) -> None:
    """Search hyper-parameters of an unmodified training script.

    \b
    traindoctor tune -- train.py --lr '{lr:log:1e-5:1}' --wd '{wd:choice:0,0.01,0.1}'
    traindoctor tune --hook lr:log:1e-5:1 --trials 12 -- train.py
    traindoctor tune --method gp --workers 2 -o study -- train.py --batch-size '{bs:choice:16,64}' …

    A placeholder in an argument is replaced by a value in each trial: {name:log:LOW:HIGH},
    {name:uniform:LOW:HIGH}, {name:int:LOW:HIGH[:STEP]}, {name:choice:A,B,C}. Quote it: shells take braces
    apart. The same command continues its study, also after a crash.
    """
    from .tuning import objective_direction, open_session
    from .tuning_plan import Plan

    if command[0] == "--":
        command = command[1:]
    if not command:
        raise UsageError("expected a script after `--`, found none; try: traindoctor tune -- train.py …")
    better = direction or objective_direction(options["objective"])
    plan = Plan(command, better=better, **options)
    session = open_session(plan, folder, journal, workers)
    _say_before(session)
    is_interrupted = False
    try:
        with _progress(session) as on_tick:
            session.run(on_tick)
    except KeyboardInterrupt:
        is_interrupted = True
    search = _write_reports(session, open_it, lang)
    _say_after(session, search)
    if is_interrupted:
        click.echo("traindoctor: interrupted; the same command continues the study", err=True)
        sys.exit(130)


def _say_before(session: Session) -> None:
    from .collectors.importers.optuna_search import load_study
    from .tuning import cost_sentence

    store = session.store
    if sys.stderr.isatty():
        sentence = cost_sentence(store.plan, store.space, load_study(store.path), session.n_workers)
        for text in (*session.notes, sentence, f"the study is {store.path}"):
            click.echo(f"traindoctor: {plain(text)}", err=True)


@contextmanager
def _progress(session: Session) -> Generator[OnTick | None]:
    """A bar of the trials with the best value so far on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("searching", total=session.store.plan.trials)
        yield _Display(session, bar, task).look


class _Display:
    """Reads the journal when it has grown, and not more often than it has time to."""

    def __init__(self, session: Session, bar: Any, task: Any) -> None:
        self._session, self._bar, self._task = session, bar, task
        self._size, self._not_before = -1, 0.0

    def look(self) -> None:
        """Bring the bar up to date."""
        from rich.markup import escape

        from .analyzer.search.summary import settings_text
        from .collectors.importers.optuna_search import load_study

        path, began = self._session.store.path, time.monotonic()
        size = path.stat().st_size
        if size == self._size or began < self._not_before:
            return
        study = load_study(path)
        ended = study.of_state("complete", "pruned", "diverged", "failed")
        done = [trial for trial in study.of_state("complete") if trial.value == trial.value]
        text = f"{len(study.of_state('running'))} running"
        if done:
            pick = min if study.better == "lower" else max
            best = pick(done, key=lambda trial: trial.value)
            text = f"best {best.value:.4g} ({plain(settings_text(best))}), {text}"
        self._bar.update(self._task, completed=len(ended), description=escape(text))
        self._size, self._not_before = size, time.monotonic() + 10 * (time.monotonic() - began)


def _write_reports(session: Session, open_it: bool, language: str) -> Search:
    from . import diagnose_study, render
    from .console import progress

    with progress("drawing the report"):
        diagnosis = diagnose_study(session.store.path)
        for name in ("html", "md", "json"):
            render(diagnosis, session.folder / f"report.{name}", name, language=language)
    if open_it:
        click.launch(str(session.folder / "report.html"))
    assert diagnosis.search is not None
    return diagnosis.search


def _say_after(session: Session, search: Search) -> None:
    from .analyzer.search.summary import hooked_text

    click.echo(plain(search.sentence))
    for sentence in (*search.warnings, *(edge.sentence for edge in search.edges)):
        click.echo(plain(sentence))
    if (region := search.region) is not None:
        click.echo(
            f"{plain(region.parameter)}: best near {region.best:.3g}, {100 * region.level:.0f} % interval "
            f"{region.low:.3g} to {region.high:.3g} (from {region.n_trials} completed trials)"
        )
    if (threshold := search.threshold) is not None:
        click.echo(
            f"{plain(threshold.parameter)}: training diverges from between {threshold.low:.3g} and "
            f"{threshold.high:.3g} on ({threshold.n_diverged} trials diverged)"
        )
    if search.command and search.best is not None:
        click.echo(f"best command: {plain(search.command)}")
        if hooked := hooked_text(search.study, search.best):
            click.echo(f"with, in its optimizer: {plain(hooked)}")
    if session.replaced:
        click.echo(f"{session.replaced} killed workers were replaced and their trials repeated")
    click.echo(f"report: {session.folder / 'report.html'}")
