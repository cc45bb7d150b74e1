"""A hyper-parameter search: what was searched, every trial of it, and what the trials say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["log", "uniform", "int", "choice"]
"""How a parameter is drawn: evenly in its logarithm, evenly, evenly among whole numbers, from a list."""

State = Literal["complete", "pruned", "diverged", "failed", "lost", "running", "waiting"]
"""How a trial ended. `pruned`: stopped early, so its final value is unknown (censored). `lost`: its worker
died, and its parameters were queued again."""

Better = Literal["lower", "higher", ""]


@dataclass(frozen=True)
class Parameter:
    """One searched parameter.

    Attributes:
        name: what the user calls it.
        kind: see `Kind`.
        low: lower bound, inclusive; NaN for a choice.
        high: upper bound, inclusive; NaN for a choice.
        step: distance between two whole numbers of an `int`.
        choices: the values of a `choice`, in order.
        is_hook: set through the optimizer's step hook; otherwise an argument of the script.
    """

    name: str
    kind: Kind
    low: float = math.nan
    high: float = math.nan
    step: int = 1
    choices: tuple[Any, ...] = ()
    is_hook: bool = False

    @property
    def is_numeric(self) -> bool:
        """Whether its values have an order and a range."""
        return self.kind != "choice"


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: 0-based, in the order in which trials were begun.
        state: see `State`.
        parameters: name -> value.
        value: the objective; NaN when the trial has none. A pruned trial has the last one it reported.
        reports: (evaluation or step, value), as reported during the trial.
        seconds: wall-clock length, NaN when unknown.
        why: one sentence for a trial that is not `complete`.
        run: folder of its recorded run, "" when there is none.
    """

    number: int
    state: State
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    value: float = math.nan
    reports: tuple[tuple[float, float], ...] = ()
    seconds: float = math.nan
    why: str = ""
    run: str = ""


@dataclass(frozen=True)
class Study:
    """A search as it is stored.

    Attributes:
        name: of the study.
        better: which objective is better; "" when there are several objectives.
        objective: name of the objective's series, "" when the storage does not say.
        parameters: what was searched, in the order of the command line.
        trials: by number.
        command: command line with its placeholders; () for a study of another tool.
        method: `tpe`, `gp`, `random` or `grid`; "" when unknown.
        path: the storage.
        notes: what a reader must know.
    """

    name: str
    better: Better
    objective: str = ""
    parameters: tuple[Parameter, ...] = ()
    trials: tuple[Trial, ...] = ()
    command: tuple[str, ...] = ()
    method: str = ""
    path: str = ""
    notes: tuple[str, ...] = ()

    def of_state(self, *states: State) -> tuple[Trial, ...]:
        """The trials in any of these states."""
        return tuple(trial for trial in self.trials if trial.state in states)


@dataclass(frozen=True)
class Region:
    """Where the best value of a numeric parameter lies.

    Attributes:
        parameter: its name.
        best: estimate, in the parameter's unit.
        low: lower end of the interval.
        high: upper end.
        level: share of the bootstrap estimates that lie within, e.g. 0.9.
        n_trials: completed trials behind it.
        curve: (parameter, objective) along the fitted parabola; () where none was fitted.
    """

    parameter: str
    best: float
    low: float
    high: float
    level: float
    n_trials: int
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Threshold:
    """From which value of a parameter on training diverges.

    Attributes:
        parameter: its name.
        low: largest value with which a trial below `high` ran to its end without diverging.
        high: smallest value with which a trial diverged.
        n_diverged: trials that diverged.
        n_held: trials that did not.
        is_clean: no trial above `high` held.
    """

    parameter: str
    low: float
    high: float
    n_diverged: int
    n_held: int
    is_clean: bool


@dataclass(frozen=True)
class Importance:
    """Share of the objective's variance over the searched space that one parameter explains by itself.

    Attributes:
        parameter: its name.
        share: 0..1.
        low: 5 % quantile over resampled trials.
        high: 95 % quantile.
    """

    parameter: str
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Level:
    """The trials with one value of the second parameter of an interaction.

    Attributes:
        label: the value, or a range of values.
        x: shape (n,), values of the first parameter, increasing.
        y: shape (n,), the objective.
        best: value of the first parameter with the best objective.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    best: float


@dataclass(frozen=True)
class Interaction:
    """How the best value of one parameter moves with another."""

    parameter: str
    other: str
    levels: tuple[Level, ...]
    sentence: str


@dataclass(frozen=True)
class Edge:
    """The best trial lies at a bound of the searched range."""

    parameter: str
    side: Literal["lower", "upper"]
    bound: float
    suggestion: float
    sentence: str


@dataclass(frozen=True)
class Search:
    """A study and what it says.

    Attributes:
        study: the trials.
        best: the best completed trial, None when none completed.
        sentence: the result in one or two sentences.
        command: ready-to-paste command line of the best trial, "" when unknown.
        region: of the learning rate, None when it was not searched or too few trials completed.
        threshold: None unless trials diverged and others did not.
        importances: largest first; () when they cannot be told.
        importance_fit: share of the variance that the model behind them predicts for trials it was not
            fitted to (out of bag), NaN when there is none.
        interaction: learning rate against batch size, None unless both were searched.
        edges: bounds at which the best trial lies.
        warnings: what makes the result doubtful.
        notes: what could not be told, and why.
    """

    study: Study
    best: Trial | None
    sentence: str
    command: str = ""
    region: Region | None = None
    threshold: Threshold | None = None
    importances: tuple[Importance, ...] = ()
    importance_fit: float = math.nan
    interaction: Interaction | None = None
    edges: tuple[Edge, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON values, see docs/diagnosis-json.md; numbers are not yet made JSON-safe."""
        study = self.study
        return {
            "study": study.name,
            "objective": study.objective,
            "better": study.better,
            "method": study.method,
            "sentence": self.sentence,
            "best": None if self.best is None else self.best.number,
            "command": self.command,
            "parameters": [_parameter_json(parameter) for parameter in study.parameters],
            "trials": [_trial_json(trial) for trial in study.trials],
            "region": None if self.region is None else _plain(self.region, "curve"),
            "divergence_threshold": None if self.threshold is None else _plain(self.threshold),
            "importances": [_plain(importance) for importance in self.importances],
            "importance_fit": self.importance_fit,
            "interaction": None if self.interaction is None else _interaction_json(self.interaction),
            "edges": [_plain(edge) for edge in self.edges],
            "warnings": list(self.warnings),
            "notes": [*study.notes, *self.notes],
        }


def _plain(record: Any, *left_out: str) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in left_out}


def _parameter_json(parameter: Parameter) -> dict[str, Any]:
    return {**_plain(parameter, "choices"), "choices": list(parameter.choices)}


def _trial_json(trial: Trial) -> dict[str, Any]:
    return {
        **_plain(trial, "parameters", "reports"),
        "parameters": dict(trial.parameters),
        "reports": [list(report) for report in trial.reports],
    }


def _interaction_json(interaction: Interaction) -> dict[str, Any]:
    levels = [{"label": level.label, "n": len(level.x), "best": level.best} for level in interaction.levels]
    return {**_plain(interaction, "levels"), "levels": levels}
