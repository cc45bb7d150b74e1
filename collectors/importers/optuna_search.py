"""A stored Optuna study as a search: parameters with their ranges, and how each trial ended."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from traindoctor.errors import TraindoctorError, UnreadableLogError, UsageError
from traindoctor.search import Better, Kind, Parameter, State, Study, Trial

from ..intake.logbook import Logbook
from ..intake.source import Source
from .optuna_storage import StoredStudy, StoredTrial, is_storage, read_storage

PLAN = "traindoctor"
"""Study attribute that holds what `traindoctor tune` was asked for."""

OUTCOME, WHY, RUN, SECONDS = "outcome", "why", "run", "seconds"
"""Trial attributes that `traindoctor tune` writes."""

_STATES: Mapping[str, State] = {
    "RUNNING": "running",
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "WAITING": "waiting",
}
_KINDS: Mapping[str, Kind] = {
    "LogUniformDistribution": "log",
    "IntLogUniformDistribution": "log",
    "UniformDistribution": "uniform",
    "DiscreteUniformDistribution": "uniform",
    "FloatDistribution": "uniform",
    "IntUniformDistribution": "int",
    "IntDistribution": "int",
    "CategoricalDistribution": "choice",
}


def is_study(path: Path) -> bool:
    """Whether a file is an Optuna storage. Never raises."""
    try:
        return path.is_file() and is_storage(Source(path))
    except (TraindoctorError, OSError):
        return False


def load_study(path: Path, name: str = "") -> Study:
    """The study in an Optuna storage.

    Args:
        path: an SQLite database or a journal file.
        name: which study, where the storage holds several.

    Raises:
        UnreadableLogError: the file holds no study.
        UsageError: it holds several and `name` is none of them.
    """
    log = Logbook()
    studies = read_storage(Source(path), log)
    if not studies:
        raise UnreadableLogError(f"{path} is an Optuna storage without any study in it")
    chosen = [study for study in studies if study.name == name] if name else studies
    if len(chosen) != 1:
        known = ", ".join(repr(study.name) for study in studies[:20])
        found = f"found {name!r}" if name else "found several"
        raise UsageError(f"{path}: expected one study, {found}; it holds {known}: choose one with --study")
    return _study(chosen[0], path, log.sentences())


def _study(stored: StoredStudy, path: Path, notes: Sequence[str]) -> Study:
    plan = stored.facts.get(PLAN)
    plan = plan if isinstance(plan, dict) else {}
    trials = sorted(stored.trials.values(), key=lambda trial: trial.number)
    command = plan.get("command")
    return Study(
        stored.name,
        cast("Better", stored.better),
        str(plan.get("objective", "")),
        tuple(_parameters(trials, plan)),
        tuple(_trial(trial) for trial in trials),
        tuple(map(str, command)) if isinstance(command, list) else (),
        str(plan.get("method", "")),
        str(path),
        tuple(notes),
    )


def _parameters(trials: Sequence[StoredTrial], plan: Mapping[str, Any]) -> list[Parameter]:
    """In the order of the plan where there is one, else of their first use; the widest range seen."""
    hooked = plan.get("hooked", [])
    order = plan.get("order", [])
    found: dict[str, Parameter] = {name: Parameter(name, "choice") for name in order if isinstance(name, str)}
    for trial in trials:
        for name, form in trial.forms.items():
            parameter = _parameter(name, form, is_hook=name in hooked)
            if parameter is not None:
                found[name] = _wider(found.get(name), parameter)
    return [parameter for parameter in found.values() if parameter.is_numeric or parameter.choices]


def _parameter(name: str, form: str, *, is_hook: bool) -> Parameter | None:
    try:
        document = json.loads(form)
        kind, facts = _KINDS[document["name"]], document["attributes"]
        if kind == "choice":
            return Parameter(name, "choice", choices=tuple(facts["choices"]), is_hook=is_hook)
        kind = "log" if facts.get("log") else kind
        step = int(facts.get("step") or 1) if kind == "int" else 1
        low, high = float(facts["low"]), float(facts["high"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (kind == "log" and low <= 0):
        return None
    return Parameter(name, kind, low, high, max(step, 1), is_hook=is_hook)


def _wider(known: Parameter | None, new: Parameter) -> Parameter:
    if known is None or known.kind != new.kind or not known.is_numeric:
        return new
    low, high = min(known.low, new.low), max(known.high, new.high)
    return Parameter(new.name, new.kind, low, high, new.step, is_hook=new.is_hook)


def _trial(stored: StoredTrial) -> Trial:
    facts = stored.facts
    state = _STATES.get(stored.state, "failed")
    if (told := facts.get(OUTCOME)) in ("diverged", "lost") and state in ("complete", "failed"):
        state = cast("State", told)
    value = stored.final if stored.final is not None else math.nan
    if state == "pruned" and math.isnan(value) and stored.values:
        value = stored.values[-1]
    elif state == "complete" and not math.isfinite(value):
        state = "diverged"
    seconds = facts.get(SECONDS)
    return Trial(
        stored.number,
        state,
        dict(stored.parameters),
        value,
        tuple(zip(stored.steps, stored.values, strict=True)),
        float(seconds) if isinstance(seconds, (int, float)) else stored.ended - stored.started,
        str(facts.get(WHY, "")),
        str(facts.get(RUN, "")),
    )
