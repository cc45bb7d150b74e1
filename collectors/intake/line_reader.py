"""Reads one line after the other in whatever words: keeps the epoch, the step and the section in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from .axis_choice import BOUND, EPOCH, STEP, Block, Reading
from .line_parser import MAX_LINE, ShapeBook
from .line_shapes import Pair, Shape, value_of
from .logbook import Logbook, Meaning
from .series_names import SPLITS, classify
from .text_axis import Binder
from .text_tables import TableReader

MAX_CONFIG = 200


class LineReader:
    """Keeps the epoch, the step and the section in force while the lines go by."""

    def __init__(self, log: Logbook, binder: Binder) -> None:
        self.log, self.binder = log, binder
        self.config: dict[str, float] = {}
        self.shapes = ShapeBook()
        self._table = TableReader()
        self._epoch: float | None = None
        self._step: float | None = None
        self._total: float | None = None
        self._is_heading = False
        self._section = ""
        self._bars = 0
        self._has_loss = False
        self._shown: dict[str, float] = {}

    def read(self, number: int, line: str) -> bool:
        """Take one line; False when it holds no value."""
        if len(line) > MAX_LINE:
            self.log.note(f"lines of more than {MAX_LINE} characters were left out", line=number)
            return False
        if line.startswith(("Namespace(", "usage: ")):
            return False
        row = self._table.row(line)
        if row is not None:
            if row:
                self._add_table_row(number, row)
            return True
        shape, numbers = self.shapes.shape(line)
        if not shape.pairs and not shape.is_heading:
            return False
        if shape.is_heading:
            self._head(shape, numbers)
            return False
        if shape.is_marked:
            self._marked(number, shape, numbers)
        else:
            self._unmarked(number, shape, numbers)
        return True

    @property
    def is_in_table(self) -> bool:
        """Whether the next line may be the row of a table."""
        return self._table.is_open

    def read_block(self, block: Block, last: Mapping[str, float], *, by_episode: bool) -> bool:
        """Take many marked lines with values at once; False, and nothing done, when they must be read singly.

        Args:
            block: what they say; its epoch is None where the lines tell none.
            last: `epoch`, `step` and `total` of the last of them, as far as it tells them.
            by_episode: the epoch counts episodes.
        """
        if block.epoch is None and self._epoch is not None:
            block = replace(block, epoch=np.full(block.size, self._epoch))
        if by_episode:
            self.log.fact(loss_role="rl")
        if not self.binder.add_block(block):
            return False
        if by_episode:  # the block may have begun another run
            self.log.fact(loss_role="rl")
        if "epoch" in last:
            self._epoch, self._step = last["epoch"], None
        if "step" in last:
            self._step, self._total = last["step"], last.get("total")
        self._is_heading, self._section = False, ""
        return True

    def _head(self, shape: Shape, numbers: list[str]) -> None:
        if shape.is_marked:
            self._move(shape, numbers)
            self._is_heading = True
        self._section = shape.section

    def _move(self, shape: Shape, numbers: list[str]) -> None:
        if shape.epoch >= 0:
            self._epoch = value_of(numbers[shape.epoch])
            self._step = None
        if shape.step >= 0:
            self._step = value_of(numbers[shape.step])
            self._total = value_of(numbers[shape.total]) if shape.total >= 0 else None

    def _marked(self, number: int, shape: Shape, numbers: list[str]) -> None:
        is_held_out = SPLITS.get(shape.section.lower()) in ("validation", "test")
        if is_held_out and shape.counts_batches:  # batches of an evaluation: its running average counts
            if shape.epoch >= 0:
                self._epoch = value_of(numbers[shape.epoch])
            self._section = shape.section
            pairs = [pair for pair in shape.pairs if pair.is_metric]
            self._emit(number, EPOCH, values_of(pairs, numbers, averaged=True))
            return
        if shape.is_bar and shape.epoch < 0:
            self._next_bar(value_of(numbers[shape.step]))
        self._move(shape, numbers)
        self._is_heading = False
        self._section = ""
        level = STEP if shape.step >= 0 else EPOCH
        values = values_of(shape.pairs, numbers, averaged=level == EPOCH)
        if shape.is_bar:
            self._forget_stale(values)
        self._declare_splits(shape.pairs)
        self._emit(number, level, values, shape)

    def _next_bar(self, step: float) -> None:
        """A progress bar without an epoch that begins anew is the next epoch."""
        if self._epoch is None or (self._bars and self._step is not None and step < self._step):
            self._bars += 1
            self._epoch = float(self._bars)

    def _forget_stale(self, values: dict[str, float]) -> None:
        """Progress bars go on showing the last evaluation; only a new value is one."""
        for name in [name for name in values if classify(name).split in ("validation", "test")]:
            if classify(name).tells_split and self._shown.get(name) == values[name]:
                del values[name]
            else:
                self._shown[name] = values[name]

    def _unmarked(self, number: int, shape: Shape, numbers: list[str]) -> None:
        is_rate = all(
            not pair.is_metric or classify(pair.name).name.startswith("lr/") for pair in shape.pairs
        )
        if is_rate and self._epoch is None and self._step is None and not self._has_loss:
            self._configure(shape.pairs, numbers)
            return
        self._has_loss = True
        pairs = [pair for pair in shape.pairs if pair.is_metric]
        prefix = self._section if self._section and not shape.section else ""
        level = STEP if self._is_heading and self._step is not None else BOUND
        self._emit(number, level, values_of(pairs, numbers, averaged=True, prefix=prefix))

    def _configure(self, pairs: Iterable[Pair], numbers: list[str]) -> None:
        for pair in pairs:
            if len(self.config) < MAX_CONFIG and not pair.slots:
                self.config.setdefault(pair.name, value_of(numbers[pair.value]))

    def _emit(self, number: int, level: str, values: dict[str, float], shape: Shape | None = None) -> None:
        by_batch = shape is not None and shape.counts_batches
        by_sample = shape is not None and shape.counts_samples
        total = self._total if level == STEP else None
        by_episode = shape is not None and shape.counts_episodes
        reading = Reading(
            number, level, values, self._epoch, self._step, total, by_batch, by_sample, by_episode
        )
        if by_episode:
            self.log.fact(loss_role="rl")
        if values:
            self.binder.add(reading)

    def _declare_splits(self, pairs: tuple[Pair, ...]) -> None:
        """`train 2.31 val 2.40` without another loss on the line are losses."""
        if not any(pair.is_split for pair in pairs) or any(p.is_metric and "lr" not in p.name for p in pairs):
            return
        for pair in pairs:
            if pair.is_split and pair.name not in self.log.meanings:
                split = SPLITS[pair.name.lower()]
                note = "the log names only the split; taken for the loss"
                self.log.declare(
                    pair.name, Meaning(f"loss/{split}", split, "lower", "loss units", note=note, rank=2)
                )

    def _add_table_row(self, number: int, row: dict[str, float]) -> None:
        level = EPOCH
        for name in list(row):
            kind = self._table.marker_of(name)
            if kind == STEP:
                self._step, level = row.pop(name), STEP
            elif kind == EPOCH:
                self._epoch = row.pop(name)
        self._emit(number, level, row)


def values_of(
    pairs: Iterable[Pair], numbers: list[str], *, averaged: bool, prefix: str = ""
) -> dict[str, float]:
    """The values of a line by their names; `averaged` prefers the averages in brackets."""
    out: dict[str, float] = {}
    for pair in pairs:
        index = pair.average if averaged and pair.average >= 0 else pair.value
        name = pair.name.format(*(numbers[i] for i in pair.slots)) if pair.slots else pair.name
        value = value_of(numbers[index])
        if pair.divisor >= 0:
            value /= value_of(numbers[pair.divisor])
        out[f"{prefix} {name}" if prefix and pair.is_bare else name] = value
    return out
