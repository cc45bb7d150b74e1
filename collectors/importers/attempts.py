"""Restarts of one run, one after the other: a later attempt takes the place of the steps it did again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from traindoctor.run import Event, Series

from .process_log import ProcessLog

_LATER_OPTIMIZER = re.compile(r"optimizer(\d+)/")
_FOREVER = 2**62


def merge_attempts(
    attempts: Sequence[ProcessLog],
) -> tuple[dict[str, Series], dict[str, dict[str, Series]], list[str]]:
    """Series and per-parameter series of all attempts, oldest first, and a sentence for each restart."""
    series: dict[str, Series] = {}
    parameters: dict[str, dict[str, Series]] = {}
    notes: list[str] = []
    for log in attempts:
        if log.first_step is None:
            continue
        begins = Begins(log)
        if series:
            notes.append(
                f"attempt {log.attempt} (a restart) replaces what was recorded from step {begins.of('')} on"
            )
        series = _continued(series, log.series, begins.of)
        parameters = {
            quantity: _continued(
                parameters.get(quantity, {}), log.parameters.get(quantity, {}), begins.of_parameter
            )
            for quantity in {**parameters, **log.parameters}
        }
    return series, parameters, notes


def resumes(attempts: Sequence[ProcessLog]) -> list[Event]:
    """An event for each restart, at the step from which it counts, with the last one reached before."""
    found: list[Event] = []
    reached: int | None = None
    for log in attempts:
        if log.first_step is None:
            continue
        if reached is not None:
            found.append(Event(Begins(log).of(""), "resume", {"from": reached}))
        reached = log.n_steps - 1
    return found


class Begins:
    """The step from which on an attempt counts, per optimizer: a GAN's two need not stand at the same one.

    Attempts that do not say it count from their earliest step on.
    """

    def __init__(self, log: ProcessLog) -> None:
        said = log.meta.get("first_steps")
        self._said = [_step(value) for value in said] if isinstance(said, list) else []
        self._earliest = log.first_step or 0
        described = log.meta.get("parameters")
        groups: list[Any] = described if isinstance(described, list) else []
        self._groups = {str(g.get("name")): str(g.get("group", "")) for g in groups if isinstance(g, Mapping)}

    def of(self, series: str) -> int:
        """First step of the attempt for a series, by the optimizer in its name."""
        found = _LATER_OPTIMIZER.match(series)
        index = int(found[1]) if found else 0
        said = self._said[index] if index < len(self._said) else None
        return self._earliest if said is None else said

    def of_parameter(self, parameter: str) -> int:
        """First step of the attempt for the statistics of a parameter."""
        return self.of(self._groups.get(parameter, ""))


def _step(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _FOREVER else None


def _continued(
    old: Mapping[str, Series], new: Mapping[str, Series], begin_of: Callable[[str], int]
) -> dict[str, Series]:
    """Each series of `old` before the step where it begins anew, then that of `new`.

    What an attempt evaluates before its first training step is told of step 0, and dropped.
    """
    out: dict[str, Series] = {}
    for name in {**old, **new}:
        begin = begin_of(name)
        parts = [
            table[name].between(*span)
            for table, span in ((old, (-1, begin - 1)), (new, (begin, _FOREVER)))
            if name in table
        ]
        steps = np.concatenate([part.steps for part in parts])
        if len(steps):
            out[name] = Series(steps, np.concatenate([part.values for part in parts]))
    return out
