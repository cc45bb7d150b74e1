"""A learning rate that was taken away while the loss was still falling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Floats, Run, Series
from traindoctor.text import Text

from ..extent import extent
from ..optimizer_code import optimizer_code
from ..outcome import final_skill
from ..phases import main_learning_rate, phases
from ..phrases import confidence, measured, place, rate_unit, x_unit
from ..reference import Curve, levels, main_curve
from ..signal import block_means, mann_kendall_z

SIGNIFICANT = -2.33


@dataclass(frozen=True)
class DecayedTooEarly:
    """Reports a schedule that ran out while the loss was still falling, with much of the run to go.

    The rate counts as taken away at the first step after which it stays below `low` of its peak. At least
    `left` of the run must come after that, and hold at most `spent` of the sum of all rates: nothing was
    meant to happen there. The loss was still falling when the rate went down: in the half before, in x,
    Mann and Kendall's score of 20 block means is below -2.33. What it cost is predicted by a power law a + b
    (S + S0)^-c in the sum of rates S, fitted up to there and carried on to what a linear decay over the whole
    run would have spent; it must be more than `gain` of the progress made. A warning when the skill
    is below `good_skill` and the gain above `sure_gain`; a note otherwise.

    Why it matters: a decayed rate freezes what has been learned so far. The rest of the run costs the same
    per step and buys next to nothing.

    When it is wrong: a long cool-down on purpose, such as for averaging weights; the prediction
    carries a curve on.

    What to try: spread the decay over the whole run: cosine or linear to 0 at the last step.

    Source: ours; the sum of rates as the clock of training is that of Tissue et al. 2024.

    Example:
        >>> steps = np.arange(2000)
        >>> lr = np.where(steps < 500, 0.1, 0.001)
        >>> losses = 0.2 + 2.0 * (1.0 + np.cumsum(lr) / 10.0) ** -1.0
        >>> series = {"loss/train": Series(steps, losses), "lr/0": Series(steps, lr)}
        >>> [(f.severity.value, f.first_step) for f in DecayedTooEarly().check(Run("r", "r", series))]
        [('info', 500)]
    """

    code: str = "TD304"
    name: str = "decayed-too-early"
    needs: tuple[str, ...] = ("lr/",)
    low: float = 0.11
    left: float = 0.4
    spent: float = 0.1
    gain: float = 0.1
    sure_gain: float = 0.2
    good_skill: float = 0.8
    least_points: int = 40

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses before the decay to see a trend, or no progress signal.
        """
        curve, trace, found = main_curve(run), main_learning_rate(run), phases(run)
        if trace is None or found is None or found.peak <= 0.0:
            return
        gone = _taken_away(trace, self.low * found.peak)
        covered = extent(run)
        if gone is None or covered.share_before(gone) > 1.0 - self.left:
            return
        clock = _sums(trace, curve)
        n_before = int(np.searchsorted(curve.steps, gone))
        if n_before < self.least_points:
            raise NotAssessable(
                Text(
                    "only {n_before} values of the {label} before the learning rate went down; "
                    "{least_points} are needed to see whether it was still falling",
                    n_before=n_before,
                    label=curve.label,
                    least_points=self.least_points,
                )
            )
        if clock[-1] - clock[n_before - 1] > self.spent * clock[-1]:
            return
        late = block_means(curve.values[n_before // 2 : n_before])
        score = mann_kendall_z(late)
        if score >= SIGNIFICANT:
            return
        planned = 0.5 * found.peak * covered.length
        gain = _predicted_gain(clock[:n_before], curve.values[:n_before], clock[-1], planned)
        share = gain / levels(run).progress
        if share <= self.gain:
            return
        yield self._finding(run, gone, share, score, found.peak)

    def _finding(self, run: Run, gone: int, gain: float, score: float, peak: float) -> Finding:
        covered, skill = extent(run), final_skill(run)
        used = covered.share_before(gone)
        is_known = levels(run).baseline_known
        return Finding(
            self.code,
            self.name,
            Severity.WARNING
            if is_known and skill < self.good_skill and gain > self.sure_gain
            else Severity.INFO,
            confidence(gain / self.gain),
            gone,
            max(gone, run.n_steps - 1),
            Text(
                "The learning rate was taken away too early: from {place} on, after {used:.0%} of "
                "the run, it stayed below {low:.0%} of its peak {peak:.3g}, while the loss was still "
                "falling. A decay over the whole run is predicted to gain another {gain:.0%} of the "
                "progress made.",
                place=place(run, gone),
                used=used,
                low=self.low,
                peak=peak,
                gain=gain,
            ),
            *measured(
                {
                    "decayed at": (gone, x_unit(run)),
                    "share of run before": (used, "fraction"),
                    "below": (self.low, "share of peak"),
                    "peak": (peak, rate_unit(run)),
                    "trend score before": (score, "standard deviations"),
                    "predicted gain": (gain, "share of progress"),
                }
            ),
            _remedy(run),
        )


def _taken_away(trace: Series, limit: float) -> int | None:
    """First recorded step after which the rate stays below a limit; None when it never does."""
    last = int(np.flatnonzero(trace.values >= limit)[-1])
    return int(trace.steps[last + 1]) if last + 1 < len(trace) else None


def _sums(trace: Series, curve: Curve) -> Floats:
    """Sum of the learning rates up to each point of the curve, 1."""
    steps = trace.steps.astype(np.float64)
    widths = np.diff(steps, prepend=steps[0] - 1.0)
    sums = np.cumsum(trace.values * widths)
    return np.interp(curve.steps.astype(np.float64), steps, sums)


def _predicted_gain(clock: Floats, values: Floats, reached: float, planned: float) -> float:
    """Fall of the loss from `reached` to `planned` on the clock by a power law, loss units, at least 0."""
    if planned <= reached:
        return 0.0
    x, y = block_means(clock)[1:], block_means(values)[1:]
    offset = float(clock[-1]) / 50.0
    best, gain = np.inf, 0.0
    for power in np.linspace(0.2, 3.0, 15):
        basis = (x + offset) ** -power
        centred, fall = basis - basis.mean(), y - y.mean()
        slope = float(centred @ fall) / max(float(centred @ centred), 1e-300)
        error = float(np.square(fall - slope * centred).sum())
        if error < best:
            best = error
            gain = slope * float((reached + offset) ** -power - (planned + offset) ** -power)
    return max(0.0, gain)


def _remedy(run: Run) -> Remedy:
    horizon = max(extent(run).length, 1)
    return Remedy(
        Text("Spread the decay over the whole run, {horizon} {x_unit}.", horizon=horizon, x_unit=x_unit(run)),
        f"{optimizer_code(run)}\n"
        f"scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max={horizon})",
    )
