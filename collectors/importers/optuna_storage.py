"""What an Optuna storage holds, an SQLite database or a journal file, without Optuna."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.json_lines import head_objects, objects
from ..intake.logbook import Logbook
from ..intake.numbers import number
from ..intake.source import Source
from .sqlite_database import Database, is_database, opened, waits_in_journal

TABLES = ("studies", "trials", "trial_intermediate_values")
STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
# Operations of a journal.
_CREATE_STUDY, _DELETE_STUDY, _STUDY_FACT, _CREATE_TRIAL, _SET_PARAMETER = 0, 1, 2, 4, 5
_SET_STATE, _REPORT, _TRIAL_FACT = 6, 7, 8


@dataclass
class StoredTrial:
    """One trial as it is stored.

    Attributes:
        number: 0-based within its study.
        state: one of `STATES`.
        steps: of the reported values.
        values: reported during training, same length.
        parameters: in their own terms.
        forms: parameter -> distribution as JSON text.
        final: the objective, None when there is none or there are several.
        facts: user attributes.
        started: seconds since 1970, NaN when unknown.
        ended: seconds since 1970, NaN when unknown.
    """

    number: int
    state: str = "RUNNING"
    steps: list[float] = field(default_factory=list[float])
    values: list[float] = field(default_factory=list[float])
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    forms: dict[str, str] = field(default_factory=dict[str, str])
    final: float | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    started: float = math.nan
    ended: float = math.nan


@dataclass
class StoredStudy:
    """One study: its name, directions, user attributes, and trials by their id in the storage."""

    name: str
    directions: list[str] = field(default_factory=list[str])
    trials: dict[int, StoredTrial] = field(default_factory=dict[int, StoredTrial])
    facts: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def better(self) -> str:
        """`lower` or `higher`; "" unless there is one objective."""
        if len(self.directions) != 1:
            return ""
        return {"MINIMIZE": "lower", "MAXIMIZE": "higher"}.get(self.directions[0], "")


def is_storage(source: Source) -> bool:
    """Whether a file is a database with Optuna's tables, or a journal of its operations."""
    if source.head().startswith(b"{"):
        return any("op_code" in row and "worker_id" in row for row in head_objects(source)[:5])
    if not is_database(source):
        return False
    try:
        with opened(source.path, source.name) as database:
            return database.has(*TABLES)
    except UnreadableLogError:
        return False


def read_storage(source: Source, log: Logbook) -> list[StoredStudy]:
    """The studies in a file; what was left out goes into the log's notes."""
    if source.head().startswith(b"{"):
        return _from_journal(source, log)
    if waits_in_journal(source):
        log.note("rows that wait in the -wal file beside the database are not shown; close Optuna first")
    with opened(source.path, source.name) as database:
        return _from_database(database)


def _from_database(database: Database) -> list[StoredStudy]:
    studies = {
        int(key): StoredStudy(str(name)) for key, name in database.rows("studies", ("study_id", "study_name"))
    }
    for key, direction in database.rows("study_directions", ("study_id", "direction"), "objective"):
        if key in studies:
            studies[key].directions.append(str(direction))
    trials: dict[int, StoredTrial] = {}
    wanted = ("trial_id", "number", "study_id", "state", "datetime_start", "datetime_complete")
    for key, order, study, state, start, end in database.rows("trials", wanted):
        if study in studies:
            trial = StoredTrial(int(order if order is not None else len(studies[study].trials)), str(state))
            trial.started, trial.ended = _moment(start), _moment(end)
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
            trials[key].forms[str(name)] = str(form)
    _take_facts(database, studies, trials)
    for key, value, kind in database.rows("trial_values", ("trial_id", "value", "value_type")):
        if key in trials:
            trials[key].final = _special(value, kind)
    return list(studies.values())


def _take_facts(database: Database, studies: dict[int, StoredStudy], trials: dict[int, StoredTrial]) -> None:
    for table, owner, holders in (
        ("study_user_attributes", "study_id", studies),
        ("trial_user_attributes", "trial_id", trials),
    ):
        for key, name, text in database.rows(table, (owner, "key", "value_json")):
            if key in holders:
                holders[key].facts[str(name)] = _json(text)


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


def _from_journal(source: Source, log: Logbook) -> list[StoredStudy]:
    studies: dict[int, StoredStudy] = {}
    trials: dict[int, StoredTrial] = {}
    n_studies = n_trials = 0
    for line, row in objects(source, log):
        operation, study = row.get("op_code"), studies.get(_key(row.get("study_id")))
        trial = trials.get(_key(row.get("trial_id")))
        if operation == _CREATE_STUDY:
            directions = [("NOT_SET", "MINIMIZE", "MAXIMIZE")[d] for d in _small(row.get("directions"), 3)]
            studies[n_studies] = StoredStudy(str(row.get("study_name", n_studies)), directions)
            n_studies += 1
        elif operation == _DELETE_STUDY:
            studies.pop(_key(row.get("study_id")), None)
        elif operation == _STUDY_FACT:
            if study is not None:
                study.facts.update(_mapping(row.get("user_attr")))
        elif operation == _CREATE_TRIAL:
            # A trial of a study that was deleted is numbered all the same.
            made = StoredTrial(len(study.trials) if study is not None else 0)
            if study is not None:
                trials[n_trials] = study.trials[n_trials] = made
                _take_given(row, made)
            n_trials += 1
        elif trial is None:
            if operation in (_SET_PARAMETER, _SET_STATE, _REPORT, _TRIAL_FACT):
                log.note("operations on unknown trials were left out", line=line)
        elif operation == _SET_PARAMETER:
            value, form = row.get("param_value_internal"), row.get("distribution")
            trial.parameters[str(row.get("param_name"))] = _parameter(value, form)
            trial.forms[str(row.get("param_name"))] = str(form)
        elif operation == _SET_STATE:
            _take_state(row, trial)
        elif operation == _TRIAL_FACT:
            trial.facts.update(_mapping(row.get("user_attr")))
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


def _take_given(row: dict[str, Any], trial: StoredTrial) -> None:
    """A trial that was added whole brings its values along."""
    _take_state(row, trial)
    trial.facts.update(_mapping(row.get("user_attrs")))
    forms = _mapping(row.get("distributions"))
    for name, value in _mapping(row.get("params")).items():
        trial.forms[name] = str(forms.get(name))
        trial.parameters[name] = _parameter(value, forms.get(name))
    given = row.get("intermediate_values")
    for step, value in given.items() if isinstance(given, dict) else ():
        x, found = number(step), number(value)
        if x is not None and found is not None:
            trial.steps.append(x)
            trial.values.append(found)


def _take_state(row: dict[str, Any], trial: StoredTrial) -> None:
    state = row.get("state")
    if isinstance(state, int) and 0 <= state < len(STATES):
        trial.state = STATES[state]
    values = row.get("values")
    if isinstance(values, list) and len(values) == 1:
        trial.final = number(values[0])
    start, end = _moment(row.get("datetime_start")), _moment(row.get("datetime_complete"))
    trial.started = start if math.isfinite(start) else trial.started
    trial.ended = end if math.isfinite(end) else trial.ended


def _moment(text: Any) -> float:
    """Seconds since 1970; NaN for what is no time."""
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else math.nan
    except (ValueError, OverflowError, OSError):
        return math.nan


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
