"""`traindoctor compare`: runs beside each other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from .cli_options import lang_option, log_options, runs_option
from .cli_runs import load_run
from .console import progress
from .errors import NothingRecordedError, UsageError

if TYPE_CHECKING:
    from .comparison import XAxis

COMPARE_HELP = (
    "A RUN is a path, an id, the beginning of an id, or a log of another tool. Runs that differ in nothing "
    "recorded but their seed are taken together: with two seeds and more of the first recipe or of the "
    "other, the difference is given with its 95 % t interval (paired where the seeds are the same) and "
    "said to be better, worse, or within seed noise; with one seed each, that no such thing can be said."
)


@click.command("compare", epilog=COMPARE_HELP)
@click.argument("references", metavar="A B [C…]", nargs=-1, required=True)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["text", "html", "md", "json"]),
    help="[default: text, or by the ending of the file]",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write.  [default: standard output]")
@click.option(
    "--x",
    "axis",
    type=click.Choice(["auto", "step", "epoch", "fraction"]),
    default="auto",
    show_default=True,
    help="What to align the curves on.",
)
@lang_option
@log_options
@runs_option
def compare(
    references: tuple[str, ...],
    kind: str | None,
    output: str | None,
    axis: str,
    lang: str,
    number: int | None,
    importer: str,
    columns: dict[str, str],
    runs: Path,
) -> None:
    """Compare runs with the first one: numbers, curves, settings, findings, and what seeds allow to say.

    \b
    traindoctor compare A B                          two runs, in the terminal
    traindoctor compare main new -o compare.html     as a page
    traindoctor compare old1 old2 old3 new1 new2 new3
    """
    from . import diagnose
    from .comparing import compare as compare_diagnoses
    from .report_templates.comparison_formats import render_comparison

    if len(references) < 2:
        raise UsageError(f"expected two runs or more, found {len(references)}: traindoctor compare A B")
    if number is not None:
        raise UsageError(
            "--run: expected no number, as several logs are read; write each run with `import -o`"
        )
    chosen = _format(kind, output)
    loaded = [load_run(reference, runs, None, importer, columns) for reference in references]
    if empty := [run for run in loaded if not run.n_steps]:
        raise NothingRecordedError(
            f"{empty[0].name or empty[0].id} holds no step: there is nothing to compare"
        )
    with progress("comparing"):
        found = compare_diagnoses(
            [diagnose(run) for run in loaded], None if axis == "auto" else cast("XAxis", axis)
        )
        target = sys.stdout.buffer if output in (None, "-") else str(output)
        render_comparison(found, target, chosen, language=lang)
    if output not in (None, "-"):
        click.echo(output)


def _format(kind: str | None, output: str | None) -> str:
    if kind is not None:
        return kind
    ending = Path(output).suffix.lower() if output else ""
    known = {"": "text", ".txt": "text", ".html": "html", ".htm": "html", ".md": "md", ".json": "json"}
    if ending not in known:
        raise UsageError(
            f"-o: expected a name ending in .html, .md, .json or .txt, found {output!r}; or --format"
        )
    return known[ending]
