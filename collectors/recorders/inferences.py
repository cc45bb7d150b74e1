"""What was worked out without the user's cooperation: a note per series, so that nobody takes it for told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traindoctor import names

if TYPE_CHECKING:
    from .sink import Sink

MOST_NOTED = 100
"""Series that carry a note; a program that makes optimizers without end is no reason to write without end."""

TRAINING_LOSS = "inferred: what backward was called on, before loss scaling"
EPOCHS = "inferred: passes over the loader whose batches backward calls followed"


class Inferences:
    """Series name -> how it was inferred; written into the log's `series` fact.

    Attributes:
        known: what was noted so far, as `traindoctor.run.SeriesInfo` has it.
    """

    def __init__(self) -> None:
        self.known: dict[str, dict[str, str]] = {}

    def note(self, sink: Sink, series: str, note: str) -> None:
        """Say once how a series was inferred."""
        if series in self.known or len(self.known) >= MOST_NOTED:
            return
        told = {"note": note}
        if series.startswith(names.LOSS_VALIDATION):
            told |= {"split": "validation", "better": "lower"}
        elif series.startswith(names.ACCURACY_VALIDATION):
            told |= {"split": "validation", "better": "higher"}
        elif series.endswith(names.LOSS_TRAIN):
            told |= {"split": "train", "better": "lower"}
        self.known = {**self.known, series: told}
        sink.meta({"series": self.known})


def evaluated(functions: str, *, has_loader: bool, in_evaluation_mode: bool) -> str:
    """How an evaluation pass was told from training.

    Args:
        functions: what computed the values, e.g. `cross_entropy`.
        has_loader: its batches came from a DataLoader.
        in_evaluation_mode: gradients were on, so `model.training` had to tell.
    """
    if in_evaluation_mode:
        how = "with gradients on and the model in evaluation mode, on a loader that no backward call follows"
    elif has_loader:
        how = "with gradients off, on a loader that no backward call follows"
    else:
        how = "with gradients off, on labels that training does not use"
    return f"inferred: {functions} {how}"
