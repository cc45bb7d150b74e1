"""Command line, from the repository root: python -m benchmarks.diagnosis generate|score|errors|all|corpus."""

from __future__ import annotations

from pathlib import Path

import click
import torch
from rich.console import Console
from rich.progress import track

from traindoctor.finding import Severity
from traindoctor.run import Run

from .configuration import draw
from .corpus import answers, counted, read_index
from .corpus_table import kept_section, listed, section, with_section
from .rivals import INTRODUCTION as OF_RIVALS
from .rivals import PACKAGES, RULES, compared, package_rule
from .scoring import Judgement, judge
from .table import errors as error_lines
from .table import provenance, render
from .tasks import SPLITS
from .trials import generate as generate_split
from .trials import load_trials

N_DRAWS = {"tune": 110, "review": 246, "second-review": 420, "report": 322}
"""Draws per split that count; each is a sweep of three to seven runs, one healthy run and two faulty ones."""

ACCURACY = Path("docs/accuracy.md")
NOTES = Path(__file__).parent / "notes.md"
"""What a reader of the tables has to know, written by hand after they were made."""

START, END = "<!-- rivals: begin -->", "<!-- rivals: end -->"
FROZEN = "2026-11-22 at 01:33 UTC, at commit 8f282aa"
INTRODUCTION = f"""# How right the detectors are

Made by `python -m benchmarks.diagnosis all`; how the runs are made is in `benchmarks/diagnosis/README.md`.
The thresholds were set on the splits `tune`, `review` and `second-review`; the split `report` holds other
tasks, and nine fault kinds that were kept out of tuning altogether. The reviews were the report split until
their verdicts had been looked at: `review` by the detectors of ee791a9 (false alarms on 15 of 226 healthy
runs), `second-review` by those of d002e7d (5 of 302); since then they count as tuning, with the seven and
the nine fault kinds they brought. The detectors were frozen on {FROZEN}, before any verdict on the draws
below was seen; nothing was changed after it but a sentence that says why a check could not answer, and one
more reason for TD505 to abstain, which changes no verdict below.
"""

SPLIT = click.option("--split", type=click.Choice(SPLITS), default="tune", show_default=True)
DRAWS = click.option("--draws", type=int, default=0, help="Number of draws; 0 for all.")
JOBS = click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Training processes."
)
WRITE = click.option("--write", is_flag=True, help=f"Also write {ACCURACY}.")


@click.group(help=__doc__)
def main() -> None:
    """The command line."""


@main.command()
@SPLIT
@DRAWS
@JOBS
def generate(split: str, draws: int, jobs: int) -> None:
    """Train what is missing in the cache."""
    generate_split(split, draws or N_DRAWS[split], jobs=jobs)


@main.command()
@SPLIT
@DRAWS
@WRITE
def score(split: str, draws: int, write: bool) -> None:
    """Diagnose the cached runs and print the tables."""
    publish([render(split, judgements(split, draws))], write)


@main.command()
@DRAWS
def errors(draws: int) -> None:
    """List each false alarm, missed fault and wrong cause of the tune split."""
    click.echo(error_lines(judgements("tune", draws)))


@main.command()
@DRAWS
def twins(draws: int) -> None:
    """Compare the real recorder with the reference recorder on draws of the tune split."""
    from .twins import differences, record_twice

    torch.set_num_threads(1)
    for index in range(draws or 11):
        config = draw("tune", index)
        found = list(differences(*record_twice(config)))
        click.echo(
            f"{index} {config.task} {config.architecture} {config.optimizer}: {len(found)} differences"
        )
        for difference in found:
            click.echo(f"    {difference.name}: {difference.what}")


