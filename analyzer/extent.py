"""The part of its x axis that a run covers: logs of other tools may begin late, or count from one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from traindoctor.names import BATCH_SIZE, EPOCH
from traindoctor.run import Run

from .memo import memoised


@dataclass(frozen=True)
class Extent:
    """First and last x of a run, both inclusive, in its x unit."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How much of the axis is covered; 0 for an empty run."""
        return self.last - self.first + 1

    def share_before(self, x: float) -> float:
        """Share of the run that lies before x, 0..1."""
        return min(1.0, max(0.0, (x - self.first) / max(self.length, 1)))


@memoised
def extent(run: Run) -> Extent:
    """The extent of a run; (0, -1) for one without values.

    Example:
        >>> import numpy as np
        >>> from traindoctor.run import Series
        >>> losses = Series(np.array([100, 200, 300]), np.array([3.0, 2.0, 1.0]))
        >>> extent(Run("r", "r", {"loss/train": losses}))
        Extent(first=100, last=300)
    """
    starts = [int(series.steps[0]) for series in run.series.values() if len(series)]
    return Extent(min(starts), run.n_steps - 1) if starts else Extent(0, -1)


def training_samples(run: Run) -> float:
    """Samples of one pass over the training data; infinite when unknown."""
    epochs, sizes = run.get(EPOCH), run.get(BATCH_SIZE)
    if epochs is None or sizes is None or float(epochs.values[-1]) < 2.0:
        return math.inf
    first = sizes.steps < epochs.steps[np.argmax(epochs.values > epochs.values[0])]
    return float(sizes.values[first].sum()) if first.any() else math.inf
