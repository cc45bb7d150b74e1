"""Whether the loss of a batch depends on where in the epoch it comes: data that are never shuffled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor.names import EPOCH, LOSS_TRAIN
from traindoctor.run import Floats, Run

LEAST_POSITIONS = 4
LEAST_EPOCHS = 3


@dataclass(frozen=True)
class PositionEffect:
    """How much of the loss its place in the epoch tells.

    Attributes:
        ratio: F statistic of the positions: their mean square over that of what is left, 1 by chance.
        spread: standard deviation of the mean losses per position, loss units.
        positions: losses per epoch.
        epochs: epochs that were compared.
    """

    ratio: float
    spread: float
    positions: int
    epochs: int


def position_effect(run: Run) -> PositionEffect | None:
    """One-way analysis of variance of the training loss by place in the epoch, its trend taken out.

    The trend is the line between the means of neighbouring epochs. The first quarter of the epochs is left
    out, for the loss falls too fast there. None where a loss
    was not logged at each step, is not finite, or where epochs are few, short or of unequal length.
    """
    epochs, losses = run.get(EPOCH), run.get(LOSS_TRAIN)
    if epochs is None or losses is None or run.info.x_unit != "optimizer steps":
        return None
    if len(losses) < LEAST_EPOCHS * LEAST_POSITIONS or int(np.diff(losses.steps).max()) > 1:
        return None
    at = np.floor(epochs.at(losses.steps) + 1e-9)
    bounds = np.flatnonzero(np.diff(at) > 0) + 1
    sizes = np.diff(np.concatenate([[0], bounds]))
    if sizes.size < LEAST_EPOCHS or int(sizes.min()) != int(sizes.max()) or sizes[0] < LEAST_POSITIONS:
        return None
    grid = losses.values[: bounds[-1]].reshape(sizes.size, -1)
    grid = grid[len(grid) // 4 :]
    n, k = grid.shape
    if n < LEAST_EPOCHS or not np.isfinite(grid).all():
        return None
    centred = grid - _trend(grid.mean(axis=1), k)
    means = centred.mean(axis=0)
    between = n * float(np.square(means).sum()) / (k - 1)
    within = float(np.square(centred - means).sum()) / ((n - 1) * (k - 1))
    return PositionEffect(between / max(within, 1e-300), float(means.std()), k, n)


def _trend(means: Floats, k: int) -> Floats:
    """Lines between the epochs' means, which stand in the epochs' middles; shape (len(means), k)."""
    slopes = np.gradient(means) / k
    return means[:, None] + slopes[:, None] * (np.arange(k) - 0.5 * (k - 1))[None, :]
