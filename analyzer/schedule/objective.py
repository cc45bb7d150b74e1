"""What a learning rate is judged by: one number per run, lower is better, from its last evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from traindoctor.names import ACCURACY_VALIDATION, LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.prescription import Objective
from traindoctor.run import Ints, Run
from traindoctor.text import Text

NO_VALIDATION = Text(
    "No validation: neither a validation loss nor a validation accuracy was recorded, so no learning rate "
    "can be judged by anything but the training loss, which rewards overfitting. Evaluate the model with "
    "gradients off (torch.no_grad) at least once near the end of training, then record the run again."
)
NOT_POSITIVE = Text(
    "The validation loss is zero or negative in places, so a relative change of it means nothing; "
    "log a positive loss, or an accuracy."
)

LEAST_ERROR = 1e-4
"""Error rate that stands for "no error at all" where the number of validation samples is unknown."""

_LATE = 0.1
"""Share of the run, at its end, in which the last two evaluations must lie to be averaged."""


@dataclass(frozen=True)
class Judge:
    """Scores runs of one script.

    Attributes:
        objective: what the score is.
        series: name of the series that it is read from.
        least: smallest score, so that its logarithm exists.
    """

    objective: Objective
    series: str
    least: float = 0.0

    def evaluations(self, run: Run) -> Ints:
        """Steps after which the run was evaluated, shape (n,)."""
        found = run.get(self.series)
        return found.steps if found is not None else np.empty(0, dtype=np.int64)

    def score(self, run: Run) -> float:
        """The score at the end of a run: infinite when it diverged, NaN when there was no late evaluation.

        The mean of the last two evaluations where both lie in the last tenth of the run, else the last one:
        an earlier evaluation still sees a high learning rate.

        Source: Ours. The measurements behind the sweep used the last evaluation alone.
        """
        if diverged(run):
            return math.inf
        found = run.get(self.series)
        if found is None or run.n_steps == 0:
            return math.nan
        late = found.values[found.steps >= run.n_steps - 1 - _LATE * run.n_steps][-2:]
        if not late.size:
            return math.nan
        if not bool(np.isfinite(late).all()):
            return math.inf
        value = float(late.mean())
        return max(1.0 - value if self.series == ACCURACY_VALIDATION else value, self.least)


def judge_of(run: Run) -> Judge | str:
    """How to score this run and its like, or a sentence that says why that cannot be done.

    Validation loss where it was recorded; else 1 - accuracy, the error rate, whose relative change is what a
    relative change of the loss would be.
    """
    loss = run.get(LOSS_VALIDATION)
    if loss is not None:
        values = loss.finite().values
        if values.size and float(values.min()) <= 0.0:
            return NOT_POSITIVE
        return Judge("validation loss", LOSS_VALIDATION)
    if run.get(ACCURACY_VALIDATION) is None:
        return NO_VALIDATION
    held_out = run.predictions.y_true.size if run.predictions is not None else 0
    return Judge("validation error rate", ACCURACY_VALIDATION, 0.5 / held_out if held_out else LEAST_ERROR)


def diverged(run: Run) -> bool:
    """Whether the training loss ended as NaN or infinity."""
    loss = run.get(LOSS_TRAIN)
    return loss is not None and not math.isfinite(float(loss.values[-1]))
