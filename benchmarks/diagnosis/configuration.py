"""One training as data: the random draw of task, model, optimizer and schedule, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .tasks import SPLITS, Task, tasks_of

STARTING_LR = {"sgd": 0.1, "momentum": 0.03, "adam": 3e-3, "adamw": 3e-3, "rmsprop": 1e-3}
"""Middle of the learning-rate sweep of each optimizer."""


@dataclass(frozen=True)
class Fault:
    """What is done wrong; the defaults do nothing.

    Attributes:
        kind: stable name, "" for none.
        clear_gradients: False leaves out `zero_grad`.
        optimizer_on_copy: True builds the optimizer on a copy of the model.
        in_optimizer: share of the model's parameters, counted from the last, that the optimizer holds.
        bias_shift: added to every hidden bias before training.
        weight_factor: multiplies every matrix before training.
        n_train: number of training samples kept, 0 for all.
        shuffled: labels lose their connection to the inputs.
        label_noise: share of training labels replaced by those of other samples.
        input_factor: multiplies the inputs.
        target_factor: multiplies the targets.
        horizon: length of the schedule as a share of the run.
        hold_after_horizon: a cosine stays at its end instead of rising again.
        wrong_unit: a per-step scheduler is stepped once per epoch.
        sorted_data: batches come in the order of the labels, never shuffled.
        ascent: the loss is negated.
        nan_at: step (as a share of the run) whose inputs hold a NaN; negative for never.
        bad_batch_at: step (share of the run) from which 3 batches have inputs 1000 times too large.
        lr_jump_at: step (share of the run) from which all learning rates are 100 times larger.
        momentum: replaces 0.9, of SGD with momentum and of Adam's first moment; 0 leaves it.
        eps: replaces the number that an adaptive optimizer adds to its denominator; 0 leaves it.
        reset_at: step (share of the run) at which all weights are drawn anew; negative for never.
        label_shift: class ids of the training labels are off by one.
        validation_factor: multiplies the validation inputs only.
        probabilities: the model ends with a softmax or sigmoid although the loss expects logits.
        step_for_epoch: a per-epoch scheduler is stepped after every step.
        detached: no gradient flows from the last layer into those before it.
        flat_targets: targets have shape (n,) although the outputs have (n, 1).
        summed: the loss is summed over the batch instead of averaged.
        cleared_before_step: `zero_grad` comes between `backward` and the optimizer's step.
        equal_weights: every weight starts at this number, and every bias at 0; negative for never.
        head_factor: multiplies the learning rate of the last layer, a param group of its own.
        average_decay: what is evaluated is a moving average of the weights that keeps this share of itself
            per step; 0 for the weights themselves.
        leak: added to the last training input for each standard deviation of the target.
        missing_classes: share of the classes that the training set has no sample of.
        offset: added to all inputs.
    """

    kind: str = ""
    clear_gradients: bool = True
    optimizer_on_copy: bool = False
    in_optimizer: float = 1.0
    bias_shift: float = 0.0
    weight_factor: float = 1.0
    n_train: int = 0
    shuffled: bool = False
    label_noise: float = 0.0
    input_factor: float = 1.0
    target_factor: float = 1.0
    horizon: float = 1.0
    hold_after_horizon: bool = False
    wrong_unit: bool = False
    sorted_data: bool = False
    ascent: bool = False
    nan_at: float = -1.0
    bad_batch_at: float = -1.0
    lr_jump_at: float = -1.0
    momentum: float = 0.0
    eps: float = 0.0
    reset_at: float = -1.0
    label_shift: bool = False
    validation_factor: float = 1.0
    probabilities: bool = False
    step_for_epoch: bool = False
    detached: bool = False
    flat_targets: bool = False
    summed: bool = False
    cleared_before_step: bool = False
    equal_weights: float = -1.0
    head_factor: float = 1.0
    average_decay: float = 0.0
    leak: float = 0.0
    missing_classes: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True)
class Config:
    """Everything that decides a training.

    Attributes:
        task: name of the task.
        seed: of data, initial weights and batch order.
        architecture: `mlp`, `conv`, `gru` or `transformer`.
        depth: hidden layers.
        width: units or channels per hidden layer.
        activation: `relu`, `gelu`, `tanh`, `silu` or `identity`.
        norm: `none`, `batch` or `layer`.
        dropout: probability.
        initialisation: `default`, `he` or `xavier`.
        optimizer: key of `STARTING_LR`.
        lr: peak learning rate.
        weight_decay: as given to the optimizer.
        schedule: see `schedules.py`.
        per_epoch: whether the scheduler is stepped once per epoch instead of once per step.
        batch_size: samples per backward call.
        accumulation: backward calls per optimizer step, each loss divided by it.
        clip_norm: gradient-norm limit, 0 for none.
        n_steps: optimizer steps.
        fault: what is wrong.
    """

    task: str
    seed: int
    architecture: str
    depth: int
    width: int
    activation: str
    norm: str
    dropout: float
    initialisation: str
    optimizer: str
    lr: float
    weight_decay: float
    schedule: str
    per_epoch: bool
    batch_size: int
    accumulation: int
    clip_norm: float
    n_steps: int
    fault: Fault = field(default_factory=Fault)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> Config:
        """Inverse of `to_json`."""
        return Config(**{**values, "fault": Fault(**values["fault"])})


_ARCHITECTURES = {
    "tabular": ("mlp",),
    "image": ("conv", "mlp"),
    "language": ("gru", "transformer"),
    "sequence": ("gru", "transformer"),
}


def draw(split: str, index: int) -> Config:
    """Draw number `index` of a split; tasks take turns, everything else is random but fixed."""
    rng = np.random.default_rng([SPLITS.index(split) + 1, index])
    tasks = tasks_of(split)
    task = tasks[index % len(tasks)]
    optimizer = str(rng.choice(list(STARTING_LR)))
    schedule = str(
        rng.choice(["constant", "step", "cosine", "warmup-cosine", "one-cycle", "exponential", "plateau"])
    )
    return Config(
        task=task.name,
        seed=int(rng.integers(2**31)),
        **_model(rng, task),
        optimizer=optimizer,
        lr=STARTING_LR[optimizer],
        weight_decay=float(rng.choice([0.0, 0.0, 1e-4, 1e-3]))
        if optimizer != "adamw"
        else float(rng.choice([1e-2, 0.1])),
        schedule=schedule,
        per_epoch=schedule in ("step", "cosine", "exponential") and bool(rng.random() < 0.5),
        batch_size=int(rng.choice([16, 32] if task.kind == "language" else [16, 32, 64, 128])),
        accumulation=2 if rng.random() < 0.08 else 1,
        clip_norm=float(rng.choice([0.0, 0.0, 0.0, 0.0, 1.0, 5.0])),
        n_steps=_n_steps(rng, task),
    )


def _model(rng: np.random.Generator, task: Task) -> dict[str, Any]:
    recurrent = task.kind in ("language", "sequence")
    return {
        "architecture": str(rng.choice(_ARCHITECTURES[task.kind])),
        "depth": int(rng.integers(1, 3 if recurrent else 5)),
        "width": int(rng.choice([16, 32] if recurrent else [16, 32, 64])),
        "activation": str(rng.choice(["relu", "relu", "gelu", "tanh", "silu"])),
        "norm": str(rng.choice(["none", "none", "batch", "layer"])),
        "dropout": float(rng.choice([0.0, 0.0, 0.1, 0.3])),
        "initialisation": str(rng.choice(["default", "default", "he", "xavier"])),
    }


def _n_steps(rng: np.random.Generator, task: Task) -> int:
    longest = 280 if task.kind in ("language", "sequence") else 500
    return int(np.exp(rng.uniform(np.log(200), np.log(longest))))
