"""How often the recogniser names the right schedule, on traces made by torch's own schedulers.

Run with `python benchmarks/recogniser.py [TRACES_PER_FAMILY [SEED]]`; prints one table row per family.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler as torch_lr

from traindoctor.analyzer.schedule import Metric, recognise_trace
from traindoctor.finding import Schedule
from traindoctor.run import Floats, Ints

Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class TrueTrace:
    """One trace with what made it.

    Attributes:
        family: expected answer.
        parameters: expected parameters, those that the trace determines.
        lr: shape (n_steps,), LR of each optimizer step.
        epoch_ends: last step of each epoch but the last.
        metrics: what a plateau scheduler watched.
    """

    family: str
    parameters: Mapping[str, Any]
    lr: Floats
    epoch_ends: Ints
    metrics: tuple[Metric, ...] = field(default=())


def rates(
    make: Callable[[torch.optim.Optimizer], Any], lr: float, ticks: int, metric: Floats | None = None
) -> Floats:
    """LR in force during each of `ticks` ticks of a real torch scheduler, shape (ticks,)."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=lr)
    scheduler = make(optimizer)
    out = np.empty(ticks)
    for tick in range(ticks):
        out[tick] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        if tick + 1 < ticks:
            scheduler.step() if metric is None else scheduler.step(metric[tick])
    return out


def per_step(family: str, parameters: Mapping[str, Any], lr: Floats, epochs: int = 10) -> TrueTrace:
    """A trace whose scheduler was called after every optimizer step."""
    ends = np.linspace(0, lr.size, epochs + 1).astype(np.int64)[1:-1] - 1
    return TrueTrace(family, {**parameters, "unit": "step"}, lr, ends)


def per_epoch(family: str, parameters: Mapping[str, Any], lr: Floats, rng: Random) -> TrueTrace:
    """A trace whose scheduler was called after every epoch, epochs of a random number of steps."""
    size = int(rng.integers(7, 120))
    return TrueTrace(
        family, {**parameters, "unit": "epoch"}, np.repeat(lr, size), np.arange(1, lr.size) * size - 1
    )


def peak(rng: Random) -> float:
    """A learning rate somebody might choose."""
    return float(rng.choice([1.0, 2.0, 2.5, 3.0, 5.0, 7.5])) * 10.0 ** int(rng.integers(-5, 0))


def constant(rng: Random) -> TrueTrace:
    return per_step("constant", {"lr": (lr := peak(rng))}, np.full(int(rng.integers(50, 3000)), lr))


def step(rng: Random) -> TrueTrace:
    size, gamma, lr = int(rng.integers(2, 12)), float(rng.choice([0.1, 0.2, 0.5, 0.9])), peak(rng)
    ticks = size * int(rng.integers(2, 5)) + int(rng.integers(0, size))
    y = rates(lambda o: torch_lr.StepLR(o, size, gamma), lr, ticks)
    return per_epoch("step", {"lr": lr, "step_size": size, "gamma": gamma}, y, rng)


def multistep(rng: Random) -> TrueTrace:
    first = int(rng.integers(5, 20))
    milestones = [first, first + int(rng.integers(2, first - 1))]
    gamma, lr = float(rng.choice([0.1, 0.2, 0.3, 0.5])), peak(rng)
    y = rates(
        lambda o: torch_lr.MultiStepLR(o, milestones, gamma), lr, milestones[-1] + int(rng.integers(2, 20))
    )
    return per_epoch("multistep", {"lr": lr, "milestones": milestones, "gamma": gamma}, y, rng)


def exponential(rng: Random) -> TrueTrace:
    gamma, lr = float(rng.uniform(0.8, 0.99)), peak(rng)
    y = rates(lambda o: torch_lr.ExponentialLR(o, gamma), lr, int(rng.integers(8, 60)))
    return per_epoch("exponential", {"lr": lr, "gamma": gamma}, y, rng)


def linear(rng: Random) -> TrueTrace:
    total, end, lr = int(rng.integers(50, 2000)), float(rng.choice([0.0, 0.01, 0.1, 0.5])), peak(rng)
    ticks = total + int(rng.choice([0, 0, 25]))
    y = rates(lambda o: torch_lr.LinearLR(o, 1.0, end, total), lr, ticks)
    return per_step("linear", {"lr": lr, "end_factor": end, "total_iters": total}, y)


