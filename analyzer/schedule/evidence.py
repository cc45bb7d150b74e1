"""What a log says about its learning rate: horizon, shape, update ratio, and the LR they hint at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Schedule
from traindoctor.names import LOSS_VALIDATION
from traindoctor.run import Floats, Run, Series

from .shapes import lr_values

MIN_HOT_SAMPLES = 3
"""Fewer samples of the update ratio at a high LR than this give no hint."""

ENDED_EARLY = ("running", "failed", "killed", "damaged")

_UNITS = {
    "lr_peak": "1/step",
    "lr_estimate": "1/step",
    "lr_hint": "1/step",
    "lr_hint_low": "1/step",
    "lr_hint_high": "1/step",
    "lr_factor": "times",
    "final_lr_share": "share of peak",
    "mean_lr_share": "share of peak",
    "decades_off": "decades",
    "decades_off_shifted": "decades",
    "horizon": "optimizer steps",
    "samples": "samples",
    "sweep_best_lr": "1/step",
    "sweep_steps": "optimizer steps",
    "sweep_share": "share of the run",
    "sweep_runs": "runs",
}


@dataclass(frozen=True, eq=False)
class LrFacts:
    """The learning rate of the first param group over the run's horizon.

    Attributes:
        lr: shape (horizon,), LR of each optimizer step; the recognised schedule continues it when the run
            stopped before its schedule did.
        recorded: optimizer steps that the run took.
        peak: largest LR.
        group_peaks: largest LR of every param group, group order.
        last_lrs: last LR of every param group, group order.
        end: LR at which a schedule that ends with the run arrives; one with few ticks, such as a cosine
            over ten epochs, takes it only after the last step. NaN for a schedule without an end.
    """

    lr: Floats
    recorded: int
    peak: float
    group_peaks: tuple[float, ...]
    last_lrs: tuple[float, ...]
    end: float = float("nan")

    @property
    def horizon(self) -> int:
        """Optimizer steps that the schedule covers."""
        return int(self.lr.size)

    @property
    def final_share(self) -> float:
        """Mean LR of the last 2 % of the horizon, or the LR the schedule ends at if lower, over the peak."""
        tail = self.lr[-max(1, self.lr.size // 50) :]
        return float(np.fmin(tail.mean(), self.end)) / self.peak

    @property
    def mean_share(self) -> float:
        """Mean LR over the peak."""
        return float(self.lr.mean()) / self.peak

    @property
    def rises_late(self) -> bool:
        """Whether the LR climbs by more than 5 % of the peak after 30 % of the horizon."""
        late = self.lr[int(0.3 * self.lr.size) :]
        return bool(np.max(late - np.minimum.accumulate(late)) > 0.05 * self.peak)

    @property
    def ends_low(self) -> bool:
        """Whether the LR ends at 12 % of its peak or less and does not rise again late."""
        return self.final_share <= 0.12 and not self.rises_late

    @property
    def is_sane(self) -> bool:
        """Whether the shape needs no change: it ends low and is neither spent early nor flat.

        Source: Ours; with these bounds 92-96 % of good controls were kept in the policy benchmark.
        """
        return self.ends_low and 0.25 <= self.mean_share <= 0.85


def lr_facts(run: Run, schedule: Schedule) -> LrFacts | None:
    """The facts, or None when no positive learning rate was recorded."""
    rates = [series.finite() for series in run.learning_rates().values()]
    if not rates or not all(len(s) and float(s.values.max()) > 0 for s in rates):
        return None
    first, recorded = rates[0], max(run.n_steps, 1)
    lr = first.at(np.arange(recorded))
    lr[: int(first.steps[0])] = first.values[0]
    lr = np.concatenate([lr, _continuation(run, schedule, recorded)])
    return LrFacts(
        lr,
        recorded,
        float(first.values.max()),
        tuple(float(s.values.max()) for s in rates),
        tuple(float(s.values[-1]) for s in rates),
        _end(run, schedule, lr.size),
    )


def _steps_per_tick(run: Run, schedule: Schedule) -> float:
    """Optimizer steps between two ticks of the schedule; 0 when the length of an epoch is unknown."""
    if schedule.parameters.get("unit") != "epoch":
        return float(schedule.parameters.get("every", 1))
    epochs = run.get("epoch")
    return max(run.n_steps, 1) / max(float(epochs.values.max()) + 1, 1.0) if epochs is not None else 0.0


def _end(run: Run, schedule: Schedule, horizon: int) -> float:
    """LR at the last tick of a schedule that ends within one tick of the horizon; NaN otherwise."""
    ticks, per_tick = schedule_length(schedule), _steps_per_tick(run, schedule)
    if not ticks or abs(ticks * per_tick - horizon) > per_tick:
        return float("nan")
    return float(lr_values(schedule.family, schedule.parameters, np.array([float(ticks)]))[0])


def _continuation(run: Run, schedule: Schedule, recorded: int) -> Floats:
    """The rest of the schedule of a run that stopped before it, shape (n,); empty for a finished run."""
    ticks = schedule_length(schedule)
    if run.info.status not in ENDED_EARLY or not ticks:
        return np.empty(0)
    per_tick = _steps_per_tick(run, schedule)
    total = int(ticks * per_tick)
    if not recorded < total <= 20 * recorded:
        return np.empty(0)
    return lr_values(schedule.family, schedule.parameters, np.floor(np.arange(recorded, total) / per_tick))


def schedule_length(schedule: Schedule) -> int:
    """Ticks until the schedule reaches its end; 0 for one without an end."""
    p: Mapping[str, float] = schedule.parameters
    own = {
        "linear": lambda: p["total_iters"],
        "polynomial": lambda: p["total_iters"],
        "cosine": lambda: p["T_max"],
        "one-cycle": lambda: p["total_steps"],
        "wsd": lambda: p["stable_steps"] + p["decay_steps"],
    }.get(schedule.family)
    return int(own() + p.get("warmup_steps", 0)) if own else 0


def global_update_ratio(run: Run) -> Series | None:
    """Update norm over weight norm of all parameters together, at the steps where both were sampled for all.

    sqrt(Σ update²) / sqrt(Σ weight²), dimensionless; None when one of the two was not recorded. The weight
    norm is the one after the step, which differs from the one before by less than the ratio itself.
    """
    updates, weights = run.parameter("update_norm"), run.parameter("weight_norm")
    names = [name for name in updates if name in weights and len(updates[name])]
    if not names:
        return None
    steps, counts = np.unique(np.concatenate([updates[n].finite().steps for n in names]), return_counts=True)
    steps = steps[counts == counts.max()] if steps.size else steps
    moved, held = np.zeros(steps.size), np.zeros(steps.size)
    for name in names:
        moved += np.nan_to_num(_at_exactly(updates[name], steps), nan=0.0, posinf=np.inf) ** 2
        held += np.nan_to_num(_at_exactly(weights[name], steps), nan=0.0, posinf=np.inf) ** 2
    with np.errstate(all="ignore"):
        ratio = np.sqrt(moved) / np.sqrt(held)
    good = np.isfinite(ratio) & (ratio > 0)
    return Series(steps[good], ratio[good])


def _at_exactly(series: Series, steps: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
    """Values at `steps`, NaN where the series has no record."""
    found = np.searchsorted(series.steps, steps)
    inside = np.minimum(found, len(series) - 1)
    return np.where(series.steps[inside] == steps, series.values[inside], np.nan)


def hot_update_ratio(run: Run, facts: LrFacts) -> tuple[float, int]:
    """Median global update ratio at half the peak LR or more, after the first 2 %; and its sample count."""
    ratio = global_update_ratio(run)
    if ratio is None:
        return math.nan, 0
    steps = ratio.steps[ratio.steps < facts.recorded]
    hot = (facts.lr[steps] >= facts.peak / 2) & (steps >= 0.02 * facts.recorded)
    values = ratio.values[: steps.size][hot]
    return (float(np.median(values)), int(values.size)) if values.size else (math.nan, 0)


def target_update_ratio(horizon: int) -> float:
    """Update ratio of well-tuned runs of that many steps: 0.2 / sqrt(T).

    Source: Ours, measured on 13 tasks of 300 to 4000 steps.
    """
    return 0.2 / math.sqrt(horizon)


def lr_factor(update_ratio: float, horizon: int) -> float:
    """Factor on the LR that would bring the update ratio to its target, within 1/100..100."""
    return float(np.clip(target_update_ratio(horizon) / update_ratio, 0.01, 100.0))


def rises_at_end(run: Run) -> bool:
    """Whether the last validation loss is more than 5 % above the lowest one."""
    series = run.get(LOSS_VALIDATION)
    values = series.finite().values if series is not None else np.empty(0)
    return values.size >= 3 and values.min() > 0 and bool(values[-1] > 1.05 * values.min())


def units_of(evidence: Mapping[str, float]) -> dict[str, str]:
    """The unit of every number behind a prescription."""
    return {name: _UNITS.get(name, "dimensionless") for name in evidence}
