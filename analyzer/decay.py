"""Weight decay: how much of it was set, and what it alone would have done to the weights."""

from __future__ import annotations

import math

from traindoctor.run import Run

from .phases import main_group, main_learning_rate


def setting(run: Run, key: str) -> float:
    """A numeric setting of the first optimizer's main param group; 0 when there is none or it is unknown."""
    label = main_group(run)
    for optimizer in run.info.optimizers[:1]:
        for group in optimizer.groups:
            value = group.get(key, 0.0)
            if str(group.get("label", label)) == label and isinstance(value, (int, float)):
                return float(value)
    return 0.0


def weight_decay(run: Run) -> float:
    """Weight decay of the main param group; 0 when there is none or it is unknown."""
    return setting(run, "weight_decay")


def decay_strength(run: Run, decay: float) -> float:
    """Logarithm by which the decay alone would have shrunk the weights over the run.

    The sum over the steps of learning rate x decay; SGD's momentum multiplies it by 1 / (1 - momentum). NaN
    where the optimizer normalises the decay together with the gradients (Adam, RMSprop and others).
    """
    trace = main_learning_rate(run)
    if trace is None or not run.info.optimizers:
        return math.nan
    name = run.info.optimizers[0].name
    if name not in ("SGD", "AdamW"):
        return math.nan
    spacing = run.n_steps / max(len(trace), 1)
    total = decay * float(trace.values.sum()) * spacing
    momentum = setting(run, "momentum") if name == "SGD" else 0.0
    return total / max(1.0 - momentum, 1e-3)
