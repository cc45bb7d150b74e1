"""The one x axis of an unknown text log: readings are held until it is clear what the log counts."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from .endings import Endings, is_evidence
from .logbook import Logbook

HELD = 20_000
"""Readings looked at before the axis is chosen."""

LEAST_RUN = 10
"""Rows of a run without steps before another can begin."""

NUMBERS = re.compile(r"\d+")

STEP, EPOCH, BOUND = "step", "epoch", "bound"


@dataclass(slots=True)
class Reading:
    """The values of one line and where the log says they belong.

    Attributes:
        line: line number.
        level: `step` for a line with a step of its own, `epoch` for one with an epoch, `bound` for one that
            belongs to what was said before.
        values: by the source's names.
        epoch: epoch in force, None before the first.
        step: step in force.
        total: steps per epoch, or in all, as the line tells.
        by_batch: the step is told per epoch.
        by_sample: the step counts samples.
        by_episode: the epoch counts episodes.
    """

    line: int
    level: str
    values: dict[str, float]
    epoch: float | None = None
    step: float | None = None
    total: float | None = None
    by_batch: bool = False
    by_sample: bool = False
    by_episode: bool = False


@dataclass
class Axis:
    """How x is made from a reading.

    Attributes:
        unit: what x counts.
        kind: `rows`, `epochs`, `steps`, or `local` for steps that begin anew in every epoch.
        per_epoch: steps per epoch.
        base: number of the first epoch.
    """

    unit: str
    kind: str
    per_epoch: float = 0.0
    base: float = 1.0


@dataclass
class Binder:
    """Gives every reading its x and pours it.

    Attributes:
        log: where the rows go.
        endings: what settles the status of the runs.
        axis: how x is made; None until it is chosen.
    """

    log: Logbook
    endings: Endings
    axis: Axis | None = None
    _held: list[Reading | tuple[int, str]] = field(default_factory=list[Reading | tuple[int, str]])
    _owners: dict[str, str] = field(default_factory=dict[str, str])
    _last_step: float = 0.0
    _total: float = 0.0
    _rows: int = 0
    _stepped: float | None = None
    _opening: str = ""

    def add(self, reading: Reading) -> None:
        """Take the next reading of the file."""
        if self.axis is not None:
            self._pour(reading)
            return
        self._held.append(reading)
        if len(self._held) >= HELD:
            self.settle()

    def see(self, number: int, line: str) -> None:
        """A line without values: it may tell how the run ended."""
        if self.axis is None:
            if is_evidence(line) or self._opens(line):
                self._held.append((number, line))
        elif self.axis.kind == "rows" and self._rows >= LEAST_RUN and self._opens(line):
            self._rows = 0
            self.endings.restart()
            self.log.note(
                "a line with which the log begins comes again: taken for the start of another run",
                line=number,
            )
        else:
            self.endings.see(number, line)

    def _opens(self, line: str) -> bool:
        """Whether a line is how a program begins: the first words of this log, or printed arguments."""
        shape = NUMBERS.sub("#", line[:300].strip())
        if not self._opening:
            self._opening = shape if sum(map(str.isalpha, shape)) >= 8 else "-"
        return shape == self._opening or line.startswith(("Namespace(", "usage: "))

    def settle(self) -> None:
        """Choose the axis and pour what was held."""
        if self.axis is None:
            readings = [entry for entry in self._held if isinstance(entry, Reading)]
            self.axis = chosen_axis(readings)
            self.log.x_unit = self.axis.unit
            self._explain()
        held, self._held = self._held, []
        for entry in held:
            if isinstance(entry, Reading):
                self._pour(entry)
            else:
                self.see(*entry)

    def _explain(self) -> None:
        axis = self.axis
        if axis is None:
            return
        if axis.kind == "local":
            self.log.note(
                f"steps begin anew in every epoch of {axis.per_epoch:g}; x counts them through all epochs"
            )
        if axis.kind == "rows":
            self.log.note("the log counts neither steps nor single epochs; x is the number of the row")

    def _pour(self, reading: Reading) -> None:
        axis = self.axis
        assert axis is not None
        if axis.kind == "rows":
            if reading.epoch is not None:
                reading.values["epoch"] = reading.epoch
            self.endings.row(float(self._rows), reading.values)
            self._rows += 1
            return
        if reading.epoch is None and reading.step is None:
            self.log.note("values before the first epoch or step were left out", line=reading.line)
            return
        if axis.kind == "epochs":
            if reading.epoch is None or reading.level == STEP:
                self.log.note("lines with a step were left out: the log counts epochs", line=reading.line)
            else:
                self.endings.row(reading.epoch, reading.values)
            return
        x = self._x(axis, reading)
        values = self._levelled(reading)
        if reading.level == STEP and reading.epoch is not None:
            values["epoch"] = reading.epoch
        self.endings.row(x, values)

    def _x(self, axis: Axis, reading: Reading) -> float:
        if axis.kind == "steps":
            if reading.level == STEP and reading.step is not None:
                self._last_step = reading.step
            return self._last_step
        if reading.by_batch and reading.total:
            self._total = reading.total
        per_epoch = self._total or axis.per_epoch
        epoch = reading.epoch if reading.epoch is not None else axis.base
        done = (epoch - axis.base) * per_epoch
        if reading.level == STEP and reading.step is not None:
            self._stepped = epoch
            return done + reading.step
        return (
            done + per_epoch if self._stepped == epoch else done
        )  # before the first batch, or behind the last

    def _levelled(self, reading: Reading) -> dict[str, float]:
        """Names under which values of steps and averages of epochs stay apart."""
        level = STEP if reading.level == STEP else EPOCH
        out: dict[str, float] = {}
        for name, value in reading.values.items():
            owner = self._owners.setdefault(name, level)
            out[name if owner == level else f"{name} ({level})"] = value
        return out


def chosen_axis(readings: list[Reading]) -> Axis:
    """The axis that fits what was read so far."""
    stepped = [r for r in readings if r.level == STEP]
    epochs = [r for r in readings if r.epoch is not None]
    told = sum(r.level == EPOCH for r in readings)
    if not stepped or (len(stepped) * 5 < told and len({r.step for r in stepped}) < 4):
        if not epochs or _repeats(readings):
            return Axis("log rows", "rows")
        return Axis("episodes" if any(r.by_episode for r in readings) else "epochs", "epochs")
    falls = _falls(stepped)
    several = len({r.epoch for r in stepped if r.epoch is not None}) > 1
    told_batches = sum(r.by_batch for r in stepped) > len(stepped) / 2
    is_local = falls if several else told_batches and stepped[0].epoch is not None
    if not is_local:
        return Axis("optimizer steps", "steps")
    base = 0.0 if any(r.epoch == 0 for r in stepped) else 1.0
    unit = "samples" if any(r.by_sample for r in stepped) else "optimizer steps"
    return Axis(unit, "local", _steps_per_epoch(stepped), base)


def _repeats(readings: list[Reading]) -> bool:
    """Whether a name often comes several times in one epoch."""
    last: dict[str, float] = {}
    again = total = 0
    for reading in readings:
        if reading.epoch is None:
            continue
        for name in reading.values:
            again += last.get(name) == reading.epoch
            last[name] = reading.epoch
            total += 1
    return again > 0.3 * total


def _falls(stepped: list[Reading]) -> bool:
    """Whether the step falls, time and again, where the epoch rises."""
    falls = rises = 0
    for before, after in pairwise(stepped):
        if before.epoch is None or after.epoch is None or after.epoch <= before.epoch:
            continue
        rises += 1
        falls += (after.step or 0.0) <= (before.step or 0.0)
    return falls > 0.5 * rises


def _steps_per_epoch(stepped: list[Reading]) -> float:
    totals = Counter(r.total for r in stepped if r.total)
    if totals:
        return float(totals.most_common(1)[0][0] or 0.0)
    steps = sorted({r.step for r in stepped if r.step is not None})
    stride = min((b - a for a, b in pairwise(steps)), default=1.0)
    return steps[-1] + (stride if steps[0] == 0 else 0.0)
