"""A planned LR with the code that makes it, checked against torch by replay before it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from traindoctor.errors import MissingDependencyError
from traindoctor.finding import Schedule
from traindoctor.run import Floats, Run, Series

from .evidence import ENDED_EARLY, LrFacts
from .recognition import epoch_ends
from .shapes import lr_values, scaled
from .templates import TEMPLATES, Place, warmup_steps
from .torch_code import cooldown_code, new_rate_lines, removal, schedule_code

Replay = Callable[[str, str, Sequence[float], int], Floats]
"""(code, optimizer name, LR per group, steps) -> LRs of shape (steps, groups)."""

TOLERANCE = 1e-12
"""Largest accepted |replayed - planned| LR, relative to the peak."""

MOST_RECURSIVE_STEPS = 50_000
"""Longest horizon of the straight line by `LinearLR`, off by 6e-14 of the peak after 20,000 steps."""

RELATIVE_FAMILIES = (
    "step",
    "multistep",
    "exponential",
    "linear",
    "polynomial",
    "inverse-sqrt",
    "wsd",
    "constant",
)
"""Families whose every LR is a multiple of the LR the optimizer was built with."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What to use next.

    Attributes:
        schedule: family, parameters and code.
        ticks: shape (n_ticks,), planned LR of the first group per call of `scheduler.step()`.
        lr: planned LR of the first group per optimizer step.
        peaks: LR of each param group that the code sets, group order.
    """

    schedule: Schedule
    ticks: Floats
    lr: Series
    peaks: tuple[float, ...]


def over_the_run(run: Run, facts: LrFacts, present: Schedule, factor: float, shape: str = "linear") -> Plan:
    """5 % warm-up (10 to 2000 steps), then a fall to zero over the run's horizon.

    Args:
        run: the recorded run.
        facts: its learning rate.
        present: the schedule in use.
        factor: what every peak is multiplied by.
        shape: key of `TEMPLATES`.
    """
    horizon = facts.horizon
    peaks = _scaled_peaks(facts.group_peaks, factor)
    place = Place(peaks, horizon, warmup_steps(horizon), present.family, _origin(run, facts))
    # LinearLR multiplies its rate step by step: over this many steps the rounding would show
    exact = "linear-lambda" if shape == "linear" and horizon > MOST_RECURSIVE_STEPS else shape
    made = TEMPLATES[exact](place)
    lr = lr_values(made.family, made.parameters, np.arange(horizon))
    schedule = Schedule(made.family, made.parameters, made.code, 0.0, present.group)
    return Plan(schedule, lr, Series(np.arange(horizon), lr), peaks)


def cooldown(facts: LrFacts, present: Schedule) -> Plan:
    """From the last checkpoint, a straight line from the present LR to zero over 10 % more steps."""
    steps = max(10, round(0.1 * facts.recorded))
    origin = f"10 % of the {facts.recorded} recorded steps"
    code = cooldown_code(facts.last_lrs, steps, present.family, origin)
    parameters = {
        "lr": facts.last_lrs[0],
        "start_factor": 1.0,
        "end_factor": 1.0 / steps,
        "total_iters": steps - 1,
        "unit": "step",
    }
    lr = lr_values("linear", parameters, np.arange(steps))
    schedule = Schedule("linear", parameters, code, 0.0, present.group)
    return Plan(schedule, lr, Series(np.arange(steps) + facts.recorded, lr), facts.last_lrs)


def same_schedule(run: Run, facts: LrFacts, present: Schedule, factor: float) -> Plan | None:
    """The present schedule at another LR; None when its parameters do not rebuild it for all groups."""
    p = present.parameters
    is_relative = present.family in RELATIVE_FAMILIES and not p.get("lr_end")
    is_relative |= present.family in ("cosine", "cosine-warm-restarts") and not p.get("eta_min")
    if not is_relative or "differs" in p.get("other_groups", {}).values():
        return None
    peaks = _scaled_peaks(facts.group_peaks, factor)
    parameters = scaled({k: v for k, v in p.items() if k != "other_groups"}, peaks[0] / facts.peak)
    parameters["lr"] = peaks[0]
    steps = np.arange(facts.recorded)
    tick_of = (
        np.searchsorted(epoch_ends(run), steps)
        if p.get("unit") == "epoch"
        else steps // int(p.get("every", 1))
    )
    ticks = lr_values(present.family, parameters, np.arange(int(tick_of[-1]) + 1))
    code = "\n".join(
        [
            *removal(present.family),
            "# and build it again at the new learning rate:",
            *new_rate_lines(peaks),
            schedule_code(present.family, parameters),
        ]
    )
    schedule = Schedule(present.family, parameters, code, 0.0, present.group)
    return Plan(schedule, ticks, Series(steps, ticks[tick_of]), peaks)


def replay_error(plan: Plan, optimizer: str, group_lrs: Sequence[float], replay: Replay) -> float:
    """Largest |replayed - planned| LR over all groups, relative to the peak; NaN without torch."""
    try:
        made = replay(plan.schedule.code, optimizer, group_lrs, plan.ticks.size)
    except MissingDependencyError:
        return float("nan")
    shares = np.asarray(plan.peaks) / plan.peaks[0]
    off = np.abs(made - plan.ticks[:, None] * shares[None, :]) / np.maximum(shares, 1e-300)
    return float(np.max(off)) / float(plan.ticks.max())


def _scaled_peaks(peaks: Sequence[float], factor: float) -> tuple[float, ...]:
    """Every peak times one factor that gives the first two significant digits; unchanged for factor 1."""
    if factor == 1.0:
        return tuple(peaks)
    first = float(f"{peaks[0] * factor:.1e}")
    return tuple(first if k == 0 else float(f"{peak * first / peaks[0]:.8g}") for k, peak in enumerate(peaks))


def _origin(run: Run, facts: LrFacts) -> str:
    if facts.horizon > facts.recorded:
        return f"optimizer steps that the present schedule is laid out for ({facts.recorded} were recorded)"
    if run.info.status in ENDED_EARLY:
        return "optimizer steps recorded before the run ended early; put the number you plan here"
    return "optimizer steps of the recorded run; change it if you train longer or shorter"
