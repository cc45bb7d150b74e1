"""A training loss that stopped falling although the learning rate is still high."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run

from ..phases import phases
from ..phrases import confidence, place, x_unit
from ..reference import Curve, levels, training_curve
from ..trend import Trend, late_trend


@dataclass(frozen=True)
class Plateau:
    """Reports a training loss proven flat at the end of the run, far from solved, with the LR still high.

    Looks at the last quarter of the losses. Three things must hold. The fall is not significant: Mann and
    Kendall's score of 20 block means stays above -2.33. It is also proven small: the upper bound (5 %) of
    the Theil-Sen slope, carried on for as many steps again, gains less than `equivalence` of the progress
    made. And there is something to gain: the learning rate is still at least `hot` of its peak, and the
    training skill 1 - loss/B0 is below `solved`. The plateau begins where the block medians reach their
    final level. Warning when it takes at least `long` of the run, a note otherwise or when no learning rate
    was recorded. No answer with fewer than `least_effective` independent losses.

    Why it matters: the steps since the onset bought nothing; a decaying learning rate usually lowers the
    loss at once, by averaging out the noise of large steps.

    When it is wrong: the loss has reached what the model or the labels allow (label noise, too small a
    model), or it only waits before a late drop, as in grokking.

    What to try: decay the learning rate to 0 over the next 10-20 % of the steps from the last checkpoint; if
    that gains little, a larger model or better labels.

    Source: Kendall 1975, Sen 1968; the equivalence test on block means is ours.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> losses = np.r_[np.linspace(2.0, 1.0, 800), np.full(1200, 1.0)] + 0.02 * rng.normal(size=2000)
        >>> steps = np.arange(2000)
        >>> run = Run("r", "r", {"loss/train": Series(steps, losses), "lr/0": Series(steps, np.full(2000, 0.1))})
        >>> [(f.severity.value, 700 < f.first_step < 900) for f in Plateau().check(run)]
        [('warning', True)]
    """

    code: str = "TD101"
    name: str = "plateau"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    equivalence: float = 0.01
    hot: float = 0.3
    solved: float = 0.95
    long: float = 0.33
    least_effective: float = 30.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few (independent) losses, or the loss is no progress signal.
        """
        curve, level, trend = training_curve(run), levels(run), late_trend(run)
        skill = level.skill(trend.level)
        found = phases(run)
        if (not math.isnan(skill) and skill >= self.solved) or (found and found.final_share < self.hot):
            return
        if trend.n_effective < self.least_effective:
            raise NotAssessable(
                f"the last quarter holds {trend.n_effective:.0f} independent losses; "
                f"{self.least_effective:.0f} are needed to tell a plateau from noise"
            )
        window = trend.last_step - trend.first_step
        gain = trend.largest_gain(window) / level.progress
        if trend.is_falling or gain >= self.equivalence:
            return
        yield self._finding(run, curve, trend, gain, skill, found is not None)

    def _finding(
        self, run: Run, curve: Curve, trend: Trend, gain: float, skill: float, lr_known: bool
    ) -> Finding:
        start = _onset(curve, trend, 0.02 * levels(run).progress)
        total = int(curve.steps[-1] - curve.steps[0]) + 1
        length = int(curve.steps[-1]) - start + 1
        share = length / total
        is_material = lr_known and share >= self.long
        unit = x_unit(run)
        evidence = {
            "flat since": float(start), "level": trend.level, "length": float(length), "share of the run": share,
            "largest gain": gain, "trend score": trend.z, "independent losses": trend.n_effective,
        }
        units = {
            "flat since": unit, "level": "loss units", "length": unit, "share of the run": "fraction",
            "largest gain": "share of progress", "trend score": "standard deviations",
            "independent losses": "losses",
        }
        if not math.isnan(skill):
            evidence["skill"], units["skill"] = skill, "fraction"
        margin = min(share / self.long, self.equivalence / max(gain, 1e-3))
        return Finding(
            self.code, self.name, Severity.WARNING if is_material else Severity.INFO, confidence(margin),
            start, int(curve.steps[-1]),
            f"The training loss has been flat at {trend.level:.3g} since {place(run, start)}: the last {length} "
            f"{unit} ({share:.0%} of the run) bought nothing. Going on as it is would gain at most "
            f"{gain:.1%} of the progress made so far.",
            evidence, units, _remedy(length, unit),
        )


def _onset(curve: Curve, trend: Trend, tolerance: float) -> int:
    """First step of the earliest block from which on all block medians stay near the final level."""
    per_block = max(1.0, curve.values.size / curve.medians.size)
    error = 1.25 * curve.noise / math.sqrt(per_block)
    near = np.abs(curve.medians - trend.level) <= max(tolerance, 3.0 * error)
    away = np.flatnonzero(~near)
    block = int(away[-1]) + 1 if away.size else 0
    return min(curve.first_step(min(block, curve.medians.size - 1)), trend.first_step)


def _remedy(length: int, unit: str) -> Remedy:
    decay = max(1, round(0.2 * length)) if unit == "steps" else 0
    code = (
        f"scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / {decay}, total_iters={decay - 1})"
        if decay > 1 else ""
    )
    return Remedy(
        "Decay the learning rate to 0 from the last checkpoint"
        + (f" over {decay} steps." if decay > 1 else " over 10-20 % of the run."),
        code,
    )
