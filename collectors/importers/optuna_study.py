"""Optuna studies: the intermediate values of each trial, from an SQLite storage or a journal file."""

from __future__ import annotations

import math

from traindoctor.errors import UnreadableLogError

from ..intake.companions import plain
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.source import Source
from .optuna_storage import STATES, StoredStudy, is_storage, read_storage

_SERIES = "intermediate value"
_STATUS = {"RUNNING": "running", "COMPLETE": "finished", "PRUNED": "killed", "FAIL": "failed"}
_MAX_TRIALS = 10_000


class OptunaStudy:
    """What `trial.report` stored: a curve per trial."""

    slug = "optuna"
    name = "Optuna study"

    def recognises(self, source: Source) -> float:
        """A database with Optuna's tables, or a journal of its operations."""
        return CERTAIN if is_storage(source) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """Every trial that reported values is a run."""
        _pour(read_storage(source, log), source.name, log)


def _pour(studies: list[StoredStudy], name: str, log: Logbook) -> None:
    log.x_unit = "steps"
    n_trials = n_silent = 0
    for study in studies:
        better = study.better
        for trial in list(study.trials.values())[:_MAX_TRIALS]:
            n_trials += 1
            if not trial.steps:
                n_silent += 1
                continue
            log.new_run(f"{study.name} trial {trial.number}")
            log.fact(name=f"{study.name} trial {trial.number}", config=plain(trial.parameters))
            log.fact(status=_STATUS.get(trial.state, "unknown"), loss_role="objective")
            log.columns(_SERIES, trial.steps, trial.values)
        log.declare(_SERIES, Meaning("objective/validation", "validation", better))
        log.note(_described(study))
    if not log.series:
        raise UnreadableLogError(
            f"{name} holds {len(studies)} Optuna studies with {n_trials} trials, and none reported values "
            "during its training (trial.report): final figures, no curve"
        )
    if n_silent:
        log.note(f"{n_silent} of {n_trials} trials reported no values during training and were left out")
    log.note("x is the step that was passed to trial.report; Optuna does not say what it counts")


def _described(study: StoredStudy) -> str:
    finals = [trial.final for trial in study.trials.values() if trial.final is not None]
    finals = [value for value in finals if math.isfinite(value)]
    better = study.better
    best = (min(finals) if better == "lower" else max(finals)) if finals and better else None
    states = [trial.state for trial in study.trials.values()]
    counts = ", ".join(f"{states.count(state)} {state.lower()}" for state in STATES if state in states)
    shown = f", best value {best:g}" if best is not None else ""
    return f"study `{study.name}`: {len(states)} trials ({counts}){shown}"
