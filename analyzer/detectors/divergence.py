"""A loss that got worse and stayed worse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run
from traindoctor.text import Text

from ..batch_jump import FIND_HUGE_INPUTS
from ..evaluations import Jump, jump_of
from ..optimizer_code import optimizer_code
from ..outcome import first_non_finite
from ..phases import main_learning_rate, phases
from ..phrases import confidence, measured, place, x_unit
from ..reference import MIN_EVALUATIONS, Curve, Levels, levels, training_curve, validation_baseline

STATISTICS = ("BatchNorm", "SyncBatchNorm", "InstanceNorm")
"""Layers that evaluate with statistics they keep while they train with those of the batch."""


@dataclass(frozen=True)
class Divergence:
    """Reports a training loss that rose far above its best level and did not come back.

    The loss is cut into 20 blocks. The level at the end (the last block's median, and the one before it at
    least half as high) lies above the best block's median by more than `rise` of max(B0, first loss) - best
    and by more than `sigmas` noise standard deviations, where B0 is the loss of the best constant predictor.
    After a restart of the learning rate the rise must be `rise_after_restart`. A run that never learned
    diverged when its last two blocks lie more than `doubling` times above max(B0, first loss). It begins
    after the last loss below the middle of the rise. Critical when the end is worse than the start.

    A validation loss diverged by itself when it stepped up between two evaluations by `step_up` of
    max(B0 - best, 0.25 B0) and four times the range of the five before, and stayed there, while the training
    loss stayed (within noise, or a tenth of the step) and the learning rate was not raised. Overfitting
    grows over many evaluations; a single step is damage to what evaluation uses and training does not, above
    all the running statistics of BatchNorm, which a few inputs of the wrong scale ruin.

    Why it matters: the progress made before is lost, and what is left is seldom recovered by waiting.

    When it is wrong: curricula and data mixtures that become harder on purpose, a loss whose weights or
    terms change during the run, and a loss that is not meant to fall (GAN, reinforcement learning); for the
    validation loss, data that were exchanged on purpose.

    What to try: go back to the best checkpoint, divide the learning rate by 3, add warm-up or clipping; where
    only the validation loss rose, look at the batches between the two evaluations.

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
    step_up: float = 0.25

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: fewer than 20 finite losses, or the loss is no progress signal.
        """
        curve, level = training_curve(run), levels(run)
        start = self._start(run, curve, level)
        if start is None:
            yield from self._of_evaluation(run, curve, level)
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

    def _of_evaluation(self, run: Run, curve: Curve, level: Levels) -> Iterator[Finding]:
        series = run.get(LOSS_VALIDATION)
        evaluations = series.finite() if series is not None else None
        if evaluations is None or len(evaluations) < MIN_EVALUATIONS or first_non_finite(run) is not None:
            return
        baseline = validation_baseline(level, evaluations)
        progress = max(baseline - float(evaluations.values.min()), 0.25 * abs(baseline))
        jump = jump_of(evaluations, self.step_up * progress)
        if jump is None or lr_has_risen(run, jump.before_step, jump.step):
            return
        change, error = change_across(curve, jump)
        height = jump.after - jump.before
        if not -max(0.1 * height, 3.0 * error) <= change <= 3.0 * error:
            return  # it rose as well, or it fell: what falls while the other rises is overfitting
        share = height / progress
        normalised = any(info.module.startswith(STATISTICS) for info in run.info.parameters)
        why = (
            Text("The statistics of BatchNorm are the first suspect: a few huge inputs ruin them.")
            if normalised
            else Text("What only evaluation uses has changed: its data, or averaged weights.")
        )
        unit = x_unit(run)
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(share / self.step_up),
            jump.before_step,
            int(evaluations.steps[-1]),
            Text(
                "The validation loss stepped up after {place}: from {before:.3g} to at least {after:.3g} at "
                "once, for good, while the training loss stayed. {why}",
                place=place(run, jump.before_step),
                before=jump.before,
                after=jump.after,
                why=why,
            ),
            *measured(
                {
                    "last good evaluation": (jump.before_step, unit),
                    "first bad evaluation": (jump.step, unit),
                    "before": (jump.before, "loss units"),
                    "after": (jump.after, "loss units"),
                    "progress lost": (share, "fraction"),
                }
            ),
            Remedy(
                Text(
                    "Go back to the checkpoint of {place}, and look for non-finite or huge inputs in the "
                    "batches until {place_2}.",
                    place=place(run, jump.before_step),
                    place_2=place(run, jump.step),
                ),
                FIND_HUGE_INPUTS,
            ),
        )

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


def lr_has_risen(run: Run, first: int, last: int) -> bool:
    """Whether the learning rate between two steps was twice what it was at the first of them."""
    lr = main_learning_rate(run)
    if lr is None:
        return False
    before, between = float(lr.at(np.array([first]))[0]), lr.between(first, last).values
    return bool(between.size) and float(between.max()) > 2.0 * before


def change_across(curve: Curve, jump: Jump) -> tuple[float, float]:
    """Change of the training loss from the steps before a jump to as many after it, and its standard error;
    NaN where there are too few.
    """
    before, after = curve.values[curve.steps <= jump.before_step], curve.values[curve.steps > jump.step]
    n = min(before.size, after.size)
    if n < 3:
        return math.nan, math.nan
    change = float(np.median(after[:n]) - np.median(before[-n:]))
    return change, curve.noise * math.sqrt(math.pi / n)  # of the difference of two medians