@main.command()
@click.option(
    "--corpus",
    "place",
    type=click.Path(path_type=Path),
    default=Path("../shared/corpus"),
    show_default=True,
    help="Folder with index.csv and the logs.",
)
@click.option("--half", type=click.Choice(["tune", "report", "both"]), default="tune", show_default=True)
@click.option("--errors", "lists_errors", is_flag=True, help="List each wrong answer; the tune half only.")
@WRITE
def corpus(place: Path, half: str, lists_errors: bool, write: bool) -> None:
    """Diagnose the labelled logs of other tools and print the tables."""
    from traindoctor import diagnose, load_runs

    try:
        rows = read_index(place)
    except FileNotFoundError as missing:
        click.echo(f"skipped: {missing}")
        return
    halves = ("report", "tune") if half == "both" else (half,)
    found = {name: list(answers(place, counted(rows, name), load_runs, diagnose)) for name in halves}
    if lists_errors and half == "tune":
        click.echo(listed(found["tune"]))
    text = section(found)
    click.echo(text)
    if write:
        known = ACCURACY.read_text(encoding="utf-8") if ACCURACY.is_file() else INTRODUCTION
        ACCURACY.write_text(with_section(known, text), encoding="utf-8")


@main.command()
@click.option("--split", type=click.Choice(SPLITS), default="report", show_default=True)
@DRAWS
@click.option(
    "--programs",
    type=click.Path(path_type=Path),
    default=Path("/nowhere"),
    help="Folder with the commands runmedic and trainspotter, of an environment of their own.",
)
@WRITE
def rivals(split: str, draws: int, programs: Path, write: bool) -> None:
    """Score the rules of other tools, and two packages, on the cached runs."""
    from traindoctor.analyzer.engine import diagnose

    def ours(run: Run) -> bool:
        return any(f.severity is not Severity.INFO for f in diagnose(run).findings)

    packages = {name: package_rule(programs, name) for name in PACKAGES}
    absent = [name for name, rule in packages.items() if rule is None]
    rules = [("traindoctor", ours), *RULES.items(), *((n, r) for n, r in packages.items() if r is not None)]
    trials = load_trials(split, n_draws=draws)
    note = f"Not installed, so not measured: {', '.join(absent)}.\n\n" if absent else ""
    when = f"Split `{split}`, scored {provenance()}."
    text = f"{START}\n{OF_RIVALS}\n{note}{when}\n\n{compared(trials, rules)}\n\n{END}\n"
    click.echo(text)
    if write:
        known = ACCURACY.read_text(encoding="utf-8") if ACCURACY.is_file() else INTRODUCTION
        before, _, rest = known.partition(START)
        ACCURACY.write_text(f"{before.rstrip()}\n\n{text}{rest.partition(END)[2]}", encoding="utf-8")


@main.command("all")
@click.option("--draws", type=int, default=0, help="Number of draws of the report split; 0 for all.")
@JOBS
def everything(draws: int, jobs: int) -> None:
    """Train and score both splits and write docs/accuracy.md."""
    sizes = {"report": draws or N_DRAWS["report"], "tune": min(draws or N_DRAWS["tune"], N_DRAWS["tune"])}
    for split, size in sizes.items():
        generate_split(split, size, jobs=jobs)
    publish([render(split, judgements(split, size)) for split, size in sizes.items()], write=True)


def publish(parts: list[str], write: bool) -> None:
    """Prints the tables, and writes them into the documentation when asked to."""
    text = "\n".join([INTRODUCTION, NOTES.read_text(encoding="utf-8"), *parts])
    click.echo(text)
    if write:
        known = ACCURACY.read_text(encoding="utf-8") if ACCURACY.is_file() else ""
        kept = kept_section(known)
        if START in known and END in known:
            kept = START + known.partition(START)[2].partition(END)[0] + END + "\n\n" + kept
        ACCURACY.write_text(f"{text.rstrip()}\n\n{kept}" if kept else text, encoding="utf-8")


def judgements(split: str, draws: int) -> list[Judgement]:
    """What `diagnose` says about the cached runs of a split."""
    from traindoctor.analyzer.engine import diagnose

    console = Console(stderr=True)
    trials = load_trials(split, n_draws=draws)
    bar = track(trials, f"{split} diagnoses", console=console, disable=not console.is_terminal)
    return [judge(trial, diagnose) for trial in bar]


if __name__ == "__main__":
    main()
