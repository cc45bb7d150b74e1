"""What an unknown text log counts: its readings, and the axis that fits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from traindoctor.run import Floats, Ints

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


@dataclass(frozen=True, eq=False)
class Block:
    """Several readings of the same level that follow each other; see `Reading`.

    Attributes:
        size: how many they are.
        values: by the source's names: which readings hold one, and the values.
        epoch: shape (size,), None before the first.
        step: shape (size,).
        total: the same in all of them.
    """

    size: int
    level: str
    values: Mapping[str, tuple[Ints, Floats]]
    epoch: Floats | None = None
    step: Floats | None = None
    total: float | None = None
    by_batch: bool = False


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
