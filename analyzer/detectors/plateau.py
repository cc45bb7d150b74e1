"""A loss that stopped falling although the learning rate is still high."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..phases import phases
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, held_out_curve, levels_of, main_curve
from ..signal import block_edges, block_medians
from ..trend import Trend, trend_of

LEAST_HELD_OUT = 10
WINDOWS = (0.34, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class Plateau:
    """Reports a loss proven flat at the end of the run, far from solved, with the learning rate still high.

    Looks at the last quarter of the training losses; where none were logged or they show nothing, of the
    validation losses, else of the values of a held-out metric. Four things must hold. There is no significant
    trend: Mann and Kendall's score of 20 block means lies within 2.33. A fall is also proven small: the upper
    bound (5 %) of the Theil-Sen slope, carried on for as many steps again, gains less than `equivalence` of
    the progress made (a significant fall counts as flat when it gains less than `negligible` of it). The
    level is no worse than the best by more than `worse` of it. And there is something to gain: the learning
    rate is still at least `hot` of its peak, and the training skill 1 - loss/B0 is below `solved` where B0 is
    known: the first loss alone does not tell what is left to gain. The plateau is the longest ending of the
    run that is flat by the same test, less what lies above its level at the beginning. Warning when it takes
    at least `long` of the run, the skill is below `nearly_solved`, a learning rate was recorded, the fall is
    not significant and the last quarter holds `least_effective` independent losses; a note otherwise. No
    answer with fewer than `few_effective`, or where most values depend on the ones before.

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
        >>> lr = Series(steps, np.full(2000, 0.1))
        >>> run = Run("r", "r", {"loss/train": Series(steps, losses), "lr/0": lr})
        >>> [(f.severity.value, 700 < f.first_step < 900) for f in Plateau().check(run)]
        [('warning', True)]
    """

    code: str = "TD101"
    name: str = "plateau"
    needs: tuple[str, ...] = ()
    equivalence: float = 0.02
    negligible: float = 0.01
    hot: float = 0.3
    solved: float = 0.95
    nearly_solved: float = 0.85
    long: float = 0.33
    worse: float = 0.1
    least_effective: float = 30.0
    few_effective: float = 5.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few (independent) losses, or the loss is no progress signal.
        """
        curve, held_out = main_curve(run), held_out_curve(run, LEAST_HELD_OUT)
        if held_out is None or curve.measure is not None:
            yield from self._look(run, curve)
            return
        reason: NotAssessable | None = None
        found: list[Finding] = []
        try:
            found = list(self._look(run, curve))
        except NotAssessable as why:
            reason = why
        found = found or list(self._look(run, held_out))
        yield from found
        if reason is not None and not found:
            raise reason

    def _look(self, run: Run, curve: Curve) -> Iterator[Finding]:
        level, trend = levels_of(run, curve), trend_of(curve)
        skill = level.skill(trend.level)
        found = phases(run)
        is_solved = level.baseline_known and skill >= self.solved
        if is_solved or (found and found.final_share < self.hot):
            return
        has_worsened = trend.level - level.best > self.worse * level.progress
        if trend.is_rising or has_worsened or not self._is_flat(trend, level.progress):
            return
        needed = min(self.least_effective, max(self.few_effective, 0.6 * trend.n_points))
        if trend.n_effective < needed and not trend.is_falling:
            raise NotAssessable(
                Text(
                    "the last quarter holds {n_effective:.0f} independent values of the {label}; "
                    "{needed:.0f} are needed to tell a plateau from noise",
                    n_effective=trend.n_effective,
                    label=curve.label,
                    needed=needed,
                )
            )
        is_certain = curve.measure is None and trend.n_effective >= self.least_effective
        for share in WINDOWS:
            longer = trend_of(curve, share)
            if self._is_flat(longer, level.progress) and longer.is_falling <= trend.is_falling:
                trend = longer
        gain = trend.largest_gain(trend.length) / level.progress
        is_certain = is_certain and found is not None and not trend.is_falling
        yield self._finding(run, curve, trend, gain, skill, is_certain)

    def _is_flat(self, trend: Trend, progress: float) -> bool:
        allowed = self.negligible if trend.is_falling else self.equivalence
        return not trend.is_rising and trend.largest_gain(trend.length) < allowed * progress

    def _finding(
        self, run: Run, curve: Curve, trend: Trend, gain: float, skill: float, is_certain: bool
    ) -> Finding:
        start = _onset(curve, trend, 0.01 * levels_of(run, curve).progress)
        total = int(curve.steps[-1] - curve.steps[0]) + 1
        length = int(curve.steps[-1]) - start + 1
        share = length / total
        is_material = is_certain and share >= self.long and not skill >= self.nearly_solved
        unit, flat_at = x_unit(run), curve.recorded(trend.level)
        evidence, units = measured(
            {
                "flat since": (start, unit),
                "level": (flat_at, curve.unit),
                "length": (length, unit),
                "share of the run": (share, "fraction"),
                "largest gain": (gain, "share of progress"),
                "trend score": (trend.z, "standard deviations"),
                "independent values": (trend.n_effective, "values"),
            }
        )
        if not math.isnan(skill):
            evidence["skill"], units["skill"] = skill, "fraction"
        margin = min(share / self.long, self.equivalence / max(gain, 1e-3))
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_material else Severity.INFO,
            confidence(margin),
            start,
            int(curve.steps[-1]),
            Text(
                "The {label} has been flat at {flat_at:.3g} since {place}: the last {length} {unit} "
                "({share:.0%} of the run) bought nothing. Going on as it is would gain at most "
                "{gain:.1%} of the progress made so far.",
                label=curve.label,
                flat_at=flat_at,
                place=place(run, start),
                length=length,
                unit=unit,
                share=share,
                gain=gain,
            ),
            evidence,
            units,
            _remedy(length, unit),
        )


def _onset(curve: Curve, trend: Trend, tolerance: float) -> int:
    """First step of the window from which on the loss stays at its level: a flat test alone begins early."""
    first = int(np.searchsorted(curve.steps, trend.first_step))
    values = curve.values[first:]
    edges, medians = block_edges(values.size, 40), block_medians(values, 40)
    error = 1.25 * curve.noise * math.sqrt(medians.size / values.size)
    above = medians - trend.level > max(tolerance, 3.0 * error)
    leading = int(np.argmin(above)) if not above.all() else 0
    return int(curve.steps[first + edges[leading]])


def _remedy(length: int, unit: str) -> Remedy:
    decay = max(1, round(0.2 * length)) if unit == "steps" else 0
    code = (
        f"scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / {decay}, total_iters={decay - 1})"
        if decay > 1
        else ""
    )
    return Remedy(
        Text("Decay the learning rate to 0 from the last checkpoint")
        + (Text(" over {decay} steps.", decay=decay) if decay > 1 else Text(" over 10-20 % of the run.")),
        code,
    )
