"""`traindoctor lr-find`: a learning-rate range test of an unmodified script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from .cli_options import lang_option
from .console import plain, progress

T = TypeVar("T")


def seed_options(function: Callable[..., T]) -> Callable[..., T]:
    """The options that give the script a seed."""
    for option in (
        click.option(
            "--seed-arg",
            "seed_argument",
            metavar="NAME",
            help="How the script takes its seed: --seed, or seed= for one word.  "
            "[default: random, numpy and torch are seeded as they are imported]",
        ),
        click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Seed of the run."),
    ):
        function = option(function)
    return function


@click.command("lr-find", context_settings={"allow_interspersed_args": False})
@click.option(
    "--min", "minimum", type=float, metavar="LR", help="Lowest LR.  [default: the script's own / 1000]"
)
@click.option(
    "--max", "maximum", type=float, metavar="LR", help="Highest LR.  [default: the script's own x 1000]"
)
@click.option(
    "--steps",
    type=click.IntRange(min=20),
    default=400,
    show_default=True,
    help="Optimizer steps of the test; a few at the lowest LR come before.",
)
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Do the test so often, each time on other batches, and take the geometric mean.",
)
@click.option(
    "--mode",
    type=click.Choice(["exp", "linear"]),
    default="exp",
    show_default=True,
    help="Equal ratios or equal differences between the steps' LRs.",
)
@click.option(
    "-o",
    "--out",
    "outs",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the answer: .json, .png, .svg or .html; repeatable.",
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), metavar="SECONDS", help="Stop the script after this time."
)
@lang_option
@seed_options
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def lr_find(
    minimum: float | None,
    maximum: float | None,
    steps: int,
    repeats: int,
    mode: str,
    outs: tuple[Path, ...],
    timeout: float | None,
    lang: str,
    seed: int | None,
    seed_argument: str | None,
    command: tuple[str, ...],
) -> None:
    """Find a learning rate by a range test of an unmodified script.

    \b
    traindoctor lr-find -- train.py --batch-size 64
    traindoctor lr-find --out curve.html --out curve.json -- train.py

    The script runs in a process of its own. Its optimizer's LR rises from step to step, all param groups
    alike; after each step the loss of a fixed set of its first samples is evaluated. When the test is over
    the script is ended. Nothing of it is recorded, but files that the script itself writes during these
    steps are written: give it a folder of its own if that matters.

    A range test sees how fast the loss falls, not how well the model generalises: on small data sets that
    are gone through often it suggests too much. `traindoctor prescribe` compares validation losses instead.

    Exit code 0 with a suggestion, 1 without one.
    """
    from .collectors.driving.orders import RangeTest
    from .lr_finding import check_suffix, find_in_script, write_answer

    for path in outs:
        check_suffix(path)
    test = RangeTest(minimum, maximum, steps, "linear" if mode == "linear" else "exp")
    with progress(f"{repeats} range tests of {steps} steps"):
        found = find_in_script(
            command, test, repeats=repeats, seed=seed, seed_argument=seed_argument, timeout=timeout
        )
    for sentence in found.sentences():
        click.echo(plain(sentence))
    for path in outs:
        write_answer(found, path, lang)
        click.echo(path)
    if not found:
        raise SystemExit(1)
