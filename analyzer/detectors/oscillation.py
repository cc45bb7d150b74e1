"""A training loss that swings to and fro instead of settling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..optimizer_code import optimizer_code, rounded
from ..phases import main_learning_rate, phases
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, levels, training_curve
from ..signal import block_edges, block_medians, long_run_variance, turning_points

BLOCKS = 60
FACTOR = 0.3


@dataclass(frozen=True)
class Oscillation:
    """Reports a training loss whose level swings up and down by a large part of the progress made.

    The levels are the medians of 60 blocks of the run; the first fifth is left out. A swing is a turn by more
    than `size` of the progress P and `sigmas` standard errors of a block (from the long-run variance of the
    losses within blocks). There must be `least_turns` turns. A warning when the median swing reaches
    `large` of P and the median level of the last quarter is half as far above the best one; a note otherwise,
    and where the learning rate itself goes up and down.

    Why it matters: what a step gains the next ones lose again; the loss at the end is a matter of where in
    the swing the run was cut.

    When it is wrong: data that come in long stretches of easy and hard samples make the same picture (see
    whether the turns keep step with the epochs).

    What to try: a learning rate three times lower, or a decaying one; shuffled data; clipping of the
    gradient norm.

    Source: ours; AutoTrainer (Zhang et al. 2021) counts swings of the accuracy by .03 instead, in at least a
    fifth of the epochs.

    Example:
        >>> steps = np.arange(3000)
        >>> losses = 1.0 + np.exp(-steps / 150) + 0.5 * np.sin(steps / 60)
        >>> run = Run("r", "r", {"loss/train": Series(steps, losses)})
        >>> [(f.severity.value, round(f.evidence["turns"])) for f in Oscillation().check(run)]
        [('warning', 11)]
    """

    code: str = "TD105"
    name: str = "oscillation"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    size: float = 0.15
    large: float = 0.3
    sigmas: float = 6.0
    least_turns: int = 6
    least_points: int = 300

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses, or the loss is no progress signal.
        """
        curve, level = training_curve(run, self.least_points), levels(run, self.least_points)
        medians, error = block_levels(curve)
        begin = BLOCKS // 5
        turns = turning_points(medians[begin:], max(self.size * level.progress, self.sigmas * error)) + begin
        if turns.size < self.least_turns:
            return
        swing = float(np.median(np.abs(np.diff(medians[turns])))) / level.progress
        above = (float(np.median(medians[-BLOCKS // 4 :])) - level.best) / level.progress
        yield self._finding(run, curve, turns, swing, above)

    def _finding(self, run: Run, curve: Curve, turns: np.ndarray, swing: float, above: float) -> Finding:
        edges = block_edges(curve.values.size, BLOCKS)
        first, last = int(curve.steps[edges[turns[0]]]), int(curve.steps[-1])
        period = 2.0 * float(curve.steps[edges[turns[-1]]] - first) / max(turns.size - 1, 1)
        found = phases(run)
        is_cyclic = found is not None and len(found.restarts) >= 2
        is_bad = swing >= self.large and above >= 0.5 * self.large and not is_cyclic
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_bad else Severity.INFO,
            confidence(swing / self.size),
            first,
            last,
            Text(
                "The training loss oscillates since {place}: its level turned {size} times, by "
                "{swing:.0%} of the progress made each time, about every {period:.3g} {x_unit} there "
                "and back. In the last quarter it was {above:.0%} of the progress above its best "
                "level.",
                place=place(run, first),
                size=turns.size,
                swing=swing,
                period=period,
                x_unit=x_unit(run),
                above=above,
            ),
            *measured(
                {
                    "since": (first, x_unit(run)),
                    "turns": (turns.size, "turns"),
                    "swing": (swing, "share of progress"),
                    "period": (period, x_unit(run)),
                    "above the best in the last quarter": (above, "share of progress"),
                }
            ),
            _remedy(run),
        )


def block_levels(curve: Curve) -> tuple[np.ndarray, float]:
    """Medians of 60 blocks of a curve, and the standard error of one, both in loss units."""
    edges = block_edges(curve.values.size, BLOCKS)
    medians = block_medians(curve.values, BLOCKS)
    spreads = [np.sqrt(long_run_variance(curve.values[lo:hi]) / (hi - lo)) for lo, hi in pairwise(edges)]
    return medians, 1.25 * float(np.median(spreads))


def _remedy(run: Run) -> Remedy:
    rate = main_learning_rate(run)
    if rate is None:
        return Remedy(
            Text("Lower the learning rate three times, and see whether the swings keep step with the data.")
        )
    low = rounded(float(rate.values.max()) * FACTOR)
    return Remedy(
        Text(
            "Lower the learning rate to {low:g}, and see whether the swings keep step with the data.", low=low
        ),
        optimizer_code(run, lr_factor=FACTOR),
    )
