"""The sweep: which learning rate to try next in a short run, and what the scores say. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from traindoctor.prescription import Objective, Sweep, SweepPoint
from traindoctor.run import Floats

from .shapes import lr_values

SHARE, LONG_SHARE, LONG_STEPS = 0.2, 0.1, 500
"""Length of a short run over that of the full one; from LONG_STEPS steps of the former on, the latter."""

STEP = 0.5
"""Decades between two learning rates of the grid (x3.16)."""

MOST_EXTENSIONS = 3
"""How often the grid grows while its best point is at an edge."""

FLAT = 0.01
"""ln(worst / best) over the finite points of the grid below which the learning rate does nothing."""

WARMUP = 0.05
"""Warm-up of a short run, share of its steps."""


def short_share(horizon: int) -> float:
    """Share of the horizon that a short run takes (h).

    Source: Ours: .2 won 89 % and lost 4 % on 13 tasks x 13 faults, .1 86 % and 5 %; the switch itself was
    not measured.
    """
    return LONG_SHARE if SHARE * horizon >= LONG_STEPS else SHARE


UNSCALED = ("SGD", "ASGD")
"""Optimizers, by class name, that do not divide the gradient by its size."""


def full_over_short(share: float, optimizer: str) -> float:
    """Best peak LR of a full run over that of a short run with `share` of its steps.

    Source: Ours. Where noise decides, the rate falls with the square root of the number of steps; the largest
    stable rate of SGD, with or without momentum, does not depend on that number (Cohen et al. 2021, the edge
    of stability). At a fifth of the steps the best rate was x0.56 to x1.8 that of a full run on four tasks
    with SGD, and x1.8 to x10 on three with Adam or AdamW; hence the fourth root for the former, x1.5, and the
    square root for every other optimizer, x2.2.
    """
    return math.pow(share, 0.25 if optimizer in UNSCALED else 0.5)


def short_schedule(peak: float, steps: int) -> Floats:
    """LR of each step of a short run, shape (steps,): 5 % warm-up, then a straight line to zero."""
    warmup = max(1, round(WARMUP * steps))
    if steps - warmup < 2:
        return np.full(steps, peak)
    decay = steps - warmup
    parameters = {
        "lr": peak,
        "start_factor": 1.0,
        "end_factor": 1.0 / decay,
        "total_iters": decay - 1,
        "warmup_steps": warmup,
        "warmup_start_factor": 1.0 / warmup,
        "warmup_total_iters": max(warmup - 1, 1),
    }
    return lr_values("linear", parameters, np.arange(steps))


@dataclass
class Sweeper:
    """Says which LR comes next (`ask`), takes the score (`tell`), and concludes (`result`).

    Attributes:
        centre: LR in the middle of the first three.
        steps: optimizer steps of a short run.
        share: `steps` over the horizon (h).
        objective: what the scores are.
        seed: seed of all short runs.
        most_extensions: how often the grid may grow.
        optimizer: class name of the script's optimizer, "" when unknown.
        present: peak LR of the recorded run, as a short run would have it; NaN when unknown.

    Source: Ours: three learning rates x3.16 apart, one more while the best is at an edge. Scores that are all
    the same say nothing about the edge: then it grows towards the recorded run, which may have learned.

    Example:
        >>> sweeper = Sweeper(0.1, 100, 0.25, "validation loss")
        >>> while (lr := sweeper.ask()) is not None:
        ...     sweeper.tell(lr, (math.log10(lr) + 0.6) ** 2 + 1.0)
        >>> [round(point.lr, 3) for point in sweeper.result().points]
        [0.032, 0.1, 0.316, 1.0]
        >>> found = sweeper.result()
        >>> 0.2 < found.best_lr < 0.3, found.lr == found.best_lr / 2
        (True, True)
    """

    centre: float
    steps: int
    share: float
    objective: Objective
    seed: int = 0
    most_extensions: int = MOST_EXTENSIONS
    present: float = math.nan
    optimizer: str = ""
    points: dict[int, SweepPoint] = field(default_factory=dict[int, SweepPoint])

    def ask(self) -> float | None:
        """The next LR, None when there is nothing left to try."""
        place = self._next_place()
        return None if place is None else self.centre * 10 ** (STEP * place)

    def tell(self, lr: float, score: float, seconds: float = math.nan, first_loss: float = math.nan) -> None:
        """Take the score of a short run; NaN and infinity are both taken for divergence."""
        place = self._next_place()
        if place is None:
            raise ValueError("expected no further score: the sweep has ended")
        self.points[place] = SweepPoint(lr, score if math.isfinite(score) else math.inf, seconds, first_loss)

    def most_runs(self) -> int:
        """Largest number of short runs that the sweep may take."""
        return 3 + self.most_extensions

    def _next_place(self) -> int | None:
        for place in (0, -1, 1):
            if place not in self.points:
                return place
        if len(self.points) >= self.most_runs():
            return None
        low, high, wanted = min(self.points), max(self.points), self._best()
        if math.isfinite(self.present) and _is_level([point.score for point in self.points.values()]):
            wanted = round(math.log10(self.present / self.centre) / STEP)
            low, high = low - 1, high + 1  # the recorded rate has to lie beyond them, not at the edge
        if wanted <= low:
            return min(self.points) - 1
        return max(self.points) + 1 if wanted >= high else None

    def _best(self) -> int:
        """Place of the lowest score, the lowest LR among equal ones."""
        return min(sorted(self.points), key=lambda place: self.points[place].score)

    def result(self) -> Sweep:
        """What the scores say.

        Raises:
            ValueError: nothing was told.
        """
        places = sorted(self.points)
        best = self._best()
        vertex, parabola = _vertex([self.points[k] for k in (best - 1, best, best + 1) if k in self.points])
        chosen = self.points[best].lr
        if parabola:
            reach = STEP / 2
            off = min(max(vertex - math.log10(chosen), -reach), reach)
            chosen *= 10**off
        return Sweep(
            self.objective,
            tuple(self.points[place] for place in places),
            self.steps,
            self.share,
            chosen,
            chosen * full_over_short(self.share, self.optimizer),
            parabola,
            best in (places[0], places[-1]),
            self.seed,
        )


def _vertex(points: Sequence[SweepPoint]) -> tuple[float, tuple[float, ...]]:
    """log10 of the LR with the lowest point of the parabola, and its coefficients.

    (NaN, ()) where three finite points or an upward curvature are missing.
    """
    scores = [point.score for point in points]
    if len(points) < 3 or not all(math.isfinite(score) and score > 0 for score in scores):
        return math.nan, ()
    x = np.log10([point.lr for point in points])
    a, b, c = (float(k) for k in np.polyfit(x - x[1], np.log(scores), 2))
    if a <= 0:
        return math.nan, ()
    middle = float(x[1])
    return middle - b / (2 * a), (a, b - 2 * a * middle, a * middle**2 - b * middle + c)


def all_diverged(sweep: Sweep) -> bool:
    """Whether no short run ended with a finite score."""
    return not any(math.isfinite(point.score) for point in sweep.points)


def starts_differ(sweep: Sweep) -> bool:
    """Whether its short runs, which have one seed, began with different training losses."""
    starts = {point.first_loss for point in sweep.points if math.isfinite(point.first_loss)}
    return len(starts) > 1


def is_flat(sweep: Sweep) -> bool:
    """Whether the learning rate makes no difference: three or more scores within 1 %, none infinite."""
    return _is_level([point.score for point in sweep.points])


def _is_level(scores: Sequence[float]) -> bool:
    if len(scores) < 3 or not all(math.isfinite(score) and score > 0 for score in scores):
        return False
    return math.log(max(scores) / min(scores)) < FLAT
