"""What the series mean that well-known frameworks log through a tracker."""

from __future__ import annotations

import re

import numpy as np

from traindoctor.run import Floats, Ints

from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number
from ..intake.series_names import classify

_HF_FILTER = "the Trainer replaces NaN losses by the running mean unless logging_nan_inf_filter is off"
_MEAN_OF_RUN = "mean over the whole run, no point of the curve"
_YOLO_PART = re.compile(r"(train|val)/(?:box|obj|cls|dfl|seg|pose|kobj|rle|angle)(?:_loss|_om|_oo)")
_RL = re.compile(
    r"rollout/ep_rew_mean|charts/episodic_return|train/approx_kl|losses/approx_kl|losses/policy_loss"
    r"|train/ent_coef|train/policy_gradient_loss|train/clip_fraction|episode_reward(?:_mean)?|objective/kl"
    r"|actor/pg_loss|critic/rewards/mean|ray/tune/episode_reward_mean|env_runners/episode_return_mean"
)
_PLANNED = frozenset(
    (
        "epochs",
        "num_epochs",
        "n_epochs",
        "max_epochs",
        "max_epoch",
        "nb_epochs",
        "num_train_epochs",
        "nepochs",
    )
)
_ENVIRONMENT_STEPS = re.compile(r"rollout/ep_rew_mean|charts/episodic_return")
_CONSTANT_OFFSET = 1.0


def interpret(log: Logbook, *, steps_are_told: bool = True) -> None:
    """Declare what the names of the poured series tell together, and what x counts where they tell that.

    Args:
        log: all its rows are poured.
        steps_are_told: whether the source says that x counts optimizer steps; otherwise it is noted when
            nothing else tells.
    """
    names = set(log.series)
    _hugging_face(log, names)
    if any(_RL.fullmatch(name) for name in names):
        log.fact(loss_role="rl")
    if _detection(log, names) or _counts_epochs(log, names) or _are_planned_epochs(log):
        log.x_unit = "epochs"
    elif any(_ENVIRONMENT_STEPS.fullmatch(name) for name in names):
        log.x_unit = "environment steps"
    elif not steps_are_told and log.x_unit == "optimizer steps" and not _counts_steps(log, names):
        log.note("the log does not say what its steps count; they are taken as optimizer steps")


def _hugging_face(log: Logbook, names: set[str]) -> None:
    """Trainer's names: its prefix `train/` stands before the closing figures too."""
    has_summary = "train/train_runtime" in names or "train/runtime" in names
    if not (has_summary or {"train/learning_rate", "train/epoch"} <= names):
        return
    if "train/train_runtime" in names:
        log.fact(status="finished", seconds=log.series["train/train_runtime"].values[-1])
    if "train/grad_norm" in names:
        log.declare("train/grad_norm", Meaning("grad_norm/preclip", "train", note="norm before clipping"))
    if "train/train_loss" in names:
        log.declare("train/train_loss", Meaning(split="train", note=_MEAN_OF_RUN, better="lower"))
    closing = has_summary and "train/runtime" in names and "loss" in names
    if closing and len(log.series["train/loss"].x if "train/loss" in names else ()) == 1:
        log.declare("train/loss", Meaning(split="train", note=_MEAN_OF_RUN, better="lower"))
        log.declare("loss", Meaning("loss/train", "train", "lower", note=_HF_FILTER))
    elif "train/loss" in names:
        log.declare("train/loss", Meaning("loss/train", "train", "lower", note=_HF_FILTER))


def _detection(log: Logbook, names: set[str]) -> bool:
    """Ultralytics and YOLOv5/7: one row per epoch, the total loss is the sum of its parts."""
    if not any(name.startswith("metrics/mAP") for name in names):
        return False
    found = False
    for split, ours in (("train", "loss/train"), ("val", "loss/validation")):
        parts = [
            name for name in log.series if (part := _YOLO_PART.fullmatch(name)) and part.group(1) == split
        ]
        total = f"{split}/loss (sum)"
        if parts and total not in names and _pour_sum(log, parts, total):
            log.declare(total, Meaning(ours, ours[5:], "lower", note=f"sum of {', '.join(parts)}"))
            log.note(f"the total {ours[5:]} loss is the sum of its logged parts")
            found = True
    for name in names:
        if name.startswith("metrics/mAP") and max(log.series[name].values, default=0.0) > 1.0:
            log.note(f"`{name}` exceeds 1: the columns were mapped to the wrong tags when they were written")
    return found


def _pour_sum(log: Logbook, parts: list[str], total: str) -> bool:
    """Sum of parts that were logged at the same x in the same order."""
    arrays = [_arrays(log, name) for name in parts]
    x, _, rows = arrays[-1]
    if not all(np.array_equal(x, other) for other, _, _ in arrays):
        return False
    log.columns(total, x, np.sum([values for _, values, _ in arrays], axis=0), rows)
    return True


def _counts_epochs(log: Logbook, names: set[str]) -> bool:
    """Whether x is the epoch itself: the logged epoch equals it, but for where counting begins."""
    for name in names:
        if classify(name).name != "epoch":
            continue
        x, values, _ = _arrays(log, name)
        offset = x - values
        if x.size > 1 and np.ptp(x) > 0 and np.ptp(offset) == 0 and abs(offset[0]) <= _CONSTANT_OFFSET:
            return True
    return False


def _are_planned_epochs(log: Logbook) -> bool:
    """Whether x runs one by one from 0 or 1 and not beyond the number of epochs in the configuration."""
    config = log.chapters[-1].facts.get("config", {})
    planned = [
        found
        for name, value in config.items()
        if re.split(r"[/.]", name)[-1].lower() in _PLANNED and (found := number(value)) is not None
    ]
    if not planned or not log.series:
        return False
    x = np.unique(np.concatenate([_arrays(log, name)[0] for name in log.series]))
    one_by_one = x.size > 2 and bool(np.all(np.diff(x) == 1)) and x[0] in (0.0, 1.0)
    return one_by_one and x[-1] <= max(planned)


def _counts_steps(log: Logbook, names: set[str]) -> bool:
    """Whether an epoch is logged that grows more slowly than x."""
    for name in names:
        if classify(name).name == "epoch":
            x, values, _ = _arrays(log, name)
            if x.size > 1 and np.ptp(x) > 1.5 * np.ptp(values):
                return True
    return False


def _arrays(log: Logbook, name: str) -> tuple[Floats, Floats, Ints]:
    points = log.series[name]
    return (
        np.array(points.x, np.float64),
        np.array(points.values, np.float64),
        np.array(points.rows, np.int64),
    )
