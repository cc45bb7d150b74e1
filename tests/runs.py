"""Synthetic runs with a known trouble at a known step, and healthy runs of many shapes.

A loss follows L(t) = floor + (B0 - floor) (1 + S(t) / S0)^-a + C lr(t) / peak + noise, where S(t) is the sum
of the learning rates so far: it falls fast, then slowly, and once more when the learning rate is annealed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from traindoctor.run import Event, Floats, OptimizerInfo, ParameterInfo, Run, RunInfo, Series

B0 = math.log(10.0)
SHAPES = ("power", "exponential", "late")
SCHEDULES = ("constant", "cosine", "linear", "step", "warmup-linear", "one-cycle", "wsd")
LAYERS = (("fc1", 128, 64), ("fc2", 128, 128), ("fc3", 10, 128))


def noise(n: int, sd: float, phi: float = 0.0, seed: int = 0) -> Floats:
    """Normal noise of standard deviation `sd` with lag-1 autocorrelation `phi`, shape (n,)."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0.0, sd * math.sqrt(1.0 - phi * phi), n)
    if phi == 0.0 or n == 0:
        return shocks
    out = np.empty(n)
    out[0] = rng.normal(0.0, sd)
    for i in range(1, n):
        out[i] = phi * out[i - 1] + shocks[i]
    return out


def lr_trace(n: int, schedule: str = "constant", peak: float = 0.1) -> Floats:
    """Learning rate of each of `n` steps under one of SCHEDULES."""
    t = np.arange(n) / max(n, 1)
    shapes = {
        "constant": np.ones(n),
        "cosine": 0.5 * (1.0 + np.cos(np.pi * t)),
        "linear": 1.0 - t,
        "step": 0.1 ** np.floor(3.0 * t),
        "warmup-linear": np.minimum((t + 1e-3) / 0.05, (1.0 - t) / 0.95),
        "one-cycle": np.where(t < 0.3, 0.04 + 0.96 * t / 0.3, 0.5 * (1.0 + np.cos(np.pi * (t - 0.3) / 0.7))),
        "wsd": np.minimum(np.minimum((t + 1e-3) / 0.05, 1.0), (1.0 - t) / 0.2),
    }
    return peak * shapes[schedule]


def decay(
    lr: Floats, shape: str = "power", floor: float = 0.2, start: float = B0, hot: float = 0.1
) -> Floats:
    """Noise-free loss under a learning-rate trace: see the module; `hot` is C, the cost of a high rate."""
    progress = np.cumsum(lr) / max(float(lr.sum()), 1e-300)
    fallen = {
        "power": (1.0 + 60.0 * progress) ** -0.8,
        "exponential": np.exp(-8.0 * progress),
        "late": 1.0 / (1.0 + np.exp(18.0 * (progress - 0.15))) * (1.0 + np.exp(-18.0 * 0.15)),
    }[shape]
    heat = hot * lr / max(float(lr.max()), 1e-300) * (1.0 - fallen)
    return np.asarray(floor + (start - floor) * fallen + heat)


def build(
    losses: Sequence[float] | Floats,
    *,
    lr: Floats | None = None,
    validation: Floats | None = None,
    accuracy: Floats | None = None,
    info: RunInfo | None = None,
    parameters: Mapping[str, Mapping[str, Series]] | None = None,
    extra: Mapping[str, Series] | None = None,
    events: Sequence[Event] = (),
    run_id: str = "synthetic",
) -> Run:
    """A Run from arrays; evaluations are spread evenly and end at the last step."""
    n = len(losses)
    series = {"loss/train": Series(np.arange(n), np.asarray(losses, dtype=np.float64))}
    if lr is not None:
        series["lr/0"] = Series(np.arange(n), lr)
    for name, values in (("loss/validation", validation), ("accuracy/validation", accuracy)):
        if values is not None:
            series[name] = Series(evaluation_steps(n, len(values)), values)
    return Run(
        run_id, run_id, {**series, **(extra or {})}, parameters or {}, events, None, info or known_info()
    )


def evaluation_steps(n_steps: int, n_evaluations: int) -> np.ndarray:
    """Steps at which `n_evaluations` equally spaced evaluations end."""
    ends = np.round(np.linspace(0, n_steps, n_evaluations + 1)[1:]) - 1
    return np.asarray(ends, dtype=np.int64)


