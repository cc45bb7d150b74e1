"""The schedules that can be prescribed for a whole run: closed form and paste-ready code of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .torch_code import MODULE, linear_to_zero_code, new_rate_lines, removal

PER_STEP = "# in the loop: optimizer.step(), then scheduler.step() - once per optimizer step, not per epoch"
DECAY_SHARE = 0.2
"""Share of the run in which warm-up-stable-decay decays. Source: Hägele et al. 2024, 10-20 % suffice."""


@dataclass(frozen=True)
class Template:
    """One schedule over a given horizon.

    Attributes:
        family: as in `Schedule.family`.
        parameters: as in `Schedule.parameters`.
        code: paste-ready torch code.
    """

    family: str
    parameters: Mapping[str, Any]
    code: str


@dataclass(frozen=True)
class Place:
    """Where a schedule is to be pasted.

    Attributes:
        peaks: LR after warm-up, one per param group.
        horizon: T, total optimizer steps.
        warmup: W, steps of warm-up, at least 2.
        present: family in use now, for the line that says what to remove.
        origin: where T comes from, one of our own phrases.
    """

    peaks: Sequence[float]
    horizon: int
    warmup: int
    present: str
    origin: str

    @property
    def warmup_parameters(self) -> dict[str, Any]:
        """The rise from peak / W to the peak, as `lr_values` takes it."""
        return {
            "lr": self.peaks[0],
            "unit": "step",
            "warmup_steps": self.warmup,
            "warmup_start_factor": 1.0 / self.warmup,
            "warmup_total_iters": self.warmup - 1,
        }

    def code(self, imports: Sequence[str], *lines: str) -> str:
        """The lines that build the scheduler, with what stands before and after them in every template."""
        return "\n".join(
            [
                *imports,
                "",
                *removal(self.present),
                f"T = {self.horizon}  # {self.origin}",
                f"W = {self.warmup}  # warm-up steps",
                *new_rate_lines(self.peaks),
                *lines,
                PER_STEP,
                "",
            ]
        )


def warmup_steps(horizon: int) -> int:
    """5 % of the horizon, 10 to 2000 steps, and never more than a quarter of it.

    Source: Ours: warm-up costs nothing and tolerates larger rates (Kalra & Barkeshli 2024).
    """
    return min(max(10, min(2000, round(0.05 * horizon))), horizon // 4)


def _linear(at: Place) -> Template:
    code = linear_to_zero_code(at.peaks, at.horizon, at.warmup, at.present, at.origin)
    return Template("linear", _linear_parameters(at), code)


def _linear_lambda(at: Place) -> Template:
    code = at.code(
        [f"from {MODULE} import LambdaLR"],
        "# a lambda is not saved with the scheduler: build it again before loading a checkpoint",
        "scheduler = LambdaLR(optimizer, lambda s: min((s + 1) / W, max(0.0, (T - s) / (T - W)), 1.0))",
    )
    return Template("linear", _linear_parameters(at), code)


def _linear_parameters(at: Place) -> dict[str, Any]:
    decay = at.horizon - at.warmup
    shape = {"start_factor": 1.0, "end_factor": 1.0 / decay, "total_iters": decay - 1}
    return {**at.warmup_parameters, **shape}


def _cosine(at: Place) -> Template:
    code = at.code(
        [f"from {MODULE} import CosineAnnealingLR, LinearLR, SequentialLR"],
        "scheduler = SequentialLR(",
        "    optimizer,",
        "    [LinearLR(optimizer, 1 / W, 1.0, W - 1), CosineAnnealingLR(optimizer, T_max=T - W)],",
        "    milestones=[W],",
        ")",
    )
    shape = {"T_max": at.horizon - at.warmup, "eta_min": 0.0}
    return Template("cosine", {**at.warmup_parameters, **shape}, code)


def _wsd(at: Place) -> Template:
    decay = max(1, round(DECAY_SHARE * at.horizon))
    code = at.code(
        ["import math", "", f"from {MODULE} import LambdaLR"],
        f"D = {decay}  # steps of the final decay",
        "# a lambda is not saved with the scheduler: build it again before loading a checkpoint",
        "scheduler = LambdaLR(",
        "    optimizer,",
        "    lambda s: min((s + 1) / W, 1.0) if s < T - D else 1 - math.sqrt(min(1.0, (s - (T - D)) / D)),",
        ")",
    )
    shape = {
        "stable_steps": at.horizon - decay - at.warmup,
        "decay_steps": decay,
        "decay": "1-sqrt",
        "final_factor": 0.0,
    }
    return Template("wsd", {**at.warmup_parameters, **shape}, code)


def _one_cycle(at: Place) -> Template:
    code = at.code(
        [f"from {MODULE} import OneCycleLR"],
        "scheduler = OneCycleLR(",
        '    optimizer, max_lr=[group["lr"] for group in optimizer.param_groups], total_steps=T + 1,',
        "    cycle_momentum=False,",
        ")  # it raises an error on step T + 2: train T steps",
    ).replace(f"W = {at.warmup}  # warm-up steps\n", "")
    parameters = {
        "max_lr": at.peaks[0],
        "total_steps": at.horizon + 1,
        "pct_start": 0.3,
        "anneal_strategy": "cos",
        "div_factor": 25.0,
        "final_div_factor": 1e4,
        "three_phase": False,
        "unit": "step",
    }
    return Template("one-cycle", parameters, code)


TEMPLATES: Mapping[str, Callable[[Place], Template]] = {
    "linear": _linear,
    "linear-lambda": _linear_lambda,
    "cosine": _cosine,
    "wsd": _wsd,
    "one-cycle": _one_cycle,
}
"""Name of the shape -> its template; the first is the one that was measured best."""
