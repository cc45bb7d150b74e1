"""Several runs beside each other: numbers, settings, findings, and what seeds allow to conclude."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from .json_values import jsonable
from .run import Run

XAxis = Literal["step", "epoch", "fraction"]
"""What the runs are aligned on: their own x axis, passes over the data, or the share of each run."""

Word = Literal["better", "worse", "higher", "lower", "same", "unknown"]

Basis = Literal["paired", "unpaired", "one-run"]
"""Runs of equal seeds subtracted; two groups of seeds; several seeds against a single run."""

Conclusion = Literal["better", "worse", "seed-noise"]

FORMAT = 1
"""Version of the JSON form."""


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """One of the runs.

    Attributes:
        run: the run itself, for its curves.
        label: `A` for the first, …
        arm: runs of one arm differ in nothing recorded but their seed; 0 is that of the first run.
        seed: the recorded seed as text, "" when none was recorded.
        state: state of its verdict.
        sentence: its verdict.
    """

    run: Run
    label: str
    arm: int
    seed: str
    state: str
    sentence: str


@dataclass(frozen=True)
class Number:
    """One headline number of every run.

    Attributes:
        name: what it is.
        unit: its unit.
        better: `lower`, `higher`, or "" where neither is.
        is_outcome: it tells how well the training went (a loss or metric), not what it was given.
        values: one per run; NaN where the run has none.
        places: where on its x axis each was reached; -1 where that means nothing.
    """

    name: str
    unit: str
    better: Literal["lower", "higher", ""]
    is_outcome: bool
    values: tuple[float, ...]
    places: tuple[int, ...]

    def difference(self, index: int) -> float:
        """Value of a run minus that of the first one."""
        return self.values[index] - self.values[0]

    def relative(self, index: int) -> float:
        """The difference as a fraction of the first run's value; NaN where that is 0."""
        return self.difference(index) / abs(self.values[0]) if self.values[0] else math.nan

    def word(self, index: int) -> Word:
        """How a run compares with the first one."""
        difference = self.difference(index)
        if not math.isfinite(difference):
            return "unknown"
        if difference == 0:
            return "same"
        if not self.better:
            return "higher" if difference > 0 else "lower"
        return "better" if (difference < 0) == (self.better == "lower") else "worse"


@dataclass(frozen=True)
class Setting:
    """One setting that is not the same in all runs; None where a run does not have it."""

    part: str
    name: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class FoundIn:
    """One check's finding: its severity in every run, "" where the run does not have it."""

    code: str
    name: str
    severities: tuple[str, ...]


@dataclass(frozen=True)
class Spread:
    """One number over the seeds of one arm: how many runs, their mean and standard deviation (n - 1)."""

    number: str
    arm: int
    n: int
    mean: float
    sd: float


@dataclass(frozen=True)
class Effect:
    """An arm against the first one, in one number.

    Attributes:
        number: name of the number.
        arm: which arm.
        basis: how it was estimated.
        n: pairs, or runs in both arms together.
        mean: mean of the arm minus mean of the first one.
        sd: standard deviation of the differences, or the pooled one of the runs.
        low, high: 95 % t interval of `mean`.
        conclusion: `seed-noise` where the interval holds 0.
    """

    number: str
    arm: int
    basis: Basis
    n: int
    mean: float
    sd: float
    low: float
    high: float
    conclusion: Conclusion


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs beside each other; the first one is what the others are compared with.

    Attributes:
        runs: at least two.
        x: what the curves are aligned on.
        numbers: the most telling outcome first.
        settings: those that differ.
        n_equal_settings: how many are the same in all runs.
        findings: of all runs, by code.
        spreads: for arms of two runs and more.
        effects: where an arm or the first one holds two runs and more.
        cautions: sentences about what makes the runs hard to compare.
    """

    runs: tuple[ComparedRun, ...]
    x: XAxis
    numbers: tuple[Number, ...]
    settings: tuple[Setting, ...]
    n_equal_settings: int
    findings: tuple[FoundIn, ...]
    spreads: tuple[Spread, ...]
    effects: tuple[Effect, ...]
    cautions: tuple[str, ...]

    @property
    def n_arms(self) -> int:
        """Groups of runs that differ in more than their seed."""
        return len({one.arm for one in self.runs})

    @property
    def primary(self) -> Number | None:
        """The number the runs are judged by: the first outcome that all of them have."""
        known = (n for n in self.numbers if n.is_outcome and all(map(math.isfinite, n.values)))
        return next(known, None)

    def effect(self, number: str, arm: int) -> Effect | None:
        """What the seeds say about an arm in one number; None where each has a single seed."""
        return next((e for e in self.effects if e.number == number and e.arm == arm), None)

    def to_json(self) -> dict[str, Any]:
        """The JSON object of docs/comparison-json.md."""
        plain = jsonable(
            {
                "format": FORMAT,
                "x": self.x,
                "runs": [_run_json(one) for one in self.runs],
                "numbers": [_number_json(number, len(self.runs)) for number in self.numbers],
                "settings": [vars(setting) for setting in self.settings],
                "equal_settings": self.n_equal_settings,
                "findings": [vars(found) for found in self.findings],
                "spreads": [vars(spread) for spread in self.spreads],
                "effects": [vars(effect) for effect in self.effects],
                "cautions": list(self.cautions),
            }
        )
        assert isinstance(plain, dict)
        return plain


def _run_json(one: ComparedRun) -> dict[str, Any]:
    return {
        "label": one.label,
        "id": one.run.id,
        "name": one.run.name,
        "status": one.run.info.status,
        "steps": one.run.n_steps,
        "arm": one.arm,
        "seed": one.seed or None,
        "verdict": {"state": one.state, "sentence": one.sentence},
    }


def _number_json(number: Number, n_runs: int) -> dict[str, Any]:
    return {
        "name": number.name,
        "unit": number.unit,
        "better": number.better or None,
        "values": list(number.values),
        "places": [place if place >= 0 else None for place in number.places],
        "differences": [number.difference(index) for index in range(n_runs)],
        "words": [number.word(index) for index in range(n_runs)],
    }