def known_info(**changes: object) -> RunInfo:
    """Facts about a finished 10-class run whose training labels were seen."""
    info = RunInfo(
        status="finished",
        source="traindoctor",
        seconds=60.0,
        epochs=10.0,
        batch_size=64,
        n_classes=10,
        loss_name="cross_entropy",
        baseline=B0,
        parameters=parameter_infos(),
        optimizers=(OptimizerInfo("SGD", ({"label": "0", "lr": 0.1, "momentum": 0.9},)),),
    )
    return replace(info, **changes)  # type: ignore[arg-type]


def parameter_infos() -> tuple[ParameterInfo, ...]:
    """A three-layer perceptron's parameters, weights and biases in forward order."""
    found: list[ParameterInfo] = []
    for name, rows, columns in LAYERS:
        activation = "" if name == LAYERS[-1][0] else "ReLU"
        found.append(
            ParameterInfo(
                f"{name}.weight", (rows, columns), "matrix", True, "0", module="Linear", activation=activation
            )
        )
        found.append(
            ParameterInfo(f"{name}.bias", (rows,), "bias", True, "0", module="Linear", activation=activation)
        )
    return tuple(found)


def sampled_steps(n: int, every: int = 50) -> np.ndarray:
    """Steps at which per-parameter series are sampled: 0-9, then every `every`-th."""
    return np.unique(np.concatenate([np.arange(min(n, 10)), np.arange(0, n, every)]))


def healthy_parameters(n: int, lr: Floats | None = None, seed: int = 0) -> dict[str, dict[str, Series]]:
    """Per-parameter series of a healthy run: update ratios near 1e-3, weights that grow a little."""
    steps = sampled_steps(n)
    rng = np.random.default_rng(seed)
    rate = np.ones(steps.size) if lr is None else lr[steps] / lr.max()
    table: dict[str, dict[str, Series]] = {}

    def put(quantity: str, name: str, values: Floats) -> None:
        table.setdefault(quantity, {})[name] = Series(steps, values)

    for info in parameter_infos():
        size = info.size
        rms = 0.08 * (1.0 + 0.5 * steps / max(n, 1))
        ratio = 2e-3 * rate * np.exp(rng.normal(0.0, 0.2, steps.size)) + 1e-9
        norm = rms * math.sqrt(size)
        put("weight_norm", info.name, norm)
        put("weight_rms", info.name, rms)
        put("weight_max", info.name, 4.0 * rms)
        put("weight_mean", info.name, np.zeros(steps.size))
        put("weight_std", info.name, rms)
        put("weight_zeros", info.name, np.zeros(steps.size))
        put("grad_norm", info.name, 0.3 * np.exp(rng.normal(0.0, 0.3, steps.size)))
        put("update_ratio", info.name, ratio)
        put("update_norm", info.name, ratio * norm)
        if info.role == "matrix":
            put("grad_zero_rows", info.name, rng.uniform(0.0, 0.1, steps.size))
            put("grad_dead_rows", info.name, np.zeros(steps.size))
    return table


def healthy_run(
    n: int = 2000,
    *,
    seed: int = 0,
    shape: str = "power",
    schedule: str = "cosine",
    phi: float = 0.0,
    sd: float = 0.08,
    evaluations: int = 20,
    known: bool = True,
) -> Run:
    """A run with nothing wrong: falls, settles, validation follows a little above training."""
    lr = lr_trace(n, schedule)
    smooth = decay(lr, shape)
    at = evaluation_steps(n, evaluations)
    validation = smooth[at] + 0.05 + noise(at.size, 0.01, 0.0, seed + 1)
    info = known_info() if known else known_info(baseline=float("nan"), n_classes=0, loss_name="")
    global_norm = Series(np.arange(n), 0.6 * np.exp(noise(n, 0.25, 0.0, seed + 2)))
    return build(
        np.abs(smooth + noise(n, sd, phi, seed) * smooth / B0 * 2.0),
        lr=lr,
        validation=validation,
        accuracy=1.0 - 0.35 * validation,
        info=info,
        parameters=healthy_parameters(n, lr, seed),
        extra={"grad_norm/global": global_norm},
        run_id=f"healthy-{shape}-{schedule}-{seed}",
    )


