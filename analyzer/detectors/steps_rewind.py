"""A run that went back to an earlier step and did it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Event, Run
from traindoctor.text import Text

from ..extent import extent
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, levels, main_curve

RESUME = "resume"


@dataclass(frozen=True)
class StepsRewind:
    """Reports where a run was resumed from an earlier step, and whether the loss went on where it was.

    Each resume in the log is an event with the step from which it went on and the last one reached before.
    The loss around the last of them is compared: the median of the values in the 2 % of the run before with
    that in the 2 % after. A jump up by more than `jump` of the progress made, and three times its noise, is a
    warning when the run never came back to its level: the state was not restored. Everything else is a note.

    Why it matters: steps that were done twice are in the log once. A resume without the optimizer's state or
    the scheduler's throws the run back, and repeated data look like progress.

    When it is wrong: a new phase of training that starts from a checkpoint on purpose, with other data.

    What to try: save and restore the optimizer, the scheduler, the scaler and the position in the data
    together with the model.

    Source: ours; a loss that drops and jumps at a resume because data are repeated is described in
    Bekman's Machine Learning Engineering Open Book.

    Example:
        >>> steps = np.arange(1000)
        >>> losses = np.where(steps < 500, 2.0 - steps / 400, 1.6)
        >>> run = Run("r", "r", {"loss/train": Series(steps, losses)}, events=[
        ...     Event(500, "resume", {"from": 540})])
        >>> [(f.severity.value, f.first_step) for f in StepsRewind().check(run)]
        [('warning', 500)]
    """

    code: str = "TD902"
    name: str = "steps-rewind"
    needs: tuple[str, ...] = ()
    jump: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, about the resume with the largest jump."""
        found = run.events_of(RESUME)
        covered = extent(run)
        if not found or covered.length <= 0:
            return
        jumps = [(_jump(run, event), event) for event in found]
        worst, event = max(jumps, key=lambda pair: (np.nan_to_num(pair[0], nan=-1.0), -pair[1].step))
        at = min(max(event.step, covered.first), covered.last)
        reached = event.data.get("from")
        figures: dict[str, tuple[float, str]] = {"resumes": (len(found), "resumes"), "at": (at, x_unit(run))}
        repeated = ""
        if isinstance(reached, (int, float)) and np.isfinite(reached):
            figures["reached before"] = (float(reached), x_unit(run))
            repeated = Text(" after {place} had been reached", place=place(run, int(reached)))
        lost = ""
        if np.isfinite(worst):
            figures["jump of the loss"] = (worst, "share of progress")
            lost = (
                Text(
                    " The loss jumped up by {worst:.0%} of the progress made and did not come back.",
                    worst=worst,
                )
                if worst > self.jump
                else Text(" The loss went on where it was.")
            )
        evidence, units = measured(figures)
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING if worst > self.jump else Severity.INFO,
            confidence(worst / self.jump) if worst > self.jump else 0.9,
            at,
            covered.last,
            Text(
                "The run was resumed {n_found} time(s), here from {place}{repeated}.{lost}",
                n_found=len(found),
                place=place(run, at),
                repeated=repeated,
                lost=lost,
            ),
            evidence,
            units,
            Remedy(
                Text("Save and restore everything that training changes, not only the weights."),
                'torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),\n'
                '            "scheduler": scheduler.state_dict()}, "checkpoint.pt")',
            ),
        )


def _jump(run: Run, event: Event) -> float:
    """How far above its level before the resume the loss stayed, share of progress; NaN when unknown."""
    try:
        curve, level = main_curve(run), levels(run)
    except NotAssessable:
        return float("nan")
    near = max(3, round(0.02 * curve.values.size))
    index = int(np.searchsorted(curve.steps, event.step))
    before, after = curve.values[max(0, index - near) : index], curve.values[index : index + near]
    if before.size < 3 or after.size < 3:
        return float("nan")
    old = float(np.median(before))
    jump = float(np.median(after)) - old
    if jump <= 3.0 * _error(curve, near) or _comes_back(curve, index, old + 0.1 * jump):
        return 0.0
    return jump / level.progress


def _error(curve: Curve, n: int) -> float:
    """Standard error of the difference of two medians of n values, loss units."""
    return 1.25 * float(np.nan_to_num(curve.noise)) * float(np.sqrt(2.0 / n))


def _comes_back(curve: Curve, index: int, limit: float) -> bool:
    """Whether a later block of the curve is at or below a level."""
    rest = curve.medians[curve.edges[:-1] >= index]
    return bool((rest <= limit).any())
