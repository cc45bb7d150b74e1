"""What a run was started with, as one flat list of settings, and which of them is its seed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .json_values import jsonable
from .run import Run

Settings = Mapping[tuple[str, str], str]
"""(part, name) -> value as text; parts: `command`, `config`, `git`, `optimizer`, `data`, `environment`."""

_NAMES_A_PLACE = frozenset(
    [
        "out",
        "output",
        "outdir",
        "outputdir",
        "logdir",
        "savedir",
        "workdir",
        "rundir",
        "checkpointdir",
        "ckptdir",
        "folder",
        "name",
        "run",
        "runname",
        "expname",
        "experiment",
        "experimentname",
        "tag",
        "device",
    ]
)
"""Options that say where results go or what they are called; two runs that differ in them train alike."""
MEASURED = frozenset({"overhead"})
"""What the recorder tells of itself among the facts of the environment: no setting of the run."""


def settings_of(run: Run) -> dict[tuple[str, str], str]:
    """Every recorded setting of a run, command line first."""
    info = run.info
    found: dict[tuple[str, str], str] = {}
    command = info.config.get("command")
    if isinstance(command, (list, tuple)):
        found |= {("command", name): value for name, value in _options([str(word) for word in command])}
    for key, value in info.config.items():
        if key not in ("command", "git"):
            found |= {("config", name): text for name, text in _flat({key: value})}
    git = info.config.get("git")
    if isinstance(git, Mapping):
        found |= {("git", name): text for name, text in _flat(git)}
    for index, optimizer in enumerate(info.optimizers):
        which = "" if index == 0 else f"{index + 1} "
        found["optimizer", f"{which}class"] = optimizer.name
        if optimizer.scheduler:
            found["optimizer", f"{which}scheduler"] = optimizer.scheduler
        for group in optimizer.groups:
            prefix = f"{which}group {group.get('label', '')} " if len(optimizer.groups) > 1 else which
            kept = {key: value for key, value in group.items() if key != "label"}
            found |= {("optimizer", f"{prefix}{name}"): text for name, text in _flat(kept)}
    found |= {("data", name): text for name, text in _data(run)}
    kept = {key: value for key, value in info.environment.items() if key not in MEASURED}
    found |= {("environment", name): text for name, text in _flat(kept)}
    return found


def seed_of(settings: Settings) -> str:
    """The seed among the settings, "" without one; several are joined."""
    return ", ".join(value for (_, name), value in settings.items() if _is_seed(name))


def recipe_of(settings: Settings) -> frozenset[tuple[str, str, str]]:
    """What decides how a run trains: everything but seeds, places, names and the machine."""
    return frozenset(
        (part, name, value)
        for (part, name), value in settings.items()
        if part != "environment" and not _is_seed(name) and not _names_a_place(name) and name != "branch"
    )


def _is_seed(name: str) -> bool:
    return name.lower().endswith("seed")


def _names_a_place(name: str) -> bool:
    return re.sub(r"[^a-z]", "", re.split(r"[.:/]", name.lower())[-1]) in _NAMES_A_PLACE


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`--lr 0.1`, `--lr=0.1`, `lr=0.1` and flags by name, the rest by position."""
    position, index = 0, 0
    while index < len(words):
        word, following = words[index], words[index + 1] if index + 1 < len(words) else None
        index += 1
        name, sign, value = word.partition("=")
        if re.match(r"--?[A-Za-z]", word):
            if not sign and following is not None and not re.match(r"--?[A-Za-z]", following):
                value, index = following, index + 1
            yield name, value if sign or value else "given"
        elif sign and re.match(r"\+{0,2}[A-Za-z_][\w./@-]*$", name):
            yield name, value
        else:
            position += 1
            yield f"word {position}", word


def _flat(settings: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value not in ([], (), "", None):
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(jsonable(value))


def _data(run: Run) -> Iterator[tuple[str, str]]:
    info = run.info
    if info.batch_size:
        yield "batch size", f"{info.batch_size}"
    if info.n_classes:
        yield "classes", f"{info.n_classes}"
    if info.loss_name:
        yield "loss", info.loss_name
    if info.parameters:
        yield "parameters", f"{len(info.parameters)}"
        yield "weights", f"{sum(one.size for one in info.parameters)}"
