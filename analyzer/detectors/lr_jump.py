"""A learning rate that jumps up in the middle of the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run, Series
from traindoctor.text import Text

from ..extent import extent
from ..phases import main_learning_rate
from ..phrases import confidence, measured, place, rate_unit, x_unit
from ..reference import Curve, Levels, levels, main_curve

RESTARTING = {"CosineAnnealingWarmRestarts", "CyclicLR"}
START = 0.1  # of the run: until then a rate may still be on its way up


@dataclass(frozen=True)
class LrJump:
    """Reports a learning rate that jumps up from one step to the next, and what the loss made of it.

    A jump is a rise by more than `jump` from one recorded value to the next, alone (no part of a ramp), after
    the first tenth of the run and to more than 5 % of the peak, of the main param group. The loss around it
    is compared: the median of the values in the 2 % of the run before, and the level over the rest of the run
    (non-finite values count as infinite). A warning when the level stays higher by more than `harm` of the
    progress made then; a note otherwise. Schedulers that restart on purpose are left out unless the loss
    stays higher. The jump with the largest harm is told.

    Why it matters: a jump is mostly an accident: a resumed run whose scheduler began anew, a scheduler
    built twice, a factor applied in every epoch. What the decay had won is lost.

    When it is wrong: warm restarts written by hand; a new phase with other data.

    What to try: save and load the scheduler's state together with the optimizer's, and log the rate.

    Source: ours; torch's documentation on saving and loading a general checkpoint.

    Example:
        >>> steps = np.arange(1000)
        >>> lr = np.where(steps < 600, 0.01, 1.0)
        >>> losses = np.where(steps < 600, 2.0 * np.exp(-steps / 200), 1.5)
        >>> series = {"loss/train": Series(steps, losses), "lr/0": Series(steps, lr)}
        >>> [(f.severity.value, f.first_step) for f in LrJump().check(Run("r", "r", series))]
        [('warning', 600)]
    """

    code: str = "TD307"
    name: str = "lr-jump"
    needs: tuple[str, ...] = ("lr/",)
    jump: float = 0.2
    harm: float = 0.1
    least_points: int = 40

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses to see what a jump did, or no progress signal.
        """
        trace = main_learning_rate(run)
        sudden = [] if trace is None else self._jumps(run, trace)
        if trace is None or not sudden:
            return
        curve, level = main_curve(run), levels(run)
        if curve.values.size < self.least_points:
            raise NotAssessable(
                Text(
                    "only {size} values of the {label}; {least_points} are needed to see what a jump of "
                    "the learning rate did",
                    size=curve.values.size,
                    label=curve.label,
                    least_points=self.least_points,
                )
            )
        harms = [(_harm(run, curve, level, at), -at) for at in sudden]
        worst, negative = max(harms)
        scheduler = run.info.optimizers[0].scheduler if run.info.optimizers else ""
        is_meant = scheduler in RESTARTING or len(sudden) > 3
        if is_meant and worst <= self.harm:
            return
        yield self._finding(run, trace, -negative, worst, len(sudden), is_meant)

    def _jumps(self, run: Run, trace: Series) -> list[int]:
        """Steps at which the rate goes up in one stride, without another rise right before or after."""
        at = np.flatnonzero(np.concatenate([[True], np.diff(trace.values) != 0.0]))
        lr, steps, covered = trace.values[at], trace.steps[at], extent(run)  # without repeated values
        rises = np.diff(lr) > 0.0
        return [
            int(steps[i + 1])
            for i in np.flatnonzero(lr[1:] > (1.0 + self.jump) * lr[:-1])
            if int(rises[max(0, i - 1) : i + 2].sum()) == 1
            and lr[i + 1] > 0.05 * float(lr.max())
            and covered.share_before(float(steps[i + 1])) >= START
        ]

    def _finding(
        self, run: Run, trace: Series, at: int, harm: float, n_jumps: int, is_meant: bool
    ) -> Finding:
        index = int(np.searchsorted(trace.steps, at))
        before, after = float(trace.values[index - 1]), float(trace.values[index])
        figures = {
            "at": (at, x_unit(run)),
            "rate before": (before, rate_unit(run)),
            "rate after": (after, rate_unit(run)),
            "times": (after / before if before > 0.0 else 0.0, "times"),
            "jumps": (n_jumps, "jumps"),
        }
        effect = Text(" The loss became NaN or infinite.")
        if np.isfinite(harm):
            figures["loss higher by"] = (harm, "share of progress")
            effect = (
                Text(" The loss stayed higher by {harm:.0%} of the progress made.", harm=harm)
                if harm > self.harm
                else Text(" The loss came back down.")
            )
        evidence, units = measured(figures)
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if harm > self.harm and not is_meant else Severity.INFO,
            confidence(harm / self.harm) if harm > self.harm else 0.7,
            at,
            max(at, run.n_steps - 1),
            Text(
                "The learning rate jumped up at {place}, from {before:.3g} to {after:.3g}.{effect}",
                place=place(run, at),
                before=before,
                after=after,
                effect=effect,
            ),
            evidence,
            units,
            Remedy(
                Text(
                    "Go back to the checkpoint before {place}, and restore the scheduler's state with "
                    "the optimizer's.",
                    place=place(run, at),
                ),
                'state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(),\n'
                '         "scheduler": scheduler.state_dict()}\n'
                'torch.save(state, "checkpoint.pt")\n'
                '# and after loading:\nscheduler.load_state_dict(state["scheduler"])',
            ),
        )


def _harm(run: Run, curve: Curve, level: Levels, at: int) -> float:
    """How much higher the loss stays after a step, share of progress; inf where it is NaN or infinite."""
    recorded = run.get("loss/train")
    if recorded is not None and curve.measure is None:
        rest = recorded.between(at, int(recorded.steps[-1])).values
        if rest.size and float(np.mean(~np.isfinite(rest))) > 0.5:
            return float("inf")
    near = max(5, round(0.02 * curve.values.size))
    index = int(np.searchsorted(curve.steps, at))
    before, after = curve.values[max(0, index - near) : index], curve.values[index:]
    if before.size < 3 or after.size < 3 or extent(run).share_before(at) > 0.98:
        return 0.0
    end = after[-max(3, after.size // 2) :]
    higher = min(float(np.median(after)), float(np.median(end))) - float(np.median(before))
    return float(higher - 2.0 * curve.noise / np.sqrt(min(before.size, after.size))) / level.progress
