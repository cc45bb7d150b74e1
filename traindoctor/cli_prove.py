"""`traindoctor prove`: options in, proving at work, text out."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

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
from .errors import UsageError

SETTINGS = ("weight_decay", "momentum", "lr")
"""What can be set in an optimizer from outside."""

_CHALLENGE = "Something else was compared with the recorded command; nothing was prescribed."


def optimizer_settings(
    ctx: click.Context, parameter: click.Parameter, words: tuple[str, ...]
) -> tuple[tuple[str, float], ...]:
    """`weight_decay=5e-4` as a name and a number."""
    del ctx, parameter
    found: list[tuple[str, float]] = []
    for word in words:
        name, _, text = word.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if name not in SETTINGS or not (math.isfinite(value) and value >= 0):
            raise click.BadParameter(
                f"expected {', '.join(SETTINGS)} and a number of 0 or more, such as weight_decay=5e-4, "
                f"found {word!r}"
            )
        found.append((name, value))
    return tuple(found)


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
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=optimizer_settings,
    help="Compare with the same script under another weight_decay, momentum or lr, set in its optimizer from "
    "outside: --set weight_decay=5e-4. Repeatable.",
)
@click.option("--again", is_flag=True, help="Begin anew instead of going on with an interrupted proof.")
@script_options
def prove(
    reference: str | None,
    path: Path | None,
    seeds: int,
    first_seed: int,
    new: str | None,
    settings: tuple[tuple[str, float], ...],
    again: bool,
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
    """Prove a prescription by paired runs: the script as it is against the script under it.

    \b
    traindoctor prove RUN --seeds 3 --seed-arg --seed -- train.py --lr 0.1
    traindoctor prove RUN --new 'train.py --wd 1e-4' -- train.py
    traindoctor prove RUN --set weight_decay=5e-4 -- train.py

    Old and new run get the same seed and the same number of optimizer steps. The change is adopted when the
    score is better by more than 1 % on average and the seeds agree; otherwise: keep what you have. A --new
    script may stop early. After an interrupt the same command goes on where it stopped.
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
    is_challenge = new is not None or bool(settings)
    if is_challenge:
        place = path or place.with_name("challenge.json")
    prescription = (
        read_prescription(place)
        if not is_challenge or place.is_file()
        else Prescription("try", why=_CHALLENGE)
    )
    if again:
        prescription = replace(prescription, proof=None)
    keep = runs if keep_runs else None
    with trial_folder(keep) as folder:
        script = script_of(words, folder, seed_arg, is_kept=keep_runs)
        other = None
        if is_challenge:
            command = script.command if new is None else tuple(shlex.split(new))
            other = replace(script, command=command, settings=settings)
        chosen = range(first_seed, first_seed + seeds)
        trial = open_trial(found, prescription, script, other, chosen, place)
        announce(trial.cost(), yes)
        resume = f"stopped; what was run is kept in {place}: the same command goes on from there"
        with interruptible(resume), status_line() as status:
            prescription = run_proof(
                trial,
                lambda at, total, side, seed: status(
                    f"run {at} of {total}: {side}, seed {seed}, {trial.budget} steps"
                ),
            )
    print_prescription(prescription)
    click.echo(f"\nwritten   {place}")
    if formats:
        with progress("diagnosing"):
            write_reports(diagnose(found), prescription, formats, lang)