def healthy_runs() -> list[Run]:
    """One healthy run per shape and schedule, with noise from white to strongly autocorrelated."""
    cases = [(shape, schedule) for shape in SHAPES for schedule in SCHEDULES]
    # An exponential fall under a constant learning rate ends in a true plateau.
    cases.remove(("exponential", "constant"))
    return [
        healthy_run(
            1500, seed=i, shape=shape, schedule=schedule, phi=(0.0, 0.5, 0.9)[i % 3], known=i % 4 != 3
        )
        for i, (shape, schedule) in enumerate(cases)
    ]


def with_series(run: Run, **changes: Series) -> Run:
    """The run with series replaced or added; a double underscore in a keyword stands for a slash."""
    return replace(run, series={**run.series, **{name.replace("__", "/"): s for name, s in changes.items()}})


def scaled(run: Run, factor: float) -> Run:
    """The same training with its loss multiplied by `factor`: losses, gradients and B0 follow."""
    scale = {"loss/train", "loss/validation", "grad_norm/global", "grad_norm/preclip"}
    series = {k: Series(s.steps, s.values * factor) if k in scale else s for k, s in run.series.items()}
    tables = {
        quantity: {k: Series(s.steps, s.values * factor) for k, s in table.items()}
        if quantity == "grad_norm"
        else dict(table)
        for quantity, table in run.parameters.items()
    }
    # n_classes goes: ln C is a level of the unscaled loss only.
    info = replace(run.info, baseline=run.info.baseline * factor, n_classes=0)
    return replace(run, series=series, parameters=tables, info=info)


def cut(run: Run, n_steps: int) -> Run:
    """The first `n_steps` steps of a run."""

    def head(series: Series) -> Series:
        return series.between(0, n_steps - 1)

    series = {name: head(s) for name, s in run.series.items()}
    tables = {q: {name: head(s) for name, s in table.items()} for q, table in run.parameters.items()}
    events = tuple(event for event in run.events if event.step < n_steps)
    return replace(run, series=series, parameters=tables, events=events)


# Runs in trouble. Each says in its name what is wrong; `at` is the step at which it begins.


def nan_run(n: int = 1000, at: int = 600, seed: int = 0) -> Run:
    """The loss rises for 20 steps and is NaN from `at` on."""
    run = healthy_run(n, seed=seed)
    values = run.series["loss/train"].values.copy()
    values[at - 20 : at] += np.linspace(0.1, 5.0, 20)
    values[at:] = np.nan
    gradients = run.series["grad_norm/global"].values.copy()
    gradients[at - 20 : at] *= np.geomspace(2.0, 1e4, 20)
    gradients[at:] = np.nan
    steps = np.arange(n)
    return with_series(run, loss__train=Series(steps, values), grad_norm__global=Series(steps, gradients))


def diverged_run(n: int = 2000, at: int = 1200, seed: int = 0) -> Run:
    """Learns well until `at`, then the loss climbs above its initial level and stays there."""
    run = healthy_run(n, seed=seed, schedule="constant")
    values = run.series["loss/train"].values.copy()
    climb = np.minimum((np.arange(n) - at) / (0.05 * n), 1.0).clip(0.0)
    values = values + climb * 2.4
    return with_series(run, loss__train=Series(np.arange(n), values))


def spiked_run(n: int = 2000, at: int = 1200, width: int = 60, height: float = 2.0, seed: int = 0) -> Run:
    """One loss spike that decays over `width` steps, gradient norm up two steps before."""
    run = healthy_run(n, seed=seed)
    t = np.arange(n)
    bump = np.where(t >= at, height * np.exp(-(t - at) / (width / 3.0)), 0.0)
    gradients = run.series["grad_norm/global"].values * np.where((t >= at - 2) & (t < at + 5), 20.0, 1.0)
    values = run.series["loss/train"].values + bump
    return with_series(run, loss__train=Series(t, values), grad_norm__global=Series(t, gradients))


