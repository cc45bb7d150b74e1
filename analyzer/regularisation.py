"""What helps against overfitting, as code for this model, this optimizer and the numbers of this run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from traindoctor.run import ParameterInfo, Run

from .optimizer_code import optimizer_code, rounded
from .phrases import place

DECOUPLED = ("AdamW",)
"""Optimizers whose weight decay does not go through the gradient."""

FIRST_DECAY = {"SGD": 5e-4, "AdamW": 0.05}
"""Weight decay to begin with where there is none; 1e-4 for any other optimizer. Source: common practice."""

MORE_DECAY = 5.0
"""Factor on a weight decay that is in use already."""

MOST_DECAY = {"SGD": 5e-3, "AdamW": 0.3}
"""Largest weight decay that is advised; 1e-2 for any other optimizer."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


def regularisation_code(run: Run, best_step: int | None = None) -> str:
    """Ways to overfit less, each under its own comment; try one at a time.

    Args:
        run: the run that overfits.
        best_step: step of the best evaluation, None when there is none to stop at.

    Every name of the run that gets into the code is a plain dotted name; anything else is left out.
    """
    ways = [
        "" if best_step is None else _stopping(run, best_step),
        _decay(run),
        _lasso(run),
        _dropout(run),
        _augmentation(run),
        _averaging(run),
        _smoothing(run),
    ]
    return "\n\n".join(way for way in ways if way)


def _stopping(run: Run, best_step: int) -> str:
    """Early stopping, with the epoch that this run was best after."""
    epochs = run.get("epoch")
    known = ""
    if epochs is not None:
        index = int(np.searchsorted(epochs.steps, best_step, side="right")) - 1
        known = f" (this run: epoch {int(epochs.values[max(index, 0)]) + 1}, {place(run, best_step)})"
    return f"""\
# 1. Stop at the best validation loss{known}; after each evaluation:
if validation_loss < best:
    best, waited = validation_loss, 0
    torch.save(model.state_dict(), "best.pt")
else:
    waited += 1
if waited >= 5:
    model.load_state_dict(torch.load("best.pt"))  # and leave the training loop"""


def _decay(run: Run) -> str:
    """Weight decay, L2 or decoupled as the optimizer has it."""
    if not run.info.optimizers or not run.info.optimizers[0].groups:
        return ""
    optimizer = run.info.optimizers[0]
    present = _number(optimizer.groups[0], "weight_decay")
    if present is None:
        return ""
    most = MOST_DECAY.get(optimizer.name, 1e-2)
    new = FIRST_DECAY.get(optimizer.name, 1e-4) if present == 0 else min(present * MORE_DECAY, most)
    if new <= present:
        return ""
    kind = "decoupled from the gradient" if optimizer.name in DECOUPLED else "an L2 penalty"
    now = f"now {present:g}" if present else "none now"
    value = rounded(new)
    return (
        f"# 2. Weight decay, {kind} ({now})\n"
        f"# proven without an edit: traindoctor prove RUN --set weight_decay={value:g} -- train.py\n"
        f"{optimizer_code(run, weight_decay=value)}"
    )


def _lasso(run: Run) -> str:
    """An L1 penalty on the matrices, about a hundredth of the training loss."""
    weights = [info.size for info in run.info.parameters if info.role == "matrix"]
    loss = run.get("loss/train")
    if not weights or loss is None:
        return ""
    level = float(np.median(loss.finite().values[-100:])) if len(loss.finite()) else math.nan
    held = [
        float(series.values[-1])
        for name, series in run.parameter("weight_rms").items()
        if len(series) and (info := run.info_of(name)) is not None and info.role == "matrix"
    ]
    size = 0.8 * float(np.median(held)) * sum(weights) if held else 0.03 * sum(weights)
    strength = float(f"{0.01 * max(level, 0.1) / size:.1g}") if math.isfinite(level) and size > 0 else 1e-5
    return (
        "# 3. An L1 penalty, which drives weights to zero; before backward():\n"
        f"loss = loss + {strength!r} * sum(p.abs().sum() for p in model.parameters() if p.dim() > 1)"
    )


def _dropout(run: Run) -> str:
    """Dropout in front of the last linear layer."""
    last = _last_linear(run)
    if last is None:
        return ""
    parent, _, name = last.rpartition(".")
    holder = f'model.get_submodule("{parent}")' if parent else "model"
    return (
        "# 4. Dropout before the last linear layer, right after the model is built "
        "(its name in checkpoints changes)\n"
        f'holder, name = {holder}, "{name}"\n'
        "setattr(holder, name, torch.nn.Sequential(torch.nn.Dropout(0.3), getattr(holder, name)))\n"
        "# needs model.train() before training and model.eval() before evaluation"
    )


def _last_linear(run: Run) -> str | None:
    """Name of the last linear module with more than one before it, None when there is none to name."""
    linear = [info for info in run.info.parameters if _is_linear(info)]
    if len(linear) < 2:
        return None
    name = linear[-1].name.rpartition(".")[0]
    return name if len(name) <= 200 and _SAFE_NAME.fullmatch(name) else None


def _is_linear(info: ParameterInfo) -> bool:
    return info.module == "Linear" and info.role == "matrix" and info.name.endswith(".weight")


def _augmentation(run: Run) -> str:
    """Shifts and mirroring of images, where the model has convolutions over two axes."""
    if not any(len(info.shape) == 4 for info in run.info.parameters):
        return ""
    return """\
# 5. Augmentation, on each training batch of images (n, channels, height, width)
images = torch.roll(images, torch.randint(-2, 3, (2,)).tolist(), (2, 3))
mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
images = torch.where(mirrored, images.flip(-1), images)  # only where a mirrored image keeps its label"""


def _averaging(run: Run) -> str:
    """An exponential average of the weights over about a tenth of the run."""
    if run.n_steps < 20 or run.info.x_unit != "optimizer steps":
        return ""
    decay = rounded(1.0 - 10.0 / run.n_steps, 5)
    buffers = ", use_buffers=True" if any(info.role == "norm" for info in run.info.parameters) else ""
    return f"""\
# 6. Averaged weights: evaluate and save `averaged` instead of `model`
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn({max(decay, 0.9)!r}){buffers})
averaged.update_parameters(model)  # after each optimizer.step()"""


def _smoothing(run: Run) -> str:
    """Label smoothing where the loss is the cross-entropy of classes."""
    if run.info.loss_name != "cross_entropy":
        return ""
    return (
        "# 7. Label smoothing, in training only: evaluate with the plain loss\n"
        "criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)"
    )


def _number(group: Mapping[str, Any], key: str) -> float | None:
    value = group.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
