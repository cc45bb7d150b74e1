"""Phases of a run, read from its learning-rate trace: warm-up, hot, decay tail, drops, restarts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor.run import Ints, Run, Series

from .extent import extent
from .memo import memoised


@dataclass(frozen=True)
class Phases:
    """What the learning rate did. Steps are optimizer steps; learning rates are those of the main group.

    Attributes:
        peak: largest learning rate, 1/step.
        final: mean learning rate of the last 2 % of the trace, 1/step.
        warmup_end: first step at >= 95 % of the peak after a rising start; 0 without a warm-up.
        decay_start: first step after which the learning rate stays below 90 % of the peak; None when it
            never does.
        drops: steps at which it fell to half or less from one recorded step to the next.
        restarts: steps after the warm-up at which it jumped up by more than 20 %.
        group: label of the main group.
    """

    peak: float
    final: float
    warmup_end: int
    decay_start: int | None
    drops: tuple[int, ...]
    restarts: tuple[int, ...]
    group: str

    @property
    def final_share(self) -> float:
        """Final learning rate as a share of the peak, 0..1; 1 when the peak is 0."""
        return self.final / self.peak if self.peak > 0.0 else 1.0

    @property
    def is_annealed(self) -> bool:
        """Whether the run ended with its learning rate decayed: at most 12 % of the peak."""
        return self.final_share <= 0.12


@memoised
def main_group(run: Run) -> str | None:
    """Label of the param group that holds most elements; the first where that is unknown; None without LR."""
    traces = run.learning_rates()
    if not traces:
        return None
    sizes = dict.fromkeys(traces, 0)
    for parameter in run.info.parameters:
        if parameter.group in sizes:
            sizes[parameter.group] += parameter.size
    return max(sizes, key=lambda label: sizes[label])


def main_learning_rate(run: Run) -> Series | None:
    """The finite learning-rate trace of the main group, or None when no learning rate was recorded."""
    group = main_group(run)
    if group is None:
        return None
    trace = run.learning_rates()[group].finite()
    return trace if len(trace) else None


@memoised
def phases(run: Run) -> Phases | None:
    """The phases of a run, or None when no learning rate was recorded."""
    trace = main_learning_rate(run)
    group = main_group(run)
    if trace is None or group is None:
        return None
    lr, steps = trace.values, trace.steps
    peak = float(lr.max())
    warmup_end = _warmup_end(trace, peak)
    before, after = lr[:-1], lr[1:]
    drops = steps[1:][(after <= 0.5 * before) & (before > 0.05 * peak)]
    restarts = steps[1:][(after > 1.2 * before) & (after > 0.05 * peak) & (steps[1:] > warmup_end)]
    last_high = int(np.flatnonzero(lr >= min(0.9 * peak, peak))[-1])
    decay_start = int(steps[last_high + 1]) if last_high + 1 < lr.size else None
    tail = max(1, round(0.02 * lr.size))
    return Phases(
        peak, float(lr[-tail:].mean()), warmup_end, decay_start, _plain(drops), _plain(restarts), group
    )


def _plain(steps: Ints) -> tuple[int, ...]:
    return tuple(int(step) for step in steps)


def _warmup_end(trace: Series, peak: float) -> int:
    """First step at >= 95 % of the peak when the trace starts below 90 % of it and only rises until there."""
    lr = trace.values
    if lr[0] >= 0.9 * peak:
        return 0
    top = int(np.argmax(lr >= 0.95 * peak))
    rises_only = bool(np.all(np.diff(lr[: top + 1]) >= 0.0))
    return int(trace.steps[top]) if rises_only else 0


def is_hot(run: Run, steps: Ints) -> np.ndarray:
    """Where the learning rate is at least half its peak and the first 2 % of the run are over, bool, (n,).

    Without a recorded learning rate every step after the first 2 % counts as hot.
    """
    covered = extent(run)
    late = steps >= covered.first + 0.02 * covered.length
    found, trace = phases(run), main_learning_rate(run)
    if found is None or trace is None:
        return late
    return np.asarray(late & (trace.at(steps) >= 0.5 * found.peak))
