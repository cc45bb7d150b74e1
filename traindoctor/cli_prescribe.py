"""`traindoctor prescribe` and `traindoctor prove`: options in, prescribing and proving at work, text out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from .cli_options import RUN_HELP, ScriptCommand, log_options, runs_option, script_words
from .cli_runs import load_run
from .console import plain, progress
from .errors import UsageError

if TYPE_CHECKING:
    from .finding import Diagnosis
    from .prescribing import Case
    from .prescription import Prescription
    from .run import Run
    from .trial_score import Script

T = TypeVar("T")

SHAPES = ("linear", "linear-lambda", "cosine", "wsd", "one-cycle")
INTERRUPTED = 130
"""Exit code after Ctrl-C, as a shell reports it."""


def _script_options(function: Callable[..., T]) -> Callable[..., T]:
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
        log_options,
        runs_option,
    ):
        function = option(function)
    return function


@click.command(cls=ScriptCommand, epilog=RUN_HELP)
@click.argument("reference", metavar="[RUN]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write the prescription.  [default: prescription.json in the run's folder]",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of the short runs."
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="RUNS",
    help="Most compute to spend, in recorded runs: 0.6 = three short runs of 20 %.  [default: no limit]",
)
@click.option(
    "--schedule",
    "shape",
    type=click.Choice(SHAPES),
    default=SHAPES[0],
    show_default=True,
    help="Schedule to change to where the present one has to change.",
)
@_script_options
def prescribe(
    reference: str | None,
    output: Path | None,
    seed: int,
    budget: float | None,
    shape: str,
    yes: bool,
    keep_runs: bool,
    seed_arg: str | None,
    formats: str,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    runs: Path,
) -> None:
    """Prescribe the learning rate and schedule to use next.

    \b
    traindoctor prescribe                                a hint from the newest run's log
    traindoctor prescribe RUN -- train.py --lr 0.1       short runs of the script decide
    traindoctor prescribe RUN --schedule cosine -- train.py

    With a script, three to six short runs at learning rates x3.16 apart are made, each scored on its own
    validation. The script is not changed: its learning rate is set in the optimizer's step.
    """
    from . import diagnose
    from .prescribing import default_file, open_case
    from .prescription_file import write_prescription

    words = script_words()
    found = load_run(reference, runs, number, importer, columns)
    with progress("diagnosing"):
        case = open_case(found, diagnose(found))
    prescription = case.diagnosis.prescription
    if words:
        script = _script(words, runs if keep_runs else None, seed_arg)
        with _interruptible("stopped; nothing was written"):
            prescription = _swept(case, script, seed, budget, shape, yes, runs if keep_runs else None)
    _print(prescription)
    path = output or default_file(found)
    write_prescription(prescription, path, found)
    click.echo(f"\nwritten   {path}")
    _write_reports(case.diagnosis, prescription, formats)
    _say_next(prescription, found, path, words)


def _swept(
    case: Case, script: Script, seed: int, budget: float | None, shape: str, yes: bool, keep: Path | None
) -> Prescription:
    """What a sweep prescribes; "cannot tell" with its reason where none can be made."""
    from dataclasses import replace

    from .prescribing import cost_of, decide, sweep, trial_folder
    from .prescription import Prescription

    if isinstance(case.setup, str):
        return Prescription("cannot-tell", why=case.setup)
    cost = cost_of(case.setup, budget)
    _announce(cost.sentence(), yes)
    with trial_folder(keep) as folder, _status() as status:

        def told(number: int, most: int, lr: float) -> None:
            status(f"short run {number} of at most {most}: peak learning rate {lr:.3g}, {cost.steps} steps")

        found = sweep(case.setup, replace(script, out=folder), seed, cost, told)
    return decide(case, found, shape)


@click.command(cls=ScriptCommand, epilog=RUN_HELP)
@click.argument("reference", metavar="[RUN]", required=False)
@click.option(
    "-p",
    "--prescription",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The prescription to prove; the proof is written into it.  "
    "[default: prescription.json in the run's folder]",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Number of pairs of runs."
)
@click.option(
    "--first-seed",
    type=click.IntRange(0, 2**31),
    default=1,
    show_default=True,
    help="Seed of the first pair; the next ones follow. The sweep used 0.",
)
@click.option(
    "--new",
    metavar="COMMAND",
    help="Compare with this command instead of a prescription: --new 'train.py --weight-decay 1e-4'.",
)
@click.option("--again", is_flag=True, help="Begin anew instead of going on with an interrupted proof.")
@_script_options
def prove(
    reference: str | None,
    path: Path | None,
    seeds: int,
    first_seed: int,
    new: str | None,
    again: bool,
    yes: bool,
    keep_runs: bool,
    seed_arg: str | None,
    formats: str,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    runs: Path,
) -> None:
    """Prove a prescription by paired runs: the script as it is against the script under it.

    \b
    traindoctor prove RUN --seeds 3 --seed-arg --seed -- train.py --lr 0.1
    traindoctor prove RUN --new 'train.py --wd 1e-4' -- train.py

    Old and new run get the same seed and the same number of optimizer steps. The change is adopted when the
    score is better by more than 1 % on average and the seeds agree; otherwise: keep what you have. After an
    interrupt the same command goes on where it stopped.
    """
    from dataclasses import replace

    from . import diagnose
    from .prescribing import default_file, trial_folder
    from .prescription import Prescription
    from .prescription_file import read_prescription
    from .proving import open_trial
    from .proving import prove as run_proof

    words = script_words()
    if not words:
        raise UsageError(
            "expected the script to run after --, e.g. traindoctor prove RUN -- train.py --lr 0.1"
        )
    found = load_run(reference, runs, number, importer, columns)
    place = path or default_file(found)
    if new is not None:
        place = path or place.with_name("challenge.json")
    prescription = (
        read_prescription(place) if new is None or place.is_file() else Prescription("try", why=_CHALLENGE)
    )
    if again:
        prescription = replace(prescription, proof=None)
    keep = runs if keep_runs else None
    with trial_folder(keep) as folder:
        script = _script(words, folder, seed_arg, is_kept=keep_runs)
        other = None if new is None else replace(script, command=tuple(shlex.split(new)))
        chosen = range(first_seed, first_seed + seeds)
        trial = open_trial(found, prescription, script, other, chosen, place)
        _announce(trial.cost(), yes)
        resume = f"stopped; what was run is kept in {place}: the same command goes on from there"
        with _interruptible(resume), _status() as status:
            prescription = run_proof(
                trial,
                lambda at, total, side, seed: status(
                    f"run {at} of {total}: {side}, seed {seed}, {trial.budget} steps"
                ),
            )
    _print(prescription)
    click.echo(f"\nwritten   {place}")
    if formats:
        with progress("diagnosing"):
            _write_reports(diagnose(found), prescription, formats)


_CHALLENGE = "Another command was compared with the recorded one; nothing was prescribed."


def _script(
    words: tuple[str, ...], out: Path | None, seed_argument: str | None, *, is_kept: bool = False
) -> Script:
    from .trial_score import Script

    return Script(words, out or Path(), seed_argument, is_kept)


def _announce(sentence: str, yes: bool) -> None:
    """Say what it costs; ask on a terminal."""
    click.echo(sentence, err=True)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("go on?", default=True, abort=True, err=True)


@contextmanager
def _status() -> Generator[Callable[[str], None]]:
    """A line that changes on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as shown:
        yield lambda text: shown.update(text)


