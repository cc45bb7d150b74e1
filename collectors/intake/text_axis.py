"""The one x axis of an unknown text log: readings are held until it is clear what the log counts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from traindoctor.run import Floats

from .axis_choice import EPOCH, STEP, Axis, Block, Reading, chosen_axis
from .endings import Endings, is_evidence
from .logbook import Logbook

HELD = 20_000
"""Readings looked at before the axis is chosen."""

LEAST_RUN = 10
"""Rows of a run without steps before another can begin."""

NUMBERS = re.compile(r"\d+")


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

    def add_block(self, block: Block) -> bool:
        """Take the next readings at once; False when they must be added one by one."""
        axis = self.axis
        if axis is None or (axis.kind == "epochs" and block.level == STEP):
            return False
        every = np.arange(block.size)
        values = dict(block.values)
        x: Floats | None
        if axis.kind == "rows":
            x = np.arange(self._rows, self._rows + block.size, dtype=np.float64)
        elif axis.kind == "epochs":
            x = block.epoch
        else:
            x = self._block_x(axis, block)
            owners = {name: self._owners.get(name) for name in values}
            if None in owners.values():
                return False
            level = STEP if block.level == STEP else EPOCH
            values = {
                name if owners[name] == level else f"{name} ({level})": column
                for name, column in values.items()
            }
        if block.epoch is not None and (
            axis.kind == "rows" or (axis.kind != "epochs" and block.level == STEP)
        ):
            values["epoch"] = every, block.epoch
        if x is None or not np.isfinite(x).all():
            return False
        if not self.log.takes(values, sum(at.size for at, _ in values.values())):
            return False
        self._rows += block.size if axis.kind == "rows" else 0
        if block.level == STEP and axis.kind == "steps" and block.step is not None:
            self._last_step = float(block.step[-1])
        if block.level == STEP and axis.kind == "local":
            self._total = self._block_total(block)
            self._stepped = float(block.epoch[-1]) if block.epoch is not None else axis.base
        self.endings.rows(x, values)
        return True

    def _block_total(self, block: Block) -> float:
        return block.total if block.by_batch and block.total else self._total

    def _block_x(self, axis: Axis, block: Block) -> Floats:
        """See `_x`."""
        if axis.kind == "steps":
            if block.level == STEP and block.step is not None:
                return block.step
            return np.full(block.size, self._last_step)
        per_epoch = self._block_total(block) or axis.per_epoch
        epoch = block.epoch if block.epoch is not None else np.full(block.size, axis.base)
        with np.errstate(all="ignore"):
            done = (epoch - axis.base) * per_epoch
            if block.level == STEP and block.step is not None:
                return done + block.step
            return done if self._stepped is None else np.where(epoch == self._stepped, done + per_epoch, done)

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

    @property
    def is_counted(self) -> bool:
        """Whether the log counts something: lines without values then matter only as evidence of an end."""
        return self.axis is not None and self.axis.kind != "rows"

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