def polynomial(rng: Random) -> TrueTrace:
    total, power, lr = int(rng.integers(50, 2000)), float(rng.choice([0.5, 0.9, 1.5, 2.0, 3.0])), peak(rng)
    ticks = total + int(rng.choice([0, 0, 25]))
    y = rates(lambda o: torch_lr.PolynomialLR(o, total, power), lr, ticks)
    return per_step("polynomial", {"lr": lr, "power": power, "total_iters": total}, y)


def cosine(rng: Random) -> TrueTrace:
    total, lr = int(rng.integers(50, 2000)), peak(rng)
    low = float(rng.choice([0.0, 0.01, 0.1])) * lr
    ticks = int(total * float(rng.choice([0.6, 1.0, 1.0])))
    y = rates(lambda o: torch_lr.CosineAnnealingLR(o, total, low), lr, ticks)
    return per_step("cosine", {"lr": lr, "T_max": total, "eta_min": low}, y)


def cosine_per_epoch(rng: Random) -> TrueTrace:
    total, lr = int(rng.integers(8, 100)), peak(rng)
    y = rates(lambda o: torch_lr.CosineAnnealingLR(o, total), lr, total)
    return per_epoch("cosine", {"lr": lr, "T_max": total, "eta_min": 0.0}, y, rng)


def cosine_past_end(rng: Random) -> TrueTrace:
    total, lr = int(rng.integers(5, 300)), peak(rng)
    y = rates(lambda o: torch_lr.CosineAnnealingLR(o, total, 0.05 * lr), lr, int(total * rng.uniform(1.5, 6)))
    return per_step("cosine", {"lr": lr, "T_max": total, "eta_min": 0.05 * lr}, y)


def warm_restarts(rng: Random) -> TrueTrace:
    first, mult, lr = int(rng.integers(10, 200)), int(rng.integers(1, 4)), peak(rng)
    low = float(rng.choice([0.0, 0.01])) * lr
    ticks = first + first * mult + int(rng.integers(5, first * mult**2 + 5))
    y = rates(lambda o: torch_lr.CosineAnnealingWarmRestarts(o, first, mult, low), lr, ticks)
    return per_step("cosine-warm-restarts", {"lr": lr, "T_0": first, "T_mult": mult, "eta_min": low}, y)


def cyclic(mode: str) -> Callable[[Random], TrueTrace]:
    """Maker of `CyclicLR` traces in one mode."""

    def make(rng: Random) -> TrueTrace:
        up, down, top = int(rng.integers(10, 200)), int(rng.integers(10, 200)), peak(rng)
        down = up if mode == "exp_range" else down
        low, gamma = top / float(rng.choice([5.0, 10.0, 100.0])), float(rng.uniform(0.995, 0.9999))
        ticks = int((up + down) * rng.uniform(1.6, 4))
        y = rates(
            lambda o: torch_lr.CyclicLR(o, low, top, up, down, mode, gamma, cycle_momentum=False), low, ticks
        )
        known: dict[str, Any] = {
            "base_lr": low,
            "max_lr": top,
            "step_size_up": up,
            "step_size_down": down,
            "mode": mode,
        }
        return per_step("cyclic", {**known, "gamma": gamma} if mode == "exp_range" else known, y)

    return make


def one_cycle(strategy: str, three_phase: bool) -> Callable[[Random], TrueTrace]:
    """Maker of `OneCycleLR` traces of one kind."""

    def make(rng: Random) -> TrueTrace:
        total, top = int(rng.integers(80, 2000)), peak(rng)
        pct, div, final = float(rng.choice([0.1, 0.2, 0.25, 0.3, 0.4])), float(rng.choice([10, 25])), 1e4
        y = rates(
            lambda o: torch_lr.OneCycleLR(
                o,
                top,
                total,
                pct_start=pct,
                anneal_strategy=strategy,
                cycle_momentum=False,
                div_factor=div,
                final_div_factor=final,
                three_phase=three_phase,
            ),
            top,
            total,
        )
        return per_step(
            "one-cycle",
            {
                "max_lr": top,
                "total_steps": total,
                "pct_start": pct,
                "div_factor": div,
                "anneal_strategy": strategy,
                "three_phase": three_phase,
            },
            y,
        )

    return make


