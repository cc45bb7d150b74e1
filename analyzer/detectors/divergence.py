"""A loss that got worse and stayed worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..optimizer_code import optimizer_code
from ..phases import phases
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, Levels, levels, training_curve


@dataclass(frozen=True)
class Divergence:
    """Reports a training loss that rose far above its best level and did not come back.

    The loss is cut into 20 blocks. The level at the end (the last block's median, and the one before it at
    least half as high) lies above the best block's median by more than `rise` of max(B0, first loss) - best
    and by more than `sigmas` noise standard deviations, where B0 is the loss of the best constant predictor.
    After a restart of the learning rate the rise must be `rise_after_restart`. A run that never learned
    diverged when its last two blocks lie more than `doubling` times above max(B0, first loss). It begins
    after the last loss below the middle of the rise. Critical when the end is worse than the start.

    Why it matters: the progress made before is lost, and what is left is seldom recovered by waiting.

    When it is wrong: curricula and data mixtures that become harder on purpose, a loss whose weights or
    terms change during the run, and a loss that is not meant to fall (GAN, reinforcement learning).

    What to try: go back to the best checkpoint, divide the learning rate by 3, add warm-up or clipping.

    Source: ours; thresholds from trials on small networks.

    Example:
        >>> losses = np.r_[np.linspace(2.0, 0.5, 600), np.full(400, 3.0)]
        >>> run = Run("r", "r", {"loss/train": Series(np.arange(1000), losses)})
        >>> [(f.severity.value, f.first_step) for f in Divergence().check(run)]
        [('critical', 600)]
    """

    code: str = "TD102"
    name: str = "divergence"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    rise: float = 0.15
    rise_after_restart: float = 0.5
    sigmas: float = 3.0
    doubling: float = 2.0
    least_skill: float = 0.03

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: fewer than 20 finite losses, or the loss is no progress signal.
        """
        curve, level = training_curve(run), levels(run)
        start = self._start(run, curve, level)
        if start is None:
            return
        best = curve.best_block()
        final = float(curve.medians[-1])
        lost = (final - level.best) / level.progress
        yield self._finding(run, curve, level, start, best, final, lost)

    def _start(self, run: Run, curve: Curve, level: Levels) -> int | None:
        """First step of the divergence, or None."""
        medians, top = curve.medians, max(level.baseline, level.initial)
        final, before = float(medians[-1]), float(medians[-2])
        noise = self.sigmas * curve.noise
        span = top - level.best
        had_skill = span >= self.least_skill * abs(level.baseline)
        height = final - level.best
        found = phases(run)
        best_step = curve.first_step(curve.best_block())
        has_restarted = found is not None and any(step >= best_step for step in found.restarts)
        threshold = (self.rise_after_restart if has_restarted else self.rise) * max(span, 0.0)
        if had_skill and height > max(threshold, noise) and before - level.best > 0.5 * threshold:
            return self._onset(curve, level.best + 0.5 * height)
        if min(final, before) > top + (self.doubling - 1.0) * abs(top) + noise:
            return self._onset(curve, top + 0.5 * (final - top))
        return None

    def _onset(self, curve: Curve, middle: float) -> int:
        """Step of the first point of the final stretch that lies above `middle`."""
        low_blocks = np.flatnonzero(curve.medians <= middle)
        if not low_blocks.size:
            return int(curve.steps[0])
        block = int(low_blocks[-1])
        inside = curve.values[curve.edges[block] : curve.edges[block + 1]]
        low = np.flatnonzero(inside <= middle)
        position = int(curve.edges[block] + low[-1] + 1) if low.size else int(curve.edges[block + 1])
        return int(curve.steps[min(position, curve.steps.size - 1)])

    def _finding(
        self, run: Run, curve: Curve, level: Levels, start: int, best: int, final: float, lost: float
    ) -> Finding:
        best_step = curve.last_step(best)
        worse_than_start = final > max(level.initial, level.baseline)
        unit = x_unit(run)
        what = (
            Text("and is now worse than at the start") if worse_than_start else Text("and did not come back")
        )
        return Finding(
            self.code,
            self.name,
            Severity.CRITICAL if worse_than_start else Severity.WARNING,
            confidence(lost / self.rise),
            start,
            int(curve.steps[-1]),
            Text(
                "The training loss diverged from {place} on: it rose from {best:.3g} to {final:.3g} "
                "{what}. That is {lost:.0%} of all progress made.",
                place=place(run, start),
                best=level.best,
                final=final,
                what=what,
                lost=lost,
            ),
            *measured(
                {
                    "diverged at": (start, unit),
                    "best": (level.best, "loss units"),
                    "final": (final, "loss units"),
                    "progress lost": (lost, "fraction"),
                    "last good step": (best_step, unit),
                }
            ),
            Remedy(
                Text(
                    "Go back to the checkpoint nearest {place} and divide the learning rate by 3.",
                    place=place(run, best_step),
                ),
                optimizer_code(run, lr_factor=1 / 3)
                + "\ntorch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)"
                "  # before optimizer.step()",
            ),
        )
