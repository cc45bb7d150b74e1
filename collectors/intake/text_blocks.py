"""Takes lines that differ only in their numbers in blocks: one regex each, one array for each column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from traindoctor.run import Floats, Ints

from .axis_choice import Block
from .line_reader import LineReader
from .line_shapes import Shape
from .line_templates import Template, TemplateBook
from .text_axis import Binder

MOST = 4096
"""Lines held before they are poured."""

LEAST = 12
"""Fewer lines are read one by one: setting up arrays takes longer."""

Line = tuple[int, str]


class BlockReader:
    """Reads lines as `LineReader` does, with the same result; whatever is not plain is left to it."""

    def __init__(self, reader: LineReader, binder: Binder) -> None:
        self._reader, self._binder = reader, binder
        self._book = TemplateBook(reader.shapes)
        self._lines: list[Line] = []
        self._templates: list[Template] = []
        self._groups: list[tuple[str, ...]] = []

    def read(self, lines: Iterable[Line]) -> None:
        """Read all lines of a log."""
        last = Template(lambda _: None)
        is_ready = False
        held, templates, groups = self._lines, self._templates, self._groups
        for entry in lines:
            if is_ready:
                found = last.match(entry[1])
                if found is None and (other := self._book.find(entry[1])) is not None:
                    if other[0].shape is None:
                        if self._binder.is_counted:
                            continue
                    else:
                        if other[0].kind != last.kind:
                            self._flush()
                        last, found = other
                if found is not None:
                    held.append(entry)
                    templates.append(last)
                    groups.append(found.groups())
                    if len(held) >= MOST:
                        self._flush()
                    continue
                self._flush()
                self._book.learn(entry[1])
            self._one(entry)
            is_ready = self._binder.axis is not None and not self._reader.is_in_table
        self._flush()

    def _one(self, entry: Line) -> None:
        if not self._reader.read(*entry):
            self._binder.see(*entry)

    def _flush(self) -> None:
        if not self._lines:
            return
        if len(self._lines) < LEAST or not self._poured():
            for entry in self._lines:
                self._one(entry)
        self._lines.clear()
        self._templates.clear()
        self._groups.clear()

    def _poured(self) -> bool:
        first, size = self._templates[0], len(self._lines)
        numbers = {key: np.empty(size) for key in _kept(first)}
        parts: dict[str, list[tuple[Ints, Floats]]] = {}
        for template in dict.fromkeys(self._templates):
            at, columns = self._columns(template)
            for key, column in numbers.items():
                column[at] = columns[_kept(template)[key]]
            for name, group in template.columns:
                parts.setdefault(name, []).append((at, columns[group]))
        values = {name: found[0] if len(found) == 1 else _merged(found) for name, found in parts.items()}
        total = numbers.get("total")
        if total is not None and not (total == total[0]).all():
            return False
        shape = first.shape or Shape()
        block = Block(
            size,
            first.level,
            values,
            numbers.get("epoch"),
            numbers.get("step"),
            float(total[0]) if total is not None else None,
            shape.counts_batches,
        )
        last = {key: float(column[-1]) for key, column in numbers.items()}
        return self._reader.read_block(block, last, by_episode=shape.counts_episodes)

    def _columns(self, template: Template) -> tuple[Ints, list[Floats]]:
        """Which lines a template took, and the numbers of its groups."""
        where = [i for i, other in enumerate(self._templates) if other is template]
        groups = self._groups if len(where) == len(self._groups) else [self._groups[i] for i in where]
        columns = [np.array(list(map(float, column))) for column in zip(*groups, strict=True)]
        return np.array(where, np.int64), columns


def _kept(template: Template) -> dict[str, int]:
    found = {"epoch": template.epoch, "step": template.step, "total": template.total}
    return {key: group for key, group in found.items() if group >= 0}


def _merged(parts: Sequence[tuple[Ints, Floats]]) -> tuple[Ints, Floats]:
    at = np.concatenate([at for at, _ in parts])
    order = np.argsort(at)
    return at[order], np.concatenate([column for _, column in parts])[order]
