"""A loss that sits exactly where a constant answer would put it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..phrases import measured, place, x_unit
from ..reference import Curve, levels, training_curve
from ..signal import spans_of


@dataclass(frozen=True)
class MarginalPlateau:
    """Reports a training loss stuck at the level of the best constant predictor.

    The loss lies within max(3 standard errors, `band` B0) of B0, at most `widest` B0, for at least `long` of
    the run in one stretch of block medians, after starting at B0 or above. B0 is the loss of answering with
    the label frequencies, whatever the input. Warning when the run ends there, a note with the steps lost
    when it left.

    Why it matters: the model has learned how often each answer occurs and nothing about the input. Tools
    that look at slopes call this a plateau; the cause is elsewhere.

    When it is wrong: B0 counted on other labels than those of the run, and problems that are hard enough for
    an early stretch at B0 to be normal (long sequences, CTC), where the run leaves by itself.

    What to try: a learning-rate search, warm-up, another initialisation; for CTC longer training with a
    lower rate; the wiring when nothing helps.

    Source: ours.

    Example:
        >>> losses = 2.3026 + np.exp(-np.arange(1000) / 30.0)
        >>> series = {"loss/train": Series(np.arange(1000), losses)}
        >>> run = Run("r", "r", series, info=RunInfo(baseline=2.3026))
        >>> [(f.severity.value, f.first_step) for f in MarginalPlateau().check(run)]
        [('warning', 100)]
    """

    code: str = "TD108"
    name: str = "marginal-plateau"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    band: float = 0.02
    widest: float = 0.05
    long: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, about the longest stretch.

        Raises:
            NotAssessable: B0 is unknown, too few losses, or the loss is no progress signal.
        """
        curve, level = training_curve(run), levels(run)
        if not level.baseline_known or level.baseline <= 0.0:
            raise NotAssessable(
                Text("the loss of the best constant predictor is unknown: the labels were not seen")
            )
        width = self._width(curve, level.baseline)
        stretches = spans_of(np.abs(curve.medians - level.baseline) <= width)
        if not stretches or level.initial < level.baseline - width:
            return
        first, last = max(stretches, key=lambda span: span[1] - span[0])
        if last - first + 1 < self.long * curve.medians.size:
            return
        yield self._finding(run, curve, level.baseline, width, first, last)

    def _width(self, curve: Curve, baseline: float) -> float:
        per_block = max(1.0, curve.values.size / curve.medians.size)
        error = 1.25 * curve.noise / math.sqrt(per_block)
        return min(max(3.0 * error, self.band * baseline), self.widest * baseline)

    def _finding(
        self, run: Run, curve: Curve, baseline: float, width: float, first: int, last: int
    ) -> Finding:
        start, end = curve.first_step(first), curve.last_step(last)
        is_stuck = last == curve.medians.size - 1
        length = end - start + 1
        share = (last - first + 1) / curve.medians.size
        level = float(np.median(curve.medians[first : last + 1]))
        unit = x_unit(run)
        until = (
            Text("to the end") if is_stuck else Text("to {place}, then it got away", place=place(run, end))
        )
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_stuck else Severity.INFO,
            0.9 if is_stuck else 0.8,
            start,
            end,
            Text(
                "The training loss sat at {level:.3g} from {place} {until}: {length} {unit}, "
                "{share:.0%} of the run. A constant answer gives {baseline:.3g}.",
                level=level,
                place=place(run, start),
                until=until,
                length=length,
                unit=unit,
                share=share,
                baseline=baseline,
            ),
            *measured(
                {
                    "level": (level, "loss units"),
                    "constant predictor": (baseline, "loss units"),
                    "from": (start, unit),
                    "to": (end, unit),
                    "length": (length, unit),
                    "share of the run": (share, "fraction"),
                    "band": (width, "loss units"),
                }
            ),
            Remedy(
                Text(
                    "Search the learning rate over three decades and add a warm-up; if every rate stays "
                    "there, check that the input reaches the output."
                ),
                "print(model(x).std(dim=0))  # ~0: the answer does not depend on the input",
            ),
        )
