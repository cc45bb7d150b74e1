"""The learning rate of every schedule family in closed form: parameters and scheduler ticks in, LR out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from traindoctor.run import Floats, Ints

Parameters = Mapping[str, Any]

LR_KEYS = ("lr", "max_lr", "base_lr", "eta_min", "min_lr", "lr_end")
"""Parameters that are learning rates; everything else is dimensionless or counts ticks."""


def lr_values(family: str, parameters: Parameters, ticks: Ints | Floats) -> Floats:
    """Learning rate at `ticks` (shape (n,), calls of `scheduler.step()` made so far).

    Warm-up is the one of `LinearLR`: from `warmup_start_factor` to 1 over `warmup_total_iters` ticks; the
    family's own formula begins at tick `warmup_steps`.

    Raises:
        KeyError: the family has no closed form (`custom`, `unknown`), or a parameter is missing.

    Source: the formulas in the docstrings of torch.optim.lr_scheduler.
    """
    t = np.asarray(ticks, dtype=np.float64)
    warmup = float(parameters.get("warmup_steps", 0))
    body = SHAPES[family](parameters, np.maximum(t - warmup, 0.0) if warmup else t)
    if not warmup:
        return body
    start = float(parameters["warmup_start_factor"])
    progress = np.minimum(t / max(float(parameters["warmup_total_iters"]), 1.0), 1.0)
    peak = float(parameters["lr"])
    return np.where(t < warmup, peak * (start + (1.0 - start) * progress), body)


def scaled(parameters: Parameters, factor: float) -> dict[str, Any]:
    """The same schedule with every learning rate multiplied by `factor`."""
    out = dict(parameters)
    for key in LR_KEYS:
        if key in out:
            out[key] = out[key] * factor
    return out


def _constant(p: Parameters, t: Floats) -> Floats:
    return np.full(t.shape, float(p["lr"]))


def _step(p: Parameters, t: Floats) -> Floats:
    levels: Floats = np.power(float(p["gamma"]), np.floor(t / p["step_size"]))
    return float(p["lr"]) * levels


def _multistep(p: Parameters, t: Floats) -> Floats:
    passed = np.searchsorted(np.asarray(p["milestones"], dtype=np.float64), t, side="right")
    return float(p["lr"]) * np.power(float(p["gamma"]), passed)


def _plateau(p: Parameters, t: Floats) -> Floats:
    reduced = np.searchsorted(np.asarray(p["reductions"], dtype=np.float64), t, side="right")
    falling = float(p["lr"]) * np.power(float(p["factor"]), reduced)
    return np.maximum(falling, min(float(p["min_lr"]), float(p["lr"])))


def _exponential(p: Parameters, t: Floats) -> Floats:
    return float(p["lr"]) * np.power(float(p["gamma"]), t)


def _linear(p: Parameters, t: Floats) -> Floats:
    progress = np.minimum(t / float(p["total_iters"]), 1.0)
    start = float(p["start_factor"])
    return float(p["lr"]) * (start + (float(p["end_factor"]) - start) * progress)


def _polynomial(p: Parameters, t: Floats) -> Floats:
    left = np.maximum(1.0 - t / float(p["total_iters"]), 0.0)
    end = float(p.get("lr_end", 0.0))
    return end + (float(p["lr"]) - end) * np.power(left, float(p["power"]))


def _half_cosine(high: float, low: float, progress: Floats) -> Floats:
    return low + (high - low) * (1.0 + np.cos(np.pi * progress)) / 2.0


def _cosine(p: Parameters, t: Floats) -> Floats:
    horizon = float(p["T_max"])
    return _half_cosine(
        p["lr"], p["eta_min"], (np.minimum(t, horizon) if p.get("holds_at_end") else t) / horizon
    )


def restart_progress(t: Floats, t_0: float, t_mult: float) -> Floats:
    """Share of the current period that has passed in `CosineAnnealingWarmRestarts`, in [0, 1)."""
    if t_mult == 1:
        return np.mod(t, t_0) / t_0
    cycle = np.floor(np.log(t / t_0 * (t_mult - 1) + 1) / np.log(t_mult) + 1e-9)
    begun = t_0 * (np.power(t_mult, cycle) - 1) / (t_mult - 1)
    progress: Floats = (t - begun) / (t_0 * np.power(t_mult, cycle))
    return progress


def _restarts(p: Parameters, t: Floats) -> Floats:
    return _half_cosine(p["lr"], p["eta_min"], restart_progress(t, float(p["T_0"]), float(p["T_mult"])))


def triangle(t: Floats, up: float, down: float) -> tuple[Floats, Floats]:
    """Height in [0, 1] and 0-based cycle number of `CyclicLR`, both shape (n,)."""
    total = up + down
    cycle = np.floor(t / total)
    x = t / total - cycle
    share = up / total
    return np.where(x <= share, x / share, (x - 1.0) / (share - 1.0)), cycle


def _cyclic(p: Parameters, t: Floats) -> Floats:
    height, cycle = triangle(t, float(p["step_size_up"]), float(p["step_size_down"]))
    scale = np.ones_like(t)
    if p["mode"] == "triangular2":
        scale = np.power(0.5, cycle)
    elif p["mode"] == "exp_range":
        scale = np.power(float(p["gamma"]), t)
    return float(p["base_lr"]) + (float(p["max_lr"]) - float(p["base_lr"])) * height * scale


def one_cycle_basis(t: Floats, total: float, pct: float, strategy: str, three_phase: bool) -> Floats:
    """Weights of (initial, max, min) LR in `OneCycleLR`, shape (3, n): the LR is linear in the three."""
    peak, end = pct * total - 1.0, total - 1.0
    corners = [0.0, peak, 2.0 * peak, end] if three_phase else [0.0, peak, end]
    order = (0, 1, 0, 2) if three_phase else (0, 1, 2)
    weights = np.zeros((3, t.size))
    phase = np.clip(np.searchsorted(corners[1:], t, side="left"), 0, len(corners) - 2)
    for k in range(len(corners) - 1):
        here = phase == k
        x = np.clip((t[here] - corners[k]) / max(corners[k + 1] - corners[k], 1e-12), 0.0, 1.0)
        rest = (1.0 + np.cos(np.pi * x)) / 2.0 if strategy == "cos" else 1.0 - x
        weights[order[k], here] += rest
        weights[order[k + 1], here] += 1.0 - rest
    return weights


def _one_cycle(p: Parameters, t: Floats) -> Floats:
    basis = one_cycle_basis(
        t, float(p["total_steps"]), float(p["pct_start"]), p["anneal_strategy"], p["three_phase"]
    )
    top = float(p["max_lr"])
    low = top / float(p["div_factor"])
    lr: Floats = low * basis[0] + top * basis[1] + low / float(p["final_div_factor"]) * basis[2]
    return lr


def _inverse_sqrt(p: Parameters, t: Floats) -> Floats:
    shift = float(p["shift"])
    return float(p["lr"]) * np.sqrt(shift / (t + shift))


DECAYS: Mapping[str, Callable[[Floats], Floats]] = {
    "linear": lambda x: 1.0 - x,
    "cosine": lambda x: (1.0 + np.cos(np.pi * x)) / 2.0,
    "1-sqrt": lambda x: 1.0 - np.sqrt(x),
}
"""Shape of the final decay of a warm-up-stable-decay schedule over its progress in [0, 1]."""


def _wsd(p: Parameters, t: Floats) -> Floats:
    progress = np.clip((t - float(p["stable_steps"])) / float(p["decay_steps"]), 0.0, 1.0)
    final = float(p["final_factor"])
    return float(p["lr"]) * (final + (1.0 - final) * DECAYS[p["decay"]](progress))


SHAPES: Mapping[str, Callable[[Parameters, Floats], Floats]] = {
    "constant": _constant,
    "step": _step,
    "multistep": _multistep,
    "reduce-on-plateau": _plateau,
    "exponential": _exponential,
    "linear": _linear,
    "polynomial": _polynomial,
    "cosine": _cosine,
    "cosine-warm-restarts": _restarts,
    "cyclic": _cyclic,
    "one-cycle": _one_cycle,
    "inverse-sqrt": _inverse_sqrt,
    "wsd": _wsd,
}
