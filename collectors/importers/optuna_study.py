"""Optuna studies: the intermediate values of each trial, from an SQLite storage or a journal file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.companions import plain
from ..intake.importer import CERTAIN
from ..intake.json_lines import head_objects, objects
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number
from ..intake.source import Source
from .sqlite_database import Database, is_database, opened, waits_in_journal

_TABLES = ("studies", "trials", "trial_intermediate_values")
_SERIES = "intermediate value"
_STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
_STATUS = {"RUNNING": "running", "COMPLETE": "finished", "PRUNED": "killed", "FAIL": "failed"}
_MAX_TRIALS = 10_000
# Operations of a journal.
_CREATE_STUDY, _DELETE_STUDY, _CREATE_TRIAL, _SET_PARAMETER, _SET_STATE, _REPORT = 0, 1, 4, 5, 6, 7


@dataclass
class _Trial:
    number: int
    state: str = "RUNNING"
    steps: list[float] = field(default_factory=list[float])
    values: list[float] = field(default_factory=list[float])
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    final: float | None = None


@dataclass
class _Study:
    name: str
    directions: list[str] = field(default_factory=list[str])
    trials: dict[int, _Trial] = field(default_factory=dict[int, _Trial])


class OptunaStudy:
    """What `trial.report` stored: a curve per trial."""

    slug = "optuna"
    name = "Optuna study"

    def recognises(self, source: Source) -> float:
        """A database with Optuna's tables, or a journal of its operations."""
        if source.head().startswith(b"{"):
            rows = head_objects(source)[:5]
            return CERTAIN if any("op_code" in r and "worker_id" in r for r in rows) else 0.0
        if not is_database(source):
            return 0.0
        try:
            with opened(source.path, source.name) as database:
                return CERTAIN if database.has(*_TABLES) else 0.0
        except UnreadableLogError:
            return 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """Every trial that reported values is a run."""
        if source.head().startswith(b"{"):
            studies = _from_journal(source, log)
        else:
            if waits_in_journal(source):
                log.note(
                    "rows that wait in the -wal file beside the database are not shown; close Optuna first"
                )
            with opened(source.path, source.name) as database:
                studies = _from_database(database)
        _pour(studies, source.name, log)


def _pour(studies: list[_Study], name: str, log: Logbook) -> None:
    log.x_unit = "steps"
    n_trials = n_silent = 0
    for study in studies:
        better = _direction(study)
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


def _direction(study: _Study) -> str:
    if len(study.directions) != 1:
        return ""
    return {"MINIMIZE": "lower", "MAXIMIZE": "higher"}.get(study.directions[0], "")


def _described(study: _Study) -> str:
    finals = [trial.final for trial in study.trials.values() if trial.final is not None]
    finals = [value for value in finals if math.isfinite(value)]
    better = _direction(study)
    best = (min(finals) if better == "lower" else max(finals)) if finals and better else None
    states = [trial.state for trial in study.trials.values()]
    counts = ", ".join(f"{states.count(state)} {state.lower()}" for state in _STATES if state in states)
    shown = f", best value {best:g}" if best is not None else ""
    return f"study `{study.name}`: {len(states)} trials ({counts}){shown}"


def _from_database(database: Database) -> list[_Study]:
    studies = {
        int(key): _Study(str(name)) for key, name in database.rows("studies", ("study_id", "study_name"))
    }
    for key, direction in database.rows("study_directions", ("study_id", "direction"), "objective"):
        if key in studies:
            studies[key].directions.append(str(direction))
    trials: dict[int, _Trial] = {}
    for key, order, study, state in database.rows("trials", ("trial_id", "number", "study_id", "state")):
        if study in studies:
            trial = _Trial(int(order if order is not None else len(studies[study].trials)), str(state))
            trials[key] = studies[study].trials[key] = trial
    columns = ("trial_id", "step", "intermediate_value", "intermediate_value_type")
    for key, step, value, kind in database.rows("trial_intermediate_values", columns, "trial_id, step"):
        x, found = number(step), _special(value, kind)
        if key in trials and x is not None and found is not None:
            trials[key].steps.append(x)
            trials[key].values.append(found)
    for key, name, value, form in database.rows(
        "trial_params", ("trial_id", "param_name", "param_value", "distribution_json")
    ):
        if key in trials:
            trials[key].parameters[str(name)] = _parameter(value, form)
    for key, value, kind in database.rows("trial_values", ("trial_id", "value", "value_type")):
        if key in trials:
            trials[key].final = _special(value, kind)
    return list(studies.values())


def _special(value: Any, kind: Any) -> float | None:
    """A stored value; SQL has no NaN and no infinity, so a second column holds those."""
    spelled = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}.get(str(kind))
    return spelled if spelled is not None else number(value)


def _parameter(value: Any, form: Any) -> Any:
    """A parameter in its own terms; choices are stored as their index."""
    try:
        choices = json.loads(form)["attributes"]["choices"] if "choices" in str(form) else None
        return choices[int(value)] if choices is not None else value
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return value


def _from_journal(source: Source, log: Logbook) -> list[_Study]:
    studies: dict[int, _Study] = {}
    trials: dict[int, _Trial] = {}
    n_studies = n_trials = 0
    for line, row in objects(source, log):
        operation, study = row.get("op_code"), studies.get(_key(row.get("study_id")))
        trial = trials.get(_key(row.get("trial_id")))
        if operation == _CREATE_STUDY:
            directions = [("NOT_SET", "MINIMIZE", "MAXIMIZE")[d] for d in _small(row.get("directions"), 3)]
            studies[n_studies] = _Study(str(row.get("study_name", n_studies)), directions)
            n_studies += 1
        elif operation == _DELETE_STUDY:
            studies.pop(_key(row.get("study_id")), None)
        elif operation == _CREATE_TRIAL:
            # A trial of a study that was deleted is numbered all the same.
            made = _Trial(len(study.trials) if study is not None else 0)
            if study is not None:
                trials[n_trials] = study.trials[n_trials] = made
                _take_given(row, made)
            n_trials += 1
        elif trial is None:
            if operation in (_SET_PARAMETER, _SET_STATE, _REPORT):
                log.note("operations on unknown trials were left out", line=line)
        elif operation == _SET_PARAMETER:
            value, form = row.get("param_value_internal"), row.get("distribution")
            trial.parameters[str(row.get("param_name"))] = _parameter(value, form)
        elif operation == _SET_STATE:
            _take_state(row, trial)
        elif operation == _REPORT:
            x, found = number(row.get("step")), number(row.get("intermediate_value"))
            if x is not None and found is not None:
                trial.steps.append(x)
                trial.values.append(found)
    return list(studies.values())


def _key(value: Any) -> int:
    return value if isinstance(value, int) else -1


def _small(values: Any, most: int) -> list[int]:
    return [v for v in values if isinstance(v, int) and 0 <= v < most] if isinstance(values, list) else []


def _take_given(row: dict[str, Any], trial: _Trial) -> None:
    """A trial that was added whole brings its values along."""
    _take_state(row, trial)
    given = row.get("intermediate_values")
    for step, value in given.items() if isinstance(given, dict) else ():
        x, found = number(step), number(value)
        if x is not None and found is not None:
            trial.steps.append(x)
            trial.values.append(found)


def _take_state(row: dict[str, Any], trial: _Trial) -> None:
    state = row.get("state")
    if isinstance(state, int) and 0 <= state < len(_STATES):
        trial.state = _STATES[state]
    values = row.get("values")
    if isinstance(values, list) and len(values) == 1:
        trial.final = number(values[0])