@contextmanager
def _interruptible(sentence: str) -> Generator[None]:
    """Ctrl-C ends with a sentence instead of a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"traindoctor: {sentence}", err=True)
        sys.exit(INTERRUPTED)


def _print(prescription: Prescription) -> None:
    from .prescription_text import prescription_lines

    for line in prescription_lines(prescription):
        click.echo(plain(line))


def _write_reports(diagnosis: Diagnosis, prescription: Prescription, formats: str) -> None:
    from dataclasses import replace

    from . import render
    from .prescribing import default_file

    shown = replace(diagnosis, prescription=prescription)
    for name in filter(None, formats.split(",")):
        path = default_file(diagnosis.run).with_name(f"report.{name}")
        with progress(f"drawing {name}"):
            render(shown, path, name)
        click.echo(f"written   {path}")


def _say_next(prescription: Prescription, run: Run, path: Path, words: tuple[str, ...]) -> None:
    """The command that proves it, where there is something to prove."""
    from .prescription import CHANGES_NOTHING

    if prescription.action in CHANGES_NOTHING or prescription.action == "cooldown":
        return
    script = shlex.join(words) if words else "train.py …"
    click.echo(
        f"next      traindoctor prove {shlex.quote(run.info.path or run.id)} --prescription "
        f"{shlex.quote(str(path))} --seeds 3 -- {script}"
    )