def plateaued_run(
    n: int = 4000, at: int = 1600, level: float = 0.8, sd: float = 0.05, phi: float = 0.0, seed: int = 0
) -> Run:
    """Constant LR; the loss falls until `at` and stays at `level`, far from solved."""
    t = np.arange(n)
    smooth = level + (B0 - level) * np.clip(1.0 - t / at, 0.0, 1.0) ** 2
    at_evaluations = evaluation_steps(n, 20)
    validation = smooth[at_evaluations] + 0.03 + noise(20, 0.005, 0.0, seed + 1)
    lr = lr_trace(n, "constant")
    return build(
        smooth + noise(n, sd, phi, seed),
        lr=lr,
        validation=validation,
        accuracy=1 - 0.3 * validation,
        parameters=healthy_parameters(n, lr, seed),
    )


def unlearning_run(n: int = 2000, seed: int = 0, sd: float = 0.05) -> Run:
    """The loss stays at the constant predictor's from the first step to the last."""
    lr = lr_trace(n, "constant")
    validation = B0 + 0.01 + noise(20, 0.003, 0.0, seed + 1)
    return build(
        B0 + noise(n, sd, 0.0, seed),
        lr=lr,
        validation=validation,
        accuracy=0.1 + noise(20, 0.005, 0.0, seed),
        parameters=healthy_parameters(n, lr, seed),
    )


def marginal_run(n: int = 2000, leaves_at: int | None = None, seed: int = 0) -> Run:
    """Falls from 3.5 to the constant predictor's loss and sits there; learns from `leaves_at` on."""
    t = np.arange(n)
    smooth = B0 + 1.2 * np.exp(-t / (0.03 * n))
    if leaves_at is not None:
        smooth = smooth - 1.8 * (1.0 - np.exp(-np.clip(t - leaves_at, 0, None) / (0.1 * n)))
    validation = smooth[evaluation_steps(n, 20)] + noise(20, 0.003, 0.0, seed + 1)
    return build(smooth + noise(n, 0.04, 0.0, seed), lr=lr_trace(n, "constant"), validation=validation)


def overfitted_run(
    n: int = 3000, best: int = 8, evaluations: int = 30, rise: float = 0.6, seed: int = 0
) -> Run:
    """Training keeps falling; validation is best at evaluation `best` (0-based) and rises from there."""
    lr = lr_trace(n, "constant")
    smooth = decay(lr, "exponential", floor=0.02, hot=0.0)
    k = np.arange(evaluations)
    validation = (
        0.7 + 1.2 * np.exp(-k / (best / 3.0)) + rise * np.clip(k - best, 0, None) / (evaluations - best)
    )
    validation = validation + noise(evaluations, 0.01, 0.0, seed + 1)
    accuracy = (
        0.75 - 0.3 * np.exp(-k / (best / 3.0)) - 0.06 * np.clip(k - best, 0, None) / (evaluations - best)
    )
    return build(
        np.abs(smooth + noise(n, 0.03, 0.0, seed) * smooth),
        lr=lr,
        validation=validation,
        accuracy=accuracy,
        parameters=healthy_parameters(n, lr, seed),
    )


def memorised_run(n: int = 3000, validation_level: float = 1.0, seed: int = 0) -> Run:
    """Training loss goes to ~0 while validation settles far above it, without rising."""
    lr = lr_trace(n, "cosine")
    smooth = decay(lr, "exponential", floor=0.01, hot=0.0)
    k = np.arange(20)
    validation = validation_level + 1.2 * np.exp(-k / 2.0) + noise(20, 0.004, 0.0, seed)
    info = known_info(epochs=100.0)
    return build(np.abs(smooth * (1.0 + noise(n, 0.05, 0.0, seed))), lr=lr, validation=validation, info=info)


def improving_run(n: int = 3000, seed: int = 0) -> Run:
    """Constant LR; the loss still falls clearly when the run ends."""
    t = np.arange(n)
    smooth = 0.1 + (B0 - 0.1) * (1.0 + 6.0 * t / n) ** -0.7
    validation = smooth[evaluation_steps(n, 20)] + 0.05 + noise(20, 0.004, 0.0, seed + 1)
    return build(smooth + noise(n, 0.04, 0.0, seed), lr=lr_trace(n, "constant"), validation=validation)
