"""`traindoctor prescribe`: options in, prescribing at work, text out."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .cli_options import RUN_HELP, ScriptCommand, script_words
from .cli_runs import load_run
from .cli_trials import (
    announce,
    interruptible,
    print_prescription,
    script_of,
    script_options,
    status_line,
    write_reports,
)
from .console import progress

if TYPE_CHECKING:
    from .prescribing import Case
    from .prescription import Prescription
    from .run import Run
    from .trial_score import Script

SHAPES = ("linear", "linear-lambda", "cosine", "wsd", "one-cycle")


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
@script_options
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
    lang: str,
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
        script = script_of(words, runs if keep_runs else None, seed_arg)
        with interruptible("stopped; nothing was written"):
            prescription = _swept(case, script, seed, budget, shape, yes, runs if keep_runs else None)
    print_prescription(prescription)
    path = output or default_file(found)
    write_prescription(prescription, path, found)
    click.echo(f"\nwritten   {path}")
    write_reports(case.diagnosis, prescription, formats, lang)
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
    announce(cost.sentence(), yes)
    with trial_folder(keep) as folder, status_line() as status:

        def told(number: int, most: int, lr: float) -> None:
            status(f"short run {number} of at most {most}: peak learning rate {lr:.3g}, {cost.steps} steps")

        found = sweep(case.setup, replace(script, out=folder), seed, cost, told)
    return decide(case, found, shape)


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
