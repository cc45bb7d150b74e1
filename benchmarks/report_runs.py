"""Made-up runs of a stated size for measuring reports: what a recorded run of that length would hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor import names
from traindoctor.run import OptimizerInfo, ParameterInfo, Predictions, Run, RunInfo, Series

CLASSES = 10
QUANTITIES = {"grad_norm": 1.0, "weight_norm": 5.0, "weight_rms": 0.05, "update_ratio": 1e-3}
PARAMETER_SAMPLES = 2000
"""Samples per parameter and quantity of a long run: what the recorder's thinning leaves of 10^6 steps."""


@dataclass(frozen=True)
class Size:
    """How long and how wide a run is."""

    name: str
    steps: int
    parameters: int
    epochs: int


TYPICAL = Size("typical run: 20,000 steps x 62 parameters", 20_000, 62, 40)
LARGE = Size("large run: 1,000,000 steps x 500 parameters", 1_000_000, 500, 200)


def run_of(size: Size, seed: int = 0) -> Run:
    """A classifier that overfits in its second half, with every series that recording leaves behind."""
    rng = np.random.default_rng(seed)
    infos = parameters(size.parameters)
    lr = 0.1 * (1 + np.cos(np.pi * np.arange(size.steps) / size.steps)) / 2
    info = RunInfo(
        status="finished",
        source="traindoctor",
        seconds=0.05 * size.steps,
        epochs=float(size.epochs),
        batch_size=128,
        n_classes=CLASSES,
        loss_name="cross_entropy",
        baseline=float(np.log(CLASSES)),
        parameters=infos,
        optimizers=(
            OptimizerInfo("SGD", ({"label": "0", "lr": 0.1, "momentum": 0.9},), "CosineAnnealingLR"),
        ),
        config={"command": ["train.py", "--lr", "0.1"]},
    )
    run_id = f"made-up-{size.steps}-{size.parameters}"
    series = {**scalars(size, rng), names.lr("0"): Series(np.arange(size.steps), lr)}
    return Run(run_id, run_id, series, tables(size, infos, rng), (), predictions(rng), info)


def scalars(size: Size, rng: np.random.Generator) -> dict[str, Series]:
    """Loss, gradient norm, epoch and times of every step; loss and accuracy of four evaluations an epoch."""
    steps = np.arange(size.steps)
    share = steps / size.steps
    loss = (2.2 * np.exp(-share / 0.12) + 0.08) * rng.lognormal(0, 0.2, size.steps)
    norm = (0.4 + 2 * np.exp(-share / 0.3)) * rng.lognormal(0, 0.4, size.steps)
    at = np.unique(np.linspace(0, size.steps - 1, 4 * size.epochs + 1)[1:].astype(np.int64))
    part = at / size.steps
    held_out = (2.1 * np.exp(-part / 0.1) + 0.4 + 0.5 * np.maximum(0, part - 0.5)) * rng.lognormal(
        0, 0.01, len(at)
    )
    seconds = rng.gamma(50, 0.001, size.steps)
    return {
        names.LOSS_TRAIN: Series(steps, loss),
        names.GRAD_NORM: Series(steps, norm),
        names.EPOCH: Series(steps, np.floor(share * size.epochs)),
        names.STEP_TIME: Series(steps[1:], seconds[1:]),
        names.LOSS_VALIDATION: Series(at, held_out),
        names.ACCURACY_VALIDATION: Series(at, 0.9 - 0.8 * np.exp(-part / 0.1)),
    }


def parameters(n: int) -> tuple[ParameterInfo, ...]:
    """Convolutions with their norms, in blocks, and a head."""
    found: list[ParameterInfo] = []
    while len(found) < n:
        index = len(found)
        layer = f"layer{index // 12}.{index // 3 % 4}"
        found += [
            ParameterInfo(f"{layer}.conv.weight", (64, 64, 3, 3), "matrix", True, "0", module="Conv2d"),
            ParameterInfo(f"{layer}.norm.weight", (64,), "norm", True, "0", module="BatchNorm2d"),
            ParameterInfo(f"{layer}.norm.bias", (64,), "bias", True, "0", module="BatchNorm2d"),
        ]
    return tuple(found[:n])


def tables(
    size: Size, infos: tuple[ParameterInfo, ...], rng: np.random.Generator
) -> dict[str, dict[str, Series]]:
    """Every quantity of every parameter, sampled as often as the recorder would."""
    at = np.unique(np.geomspace(1, size.steps, min(PARAMETER_SAMPLES, size.steps)).astype(np.int64) - 1)
    fall = 1 / (1 + at / (0.3 * size.steps))
    return {
        quantity: {
            info.name: Series(at, level * fall * rng.lognormal(0, 0.3, len(at)) * 10 ** rng.normal(0, 0.3))
            for info in infos
        }
        for quantity, level in QUANTITIES.items()
    }


def predictions(rng: np.random.Generator) -> Predictions:
    """The last evaluation: 5000 samples, 85 % right."""
    truth = rng.integers(0, CLASSES, 5000)
    scores = rng.normal(0, 1, (5000, CLASSES))
    scores[np.arange(5000), truth] += 2.6
    return Predictions(truth, scores, 0, tuple(f"class {i}" for i in range(CLASSES)), "logits")
