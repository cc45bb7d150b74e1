"""Options that several commands share, and how their texts become values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

T = TypeVar("T")

RUN_HELP = (
    "RUN is a path, an id, the beginning of an id, or nothing for the newest finished run. A path may be a "
    "log of another tool, a folder or glob of logs, an address (s3://…), or - for standard input."
)


def percent(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """`2%` or `0.02` as a fraction."""
    del ctx, parameter
    if value is None:
        return None
    try:
        return float(value[:-1]) / 100 if value.endswith("%") else float(value)
    except ValueError:
        raise click.BadParameter(f"expected a share such as 2% or 0.02, found {value!r}") from None


def column_map(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """`loss=train_ce,step=it` as a mapping."""
    del ctx, parameter
    pairs = [pair for text in value for pair in text.split(",")]
    if wrong := [pair for pair in pairs if not pair.partition("=")[2].strip()]:
        raise click.BadParameter(f"expected NAME=COLUMN such as loss=train_ce, found {wrong[0]!r}")
    split = [pair.partition("=") for pair in pairs]
    return {name.strip(): column.strip() for name, _, column in split}


def log_options(function: Callable[..., T]) -> Callable[..., T]:
    """The options that say how to read a log of another tool."""
    for option in (
        click.option(
            "--map",
            "columns",
            multiple=True,
            callback=column_map,
            metavar="NAME=COLUMN,…",
            help="Columns of a table: loss, val_loss, lr, accuracy, step or epoch = the column's name.",
        ),
        click.option("--as", "importer", default="", metavar="FORMAT", help="Read the log as this format."),
        click.option(
            "--run",
            "number",
            type=click.IntRange(min=1),
            metavar="N",
            help="Which run of a log that holds several.",
        ),
    ):
        function = option(function)
    return function


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


LANGUAGES = ("en", "zh")


def lang_option(function: Callable[..., T]) -> Callable[..., T]:
    """The language of a report: option, environment, [tool.traindoctor], English."""
    option = click.option(
        "--lang",
        type=click.Choice(LANGUAGES),
        envvar="TRAINDOCTOR_LANG",
        default=project_language,
        show_default="en, or `lang` of [tool.traindoctor]",
        help="Language of the report: English or Simplified Chinese; JSON is always English.",
    )
    return option(function)


def project_language() -> str:
    """`lang` of the nearest pyproject.toml."""
    from .project_settings import project_settings

    found: str = project_settings(Path.cwd()).get("lang", LANGUAGES[0])
    return found


class ScriptCommand(click.Command):
    """A command whose line may end with `-- train.py …`; the words after `--` are put into `ctx.meta`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the script away before click counts the arguments."""
        words: list[str] = []
        if "--" in args:
            place = args.index("--")
            args, words = args[:place], args[place + 1 :]
            if not words:
                raise click.UsageError("expected a script after --, found nothing", ctx)
        ctx.meta[SCRIPT_KEY] = tuple(words)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line, script included."""
        return [*super().collect_usage_pieces(ctx), "[-- SCRIPT ARGS…]"]


SCRIPT_KEY = "traindoctor.script"


def script_words() -> tuple[str, ...]:
    """The words after `--` of the command that runs now, () when there were none."""
    words: tuple[str, ...] = click.get_current_context().meta[SCRIPT_KEY]
    return words
