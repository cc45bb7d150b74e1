"""A run that ended while its loss was still falling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_VALIDATION
from traindoctor.run import Floats, Run
from traindoctor.text import Text

from ..evaluations import after_best
from ..extent import extent
from ..phases import phases
from ..phrases import confidence, measured, x_unit
from ..reference import Curve, levels, main_curve
from ..trend import late_trend


@dataclass(frozen=True)
class StillImproving:
    """Reports a run that was cut by its budget: the loss was still falling and more steps would pay.

    In the last quarter of the training losses (of a held-out measure where none were logged) the fall is
    significant (Mann and Kendall's score of 20 block means below -2.33, and the whole 90 % interval of the
    Theil-Sen slope below 0), and a power law a + b (step + 1)^-c fitted to the block means predicts that
    doubling the steps gains more than `gain` of the progress made. Silent when the learning rate was
    annealed, whose own effect is a fall at the end, and when validation has stopped improving.

    Why it matters: the result is limited by the budget, so comparisons with other settings are not yet fair.

    When it is wrong: the extrapolation doubles the run, and a validation loss, where there is none to look
    at, may turn before the training loss does.

    What to try: train longer, or reach the same loss sooner with a larger learning rate or batch.

    Source: ours; the power law is the usual form of learning curves.

    Example:
        >>> steps = np.arange(2000)
        >>> losses = 0.1 + 2.0 * (1.0 + steps / 400) ** -0.7
        >>> run = Run("r", "r", {"loss/train": Series(steps, losses)})
        >>> [f.severity.value for f in StillImproving().check(run)]
        ['info']
    """

    code: str = "TD106"
    name: str = "still-improving"
    needs: tuple[str, ...] = ()
    gain: float = 0.02
    held_out_share: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses, or the loss is no progress signal.
        """
        curve, level, trend = main_curve(run), levels(run), late_trend(run)
        found = phases(run)
        if not trend.is_falling or trend.slope.high >= 0.0 or (found is not None and found.is_annealed):
            return
        if not self._validation_improves(run):
            return
        gain = predicted_gain(curve) / level.progress
        if gain <= self.gain:
            return
        unit = x_unit(run)
        fall = -trend.slope.value * trend.length
        shown = (
            fall if curve.is_loss else abs(curve.recorded(trend.level) - curve.recorded(trend.level + fall))
        )
        length = int(curve.steps[-1]) + (extent(run).first == 0)
        verb = Text("falling") if curve.is_loss else Text("improving")
        yield Finding(
            self.code,
            self.name,
            Severity.INFO,
            confidence(gain / self.gain),
            trend.first_step,
            trend.last_step,
            Text(
                "The {label} was still {verb} at the end: by {shown:.3g} in the last {length} "
                "{unit}. Twice as many {unit} are predicted to gain another {gain:.0%} of the "
                "progress made.",
                label=curve.label,
                verb=verb,
                shown=shown,
                length=trend.length,
                unit=unit,
                gain=gain,
            ),
            *measured(
                {
                    "fall": (shown, curve.unit),
                    "window": (trend.length, unit),
                    "predicted gain": (gain, "share of progress"),
                    "trend score": (trend.z, "standard deviations"),
                    "length": (length, unit),
                }
            ),
            Remedy(
                Text(
                    "Train for about {length} {unit} instead of {length_2}, and decay the learning rate.",
                    length=2 * length,
                    unit=unit,
                    length_2=length,
                )
            ),
        )

    def _validation_improves(self, run: Run) -> bool:
        """Whether the best evaluation is among the last ones; True when there are too few to tell."""
        series = run.get(LOSS_VALIDATION)
        finite = series.finite() if series is not None else None
        if finite is None or len(finite) < 6:
            return True
        return extent(run).share_before(after_best(finite).best_step) >= self.held_out_share


def predicted_gain(curve: Curve) -> float:
    """Fall that doubling the steps brings by the power law a + b (step + 1)^-c, loss units, at least 0.

    The exponent is searched on a grid; a and b are least squares. The first 10 % are left out: they follow
    no power law.
    """
    x = np.array(
        [curve.steps[lo:hi].mean() for lo, hi in zip(curve.edges[:-1], curve.edges[1:], strict=True)]
    )
    y = curve.medians
    x, y = x[2:] + 1.0, y[2:]
    best: tuple[float, float] = (np.inf, 0.0)
    end = float(curve.steps[-1]) + 1.0
    for power in np.linspace(0.1, 3.0, 30):
        basis = (x / end) ** -power
        slope, error = _least_squares(basis, y)
        gain = slope * (1.0 - 2.0**-power)
        if error < best[0]:
            best = (error, gain)
    return max(0.0, best[1])


def _least_squares(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and sum of squared errors of a straight line."""
    cx, cy = x - x.mean(), y - y.mean()
    slope = float(cx @ cy) / max(float(cx @ cx), 1e-300)
    rest = cy - slope * cx
    return slope, float(rest @ rest)
