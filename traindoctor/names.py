"""Every series: its name, unit, meaning, and where in the training step it is read."""

from __future__ import annotations

from dataclasses import dataclass

from .text import Text


@dataclass(frozen=True)
class Quantity:
    """One recordable quantity.

    Attributes:
        name: series name, or the part before `/<which>` for a family.
        unit: unit shown beside every value.
        meaning: one line for a reader of the report.
        read_at: the moment in the training step at which the value is taken.
    """

    name: str
    unit: str
    meaning: str
    read_at: str


LOSS_TRAIN = "loss/train"
LOSS_VALIDATION = "loss/validation"
ACCURACY_VALIDATION = "accuracy/validation"
GRAD_NORM = "grad_norm/global"
GRAD_NORM_PRECLIP = "grad_norm/preclip"
GRAD_NORM_PART = "grad_norm/part"
GRAD_NORM_WHOLE = "grad_norm/whole"
GRAD_NORM_PRECLIP_PART = "grad_norm/preclip_part"
STEP_TIME = "time/step"
TIME_BEFORE_BACKWARD = "time/before_backward"
EPOCH = "epoch"
BATCH_SIZE = "batch_size"
AMP_SCALE = "amp/scale"
AMP_SKIPPED = "amp/skipped"
MICRO_BATCHES = "micro_batches"
STALE_GRADIENTS = "stale_gradients"
WEIGHT_CHECKSUM = "weight_checksum"
"""Per parameter, and in logs of several ranks only: tells whether all of them hold the same weights."""


_IN_WORDS = {
    LOSS_TRAIN: Text("training loss"),
    LOSS_VALIDATION: Text("validation loss"),
    "loss/test": Text("test loss"),
    ACCURACY_VALIDATION: Text("validation accuracy"),
    "accuracy/test": Text("test accuracy"),
}
_SPLITS = {"train": Text("training"), "validation": Text("validation"), "test": Text("test")}


def in_words(name: str) -> Text:
    """A series as it is called in a sentence.

    Example:
        >>> str(in_words("loss/validation")), str(in_words("map50/test"))
        ('validation loss', 'test map50')
    """
    quantity, _, split = name.rpartition("/")
    return _IN_WORDS.get(name) or Text(
        "{split} {quantity}", split=_SPLITS.get(split, split), quantity=quantity
    )


def lr(group: str) -> str:
    """Name of the learning-rate series of one param group."""
    return f"lr/{group}"


SERIES: tuple[Quantity, ...] = (
    Quantity(
        LOSS_TRAIN,
        "loss units",
        "training loss of the step: the mean over its backward calls",
        "root of backward()",
    ),
    Quantity(
        LOSS_VALIDATION,
        "loss units",
        "mean loss of one evaluation pass, samples weighted equally",
        "loss functions with gradients off",
    ),
    Quantity(
        ACCURACY_VALIDATION,
        "fraction",
        "share of correct top-1 predictions in one evaluation pass",
        "argmax/max/topk with gradients off, or the loss's inputs",
    ),
    Quantity("lr", "1/step", "learning rate the step used, per param group", "optimizer step, post hook"),
    Quantity(
        "script_lr",
        "1/step",
        "learning rate the script itself had chosen, where a prescribed one was used in its place",
        "optimizer step, pre hook",
    ),
    Quantity(
        GRAD_NORM,
        "loss units / weight unit",
        "L2 norm of all gradients as the optimizer used them (after clipping)",
        "optimizer step, post hook",
    ),
    Quantity(
        GRAD_NORM_PRECLIP,
        "loss units / weight unit",
        "L2 norm of all gradients before clipping",
        "return value of clip_grad_norm_",
    ),
    Quantity(
        GRAD_NORM_PART,
        "loss units / weight unit",
        "one rank's share of the gradient norm, of parameters of which each rank holds a part",
        "optimizer step, post hook",
    ),
    Quantity(
        GRAD_NORM_WHOLE,
        "loss units / weight unit",
        "gradient norm of the parameters that every rank holds whole, where others are held in parts",
        "optimizer step, post hook",
    ),
    Quantity(
        GRAD_NORM_PRECLIP_PART,
        "loss units / weight unit",
        "one rank's share of the norm before clipping",
        "return value of clip_grad_norm_",
    ),
    Quantity(
        STEP_TIME,
        "s",
        "wall-clock time since the end of the previous optimizer step",
        "optimizer step, post hook",
    ),
    Quantity(
        TIME_BEFORE_BACKWARD,
        "s",
        "time from the end of the previous step to the first backward call; with several ranks only",
        "backward()",
    ),
    Quantity(EPOCH, "epochs", "0-based pass over the training loader in force", "DataLoader.__iter__"),
    Quantity(BATCH_SIZE, "samples", "samples in the step, over all its micro-batches", "DataLoader batches"),
    Quantity(
        MICRO_BATCHES,
        "backward calls",
        "backward calls in the step (gradient accumulation when > 1)",
        "backward()",
    ),
    Quantity(AMP_SCALE, "dimensionless", "loss scale of GradScaler", "GradScaler.step"),
    Quantity(
        AMP_SKIPPED,
        "steps",
        "optimizer steps that GradScaler skipped just before this one",
        "GradScaler.step",
    ),
    Quantity(
        STALE_GRADIENTS,
        "fraction",
        "1 where gradients of the previous step were still there at the first backward of this one, else 0",
        "first backward() after a step",
    ),
)

PARAMETER_QUANTITIES: tuple[Quantity, ...] = (
    Quantity("weight_norm", "weight units", "L2 norm of the parameter", "after the step"),
    Quantity("weight_rms", "weight units", "root mean square of the parameter", "after the step"),
    Quantity("weight_max", "weight units", "largest absolute value of the parameter", "after the step"),
    Quantity("weight_mean", "weight units", "mean of the parameter", "after the step"),
    Quantity(
        "weight_std", "weight units", "standard deviation of the parameter (population)", "after the step"
    ),
    Quantity("weight_zeros", "fraction", "share of exact zeros in the parameter", "after the step"),
    Quantity(
        "grad_norm",
        "loss units / weight unit",
        "L2 norm of the gradient the optimizer used; absent when there was none",
        "optimizer step, post hook",
    ),
    Quantity(
        "update_norm",
        "weight units",
        "L2 norm of the realised change of the parameter in this step",
        "difference over the step",
    ),
    Quantity(
        "update_ratio",
        "dimensionless",
        "update norm / weight norm before the step",
        "difference over the step",
    ),
    Quantity(
        "grad_zero_rows",
        "fraction",
        "share of output rows (channels) whose gradient is exactly zero",
        "optimizer step, post hook",
    ),
    Quantity(
        "grad_dead_rows",
        "fraction",
        "share of output rows whose gradient was exactly zero in each of the last 5 samples",
        "optimizer step, post hook",
    ),
)

_BY_NAME = {quantity.name: quantity for quantity in (*SERIES, *PARAMETER_QUANTITIES)}


def quantity_of(series: str) -> Quantity | None:
    """The registered quantity behind a series name (`lr/0` -> `lr`), or None for a name the user chose."""
    return _BY_NAME.get(series) or _BY_NAME.get(series.split("/", 1)[0])


def unit_of(series: str) -> str:
    """Unit of a series; "" for a name the user chose."""
    quantity = quantity_of(series)
    return quantity.unit if quantity else ""
