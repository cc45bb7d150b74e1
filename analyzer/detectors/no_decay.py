"""A learning rate that was never taken down, in a run that would gain from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..extent import extent
from ..phases import phases
from ..phrases import confidence, measured, rate_unit, x_unit
from ..reference import levels, training_curve
from ..trend import late_trend

TAIL = 0.2


@dataclass(frozen=True)
class NoDecay:
    """Reports a run that ended at its full learning rate, with a loss that is noisy and hardly falls.

    The rate at the end is at least `hot` of its peak, the steps of the last quarter gain less than `slow` of
    the progress made if the trend goes on, and the noise of single losses is at least `noisy` of it. With
    a known constant predictor the skill must be below `solved`. Always a note: it says what would be gained,
    not that anything is wrong.

    Why it matters: large steps keep the weights bouncing around a better place. Letting the rate fall
    averages that out, mostly within 10 to 20 % of the steps, and is the cheapest gain there is.

    When it is wrong: noise that comes from the data alone stays; runs that are to be continued, or whose
    weights are averaged.

    What to try: from the last checkpoint, decay linearly to 0 over another fifth of the steps.

    Source: Defazio et al. 2023 (linear decay to zero); Hägele et al. 2024 (cool-downs); thresholds are ours.

    Example:
        >>> steps = np.arange(2000)
        >>> losses = 1.0 + np.exp(-steps / 200) + 0.2 * np.random.default_rng(0).normal(size=2000)
        >>> series = {"loss/train": Series(steps, losses), "lr/0": Series(steps, np.full(2000, 0.1))}
        >>> [f.severity.value for f in NoDecay().check(Run("r", "r", series))]
        ['info']
    """

    code: str = "TD305"
    name: str = "no-decay"
    needs: tuple[str, ...] = (LOSS_TRAIN, "lr/")
    hot: float = 0.8
    slow: float = 0.05
    noisy: float = 0.05
    solved: float = 0.95
    least_points: int = 100

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses, or the loss is no progress signal.
        """
        curve, level = training_curve(run, self.least_points), levels(run, self.least_points)
        found, trend = phases(run), late_trend(run)
        if found is None or found.peak <= 0.0 or found.final_share < self.hot or trend.is_rising:
            return
        fall = max(0.0, -trend.slope.value * trend.length) / level.progress
        noise = curve.noise / level.progress
        if fall >= self.slow or noise < self.noisy:
            return
        if level.baseline_known and level.skill(trend.level) >= self.solved:
            return
        steps = max(2, round(TAIL * extent(run).length))
        yield Finding(
            self.code,
            self.name,
            Severity.INFO,
            confidence(noise / self.noisy),
            trend.first_step,
            trend.last_step,
            Text(
                "The learning rate was never taken down: it ended at {final_share:.0%} of its peak "
                "{peak:.3g}. The last {length} {x_unit} lowered the loss by {fall:.1%} of the "
                "progress made, and single losses scatter by {noise:.0%} of it; annealing would "
                "lower both.",
                final_share=found.final_share,
                peak=found.peak,
                length=trend.length,
                x_unit=x_unit(run),
                fall=fall,
                noise=noise,
            ),
            *measured(
                {
                    "final rate": (found.final_share, "share of peak"),
                    "peak": (found.peak, rate_unit(run)),
                    "window": (trend.length, x_unit(run)),
                    "fall in it": (fall, "share of progress"),
                    "noise": (noise, "share of progress"),
                }
            ),
            Remedy(
                Text(
                    "From the last checkpoint, decay the learning rate linearly to 0 over {steps} {x_unit}.",
                    steps=steps,
                    x_unit=x_unit(run),
                ),
                "scheduler = torch.optim.lr_scheduler.LinearLR(\n"
                f"    optimizer, start_factor=1.0, end_factor=0.0, total_iters={steps})",
            ),
        )