def noisy_metric(rng: Random, epochs: int) -> Floats:
    """A validation loss that falls and then wanders, shape (epochs,)."""
    falling = np.exp(-np.arange(epochs) / float(rng.uniform(3, 15)))
    return falling + 0.3 + 0.02 * rng.standard_normal(epochs)


def plateau(rng: Random) -> TrueTrace:
    lr, patience = peak(rng), int(rng.integers(1, 8))

    def make(optimizer: torch.optim.Optimizer) -> Any:
        return torch_lr.ReduceLROnPlateau(optimizer, factor=0.5, patience=patience, eps=0.0)

    while True:
        epochs = int(rng.integers(20, 80))
        metric = noisy_metric(rng, epochs)
        y = rates(make, lr, epochs, metric)
        if np.unique(y).size >= 3:
            break
    trace = per_epoch("reduce-on-plateau", {"lr": lr, "factor": 0.5, "patience": patience}, y, rng)
    size = trace.lr.size // epochs
    at = (np.arange(epochs) + 1) * size - 1
    return TrueTrace(
        trace.family, trace.parameters, trace.lr, trace.epoch_ends, (Metric("loss/validation", at, metric),)
    )


def multistep_with_metric(rng: Random) -> TrueTrace:
    trace = multistep(rng)
    epochs = trace.epoch_ends.size + 1
    at = (np.arange(epochs) + 1) * (trace.lr.size // epochs) - 1
    metric = Metric("loss/validation", at, noisy_metric(rng, epochs))
    return TrueTrace(trace.family, trace.parameters, trace.lr, trace.epoch_ends, (metric,))


def inverse_sqrt(rng: Random) -> TrueTrace:
    shift, lr = float(rng.integers(10, 500)), peak(rng)
    y = rates(
        lambda o: torch_lr.LambdaLR(o, lambda t: math.sqrt(shift / (t + shift))),
        lr,
        int(rng.integers(100, 3000)),
    )
    return per_step("inverse-sqrt", {"lr": lr, "shift": shift}, y)


def wsd(rng: Random) -> TrueTrace:
    total, lr = int(rng.integers(200, 2000)), peak(rng)
    decay = int(total * rng.uniform(0.1, 0.5))
    root = bool(rng.integers(2))
    y = rates(
        lambda o: torch_lr.LambdaLR(
            o,
            lambda t: (
                1.0
                if t < total - decay
                else (1 - math.sqrt((t - total + decay) / decay) if root else (total - t) / decay)
            ),
        ),
        lr,
        total,
    )
    return per_step(
        "wsd",
        {
            "lr": lr,
            "stable_steps": total - decay,
            "decay_steps": decay,
            "decay": "1-sqrt" if root else "linear",
        },
        y,
    )


def warmed_up(kind: str) -> Callable[[Random], TrueTrace]:
    """Maker of traces with a linear warm-up before one of torch's schedulers."""

    def make(rng: Random) -> TrueTrace:
        total, lr = int(rng.integers(200, 2000)), peak(rng)
        warm = int(rng.integers(10, total // 4))
        left = total - warm
        mains: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
            "cosine": lambda o: torch_lr.CosineAnnealingLR(o, left),
            "linear": lambda o: torch_lr.LinearLR(o, 1.0, 0.0, left),
            "step": lambda o: torch_lr.StepLR(o, left // 4, 0.3),
            "constant": lambda o: torch_lr.ConstantLR(o, 1.0, 1),
            "exponential": lambda o: torch_lr.ExponentialLR(o, 0.1 ** (1 / left)),
        }
        y = rates(
            lambda o: torch_lr.SequentialLR(
                o, [torch_lr.LinearLR(o, 1 / warm, 1.0, warm), mains[kind](o)], [warm]
            ),
            lr,
            total,
        )
        return per_step(kind, {"lr": lr, "warmup_steps": warm}, y)

    return make


MAKERS: Mapping[str, Callable[[Random], TrueTrace]] = {
    "constant": constant,
    "StepLR": step,
    "MultiStepLR": multistep,
    "MultiStepLR + metric": multistep_with_metric,
    "ExponentialLR": exponential,
    "LinearLR": linear,
    "PolynomialLR": polynomial,
    "CosineAnnealingLR": cosine,
    "CosineAnnealingLR per epoch": cosine_per_epoch,
    "CosineAnnealingLR past T_max": cosine_past_end,
    "CosineAnnealingWarmRestarts": warm_restarts,
    "CyclicLR triangular": cyclic("triangular"),
    "CyclicLR triangular2": cyclic("triangular2"),
    "CyclicLR exp_range": cyclic("exp_range"),
    "OneCycleLR cos": one_cycle("cos", False),
    "OneCycleLR linear": one_cycle("linear", False),
    "OneCycleLR 3-phase": one_cycle("cos", True),
    "ReduceLROnPlateau": plateau,
    "inverse sqrt": inverse_sqrt,
    "warm-up-stable-decay": wsd,
    "warm-up + cosine": warmed_up("cosine"),
    "warm-up + linear": warmed_up("linear"),
    "warm-up + StepLR": warmed_up("step"),
    "warm-up + constant": warmed_up("constant"),
    "warm-up + exponential": warmed_up("exponential"),
}


def rounded(values: Floats, digits: int) -> Floats:
    """The values as a log with `digits` significant digits would have them."""
    return np.array([float(f"{value:.{digits - 1}e}") for value in values])


VARIANTS: Mapping[str, Callable[[Ints, Floats], tuple[Ints, Floats]]] = {
    "exact": lambda steps, lr: (steps, lr),
    "float32": lambda steps, lr: (steps, lr.astype(np.float32).astype(np.float64)),
    "4 digits": lambda steps, lr: (steps, rounded(lr, 4)),
    "every 10th": lambda steps, lr: (steps[::10], lr[::10]),
}


def answer(trace: TrueTrace, variant: str) -> Schedule:
    """What the recogniser says about one trace in one way of logging it."""
    steps, lr = VARIANTS[variant](np.arange(trace.lr.size), trace.lr)
    return recognise_trace(steps, lr, epoch_ends=trace.epoch_ends, metrics=trace.metrics)


def parameters_match(found: Schedule, trace: TrueTrace, tolerance: float = 1e-3) -> bool:
    """Whether every parameter that the trace determines came back, numbers within a relative tolerance."""
    if found.family != trace.family:
        return False
    for name, wanted in trace.parameters.items():
        got = found.parameters.get(name)
        if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
            scale = max(abs(wanted), 1e-3 * trace.lr.max() if name == "eta_min" else 0.0)
            if not isinstance(got, (int, float)) or abs(got - wanted) > tolerance * scale:
                return False
        elif got != wanted:
            return False
    return True


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    per_family = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(f"{per_family} traces per family, seed {seed}; % with the right family / family and parameters")
    print(f"{'':30s}" + "".join(f"{name:>16s}" for name in VARIANTS) + f"{'ms/trace':>10s}")
    totals = {name: [0, 0] for name in VARIANTS}
    for name, make in MAKERS.items():
        rng = np.random.default_rng(seed)
        traces = [make(rng) for _ in range(per_family)]
        row, begun = "", time.perf_counter()
        for variant in VARIANTS:
            answers = [answer(trace, variant) for trace in traces]
            right = sum(a.family == t.family for a, t in zip(answers, traces, strict=True))
            exact = sum(parameters_match(a, t) for a, t in zip(answers, traces, strict=True))
            totals[variant][0] += right
            totals[variant][1] += exact
            row += f"{100 * right / per_family:8.0f} /{100 * exact / per_family:4.0f}  "
        spent = 1e3 * (time.perf_counter() - begun) / (len(VARIANTS) * per_family)
        print(f"{name:30s}{row}{spent:9.1f}")
    count = per_family * len(MAKERS)
    print(
        f"{'all':30s}"
        + "".join(f"{100 * a / count:8.1f} /{100 * b / count:4.0f}  " for a, b in totals.values())
    )


if __name__ == "__main__":
    main()
