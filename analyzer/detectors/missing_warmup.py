"""A first phase that throws the model back because the learning rate starts at its peak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..extent import extent
from ..optimizer_code import optimizer_code
from ..phases import phases
from ..phrases import confidence, measured, place, rate_unit, x_unit
from ..reference import levels, training_curve
from ..signal import median3

EARLY = 0.1


@dataclass(frozen=True)
class MissingWarmup:
    """Reports a run without a warm-up whose loss was thrown up by its first steps and then came back.

    That a run has no warm-up is never reported by itself. The learning rate starts at its peak (no rise at
    the beginning), and within the first tenth of the run the loss (3-point median) rises above `blow_up`
    times the larger of the first loss and the constant predictor's; later it falls below its first value for
    good. A warning when that takes more than `slow` of the run; a note otherwise. Runs that never come back
    are left to the checks for divergence and for too high rates.

    Why it matters: the first steps are taken with moments that are not yet averaged and along the steepest
    directions there will ever be. What they break must be repaired first, or stays broken.

    When it is wrong: a loss that is logged once per many steps hides both the rise and its absence.

    What to try: a linear warm-up over the first 5 % of the steps; clipping of the gradient norm does a part
    of the same.

    Source: ours; length of the warm-up as advised by Google's Deep Learning Tuning Playbook.

    Example:
        >>> steps = np.arange(1000)
        >>> losses = 2.3 * np.exp(-steps / 300) + 20.0 * np.exp(-((steps - 8.0) / 5.0) ** 2)
        >>> series = {"loss/train": Series(steps, losses), "lr/0": Series(steps, np.full(1000, 0.1))}
        >>> [f.severity.value for f in MissingWarmup().check(Run("r", "r", series))]
        ['info']
    """

    code: str = "TD303"
    name: str = "missing-warmup"
    needs: tuple[str, ...] = (LOSS_TRAIN, "lr/")
    blow_up: float = 1.5
    slow: float = 0.1
    least_points: int = 100

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses, no progress signal, or the beginning is not in the log.
        """
        curve, found = training_curve(run, self.least_points), phases(run)
        covered = extent(run)
        if covered.share_before(float(curve.steps[0])) > 0.01:
            raise NotAssessable(Text("the beginning of the run is not in the log"))
        if found is None or found.warmup_end > 0 or _first_rate(run) < 0.9 * found.peak:
            return
        start = max(float(np.median(curve.values[:3])), _baseline(run))
        smooth = median3(curve.values)
        early = max(5, int(np.searchsorted(curve.steps, covered.first + EARLY * covered.length)))
        top = int(np.argmax(smooth[:early]))
        rise = float(smooth[top]) / start if start > 0.0 else 0.0
        above = np.flatnonzero(smooth >= start)
        if rise <= self.blow_up or top == 0 or above[-1] == smooth.size - 1:
            return
        back = int(curve.steps[above[-1] + 1])
        lost = covered.share_before(float(back))
        if lost > 0.5:
            return  # it is not the beginning that throws it up
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING if lost > self.slow else Severity.INFO,
            confidence(rise / self.blow_up),
            int(curve.steps[0]),
            back,
            Text(
                "The first steps threw the run back: without a warm-up the loss rose to {rise:.3g} "
                "times its first level by {place} and was back at {place_2}, after {lost:.1%} of the "
                "run.",
                rise=rise,
                place=place(run, int(curve.steps[top])),
                place_2=place(run, back),
                lost=lost,
            ),
            *measured(
                {
                    "rise": (rise, "times the first level"),
                    "highest at": (float(curve.steps[top]), x_unit(run)),
                    "back at": (back, x_unit(run)),
                    "share of the run": (lost, "fraction"),
                    "peak learning rate": (found.peak, rate_unit(run)),
                }
            ),
            _remedy(run),
        )


def _first_rate(run: Run) -> float:
    found = phases(run)
    return float(run.learning_rates()[found.group].finite().values[0]) if found is not None else 0.0


def _baseline(run: Run) -> float:
    level = levels(run)
    return level.baseline if level.baseline_known else 0.0


def _remedy(run: Run) -> Remedy:
    steps = max(2, round(0.05 * extent(run).length))
    return Remedy(
        Text("Warm the learning rate up over the first {steps} {x_unit}.", steps=steps, x_unit=x_unit(run)),
        f"{optimizer_code(run)}\n"
        "warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, "
        f"total_iters={steps})\n"
        "# the scheduler you have, if any, goes after it:\n"
        f"# torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, scheduler], milestones=[{steps}])",
    )
