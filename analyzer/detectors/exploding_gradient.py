"""Gradients that grow out of all proportion, over the run or on their way to the first layers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import GRAD_NORM, GRAD_NORM_PRECLIP, LOSS_TRAIN
from traindoctor.run import Run, Series
from traindoctor.text import Text

from ..depth import depth_profile
from ..optimizer_code import rounded
from ..outcome import final_skill, first_non_finite
from ..phrases import confidence, place, x_unit
from ..reference import levels, training_curve
from ..signal import block_edges, block_medians

N_BLOCKS = 20
MIN_POINTS = 40


@dataclass(frozen=True)
class ExplodingGradient:
    """Reports gradients that explode in time or along depth, when the loss suffered.

    In time: the median global gradient norm (before clipping, where that was recorded) of one of 20 blocks
    of the run, or the norm of any step just before the loss became non-finite, exceeds `times` times the
    median of all blocks before it, and from there on the loss rose by a quarter of the progress made or
    became non-finite. Along depth: relative gradients (norm / weight norm) grow by `decades` or more from
    the last matrix to the first in at least half of the samples, and the run ended with a skill below 0.5.

    Why it matters: a single such gradient undoes thousands of steps; below the explosion sits a cause: too
    high a learning rate, a recurrent loop, an ill-scaled layer.

    When it is wrong: losses that are summed rather than averaged over sequences of very different length.

    What to try: clip at the 90th percentile of the norms before the explosion; a lower learning rate;
    orthogonal initialisation or gating in recurrent nets.

    Source: clipping at the 90th percentile: Google's Deep Learning Tuning Playbook; thresholds are ours.

    Example:
        >>> steps = np.arange(200)
        >>> norms = np.where(steps < 120, 1.0, 1e4)
        >>> losses = np.where(steps < 120, 2.0 - steps / 120, 5.0)
        >>> series = {"loss/train": Series(steps, losses), "grad_norm/global": Series(steps, norms)}
        >>> run = Run("r", "r", series)
        >>> [(f.first_step, f.evidence["gradient growth"]) for f in ExplodingGradient().check(run)]
        [(120, 10000.0)]
    """

    code: str = "TD202"
    name: str = "exploding-gradient"
    needs: tuple[str, ...] = (GRAD_NORM, LOSS_TRAIN)
    times: float = 100.0
    decades: float = 3.0

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding: in time, else along depth."""
        norms = run.get(GRAD_NORM_PRECLIP) or run.series[GRAD_NORM]
        found = self._in_time(run, norms.finite()) or self._along_depth(run)
        if found is not None:
            yield found
        elif len(norms.finite()) < MIN_POINTS:
            raise NotAssessable(
                Text(
                    "only {n_finite} finite gradient norms; {min_points} are needed",
                    n_finite=len(norms.finite()),
                    min_points=MIN_POINTS,
                )
            )

    def _in_time(self, run: Run, norms: Series) -> Finding | None:
        if len(norms) < MIN_POINTS:
            return None
        edges, medians = block_edges(len(norms), N_BLOCKS), block_medians(norms.values, N_BLOCKS)
        broken = first_non_finite(run)
        for block in range(1, medians.size):
            usual = float(np.median(medians[:block]))
            start = int(norms.steps[edges[block]])
            growth = float(medians[block]) / usual if usual > 0.0 else 0.0
            if growth > self.times and _has_suffered(run, start, broken):
                return self._finding(run, norms, start, growth, usual)
        if broken is None:
            return None
        before = norms.between(0, broken)
        last = before.between(broken - 10, broken)
        calm = before.between(0, broken - 11)
        usual = float(np.median(calm.values)) if len(calm) >= N_BLOCKS else math.nan
        if len(last) and usual > 0.0 and float(last.values.max()) > self.times * usual:
            start = int(last.steps[np.argmax(last.values > self.times * usual)])
            return self._finding(run, norms, start, float(last.values.max()) / usual, usual)
        return None

    def _finding(self, run: Run, norms: Series, start: int, growth: float, usual: float) -> Finding:
        limit = rounded(float(np.quantile(norms.between(0, start - 1).values, 0.9)), 2)
        return Finding(
            self.code,
            self.name,
            Severity.CRITICAL if final_skill(run) < 0.1 else Severity.WARNING,
            confidence(growth / self.times),
            start,
            max(start, run.n_steps - 1),
            Text(
                "The gradients explode at {place}: their norm reaches {growth:.3g} times the "
                "{usual:.3g} that was usual before, and the loss follows.",
                place=place(run, start),
                growth=growth,
                usual=usual,
            ),
            {"since": float(start), "gradient growth": growth, "usual norm": usual, "suggested clip": limit},
            {
                "since": x_unit(run),
                "gradient growth": "times the usual norm",
                "usual norm": "loss units / weight unit",
                "suggested clip": "loss units / weight unit",
            },
            Remedy(
                Text(
                    "Clip the gradient norm at {limit:g}, its 90th percentile before the explosion, and "
                    "look at the batch and the learning rate there.",
                    limit=limit,
                ),
                "loss.backward()\n"
                f"torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={limit!r})\n"
                "optimizer.step()",
            ),
        )

    def _along_depth(self, run: Run) -> Finding | None:
        try:
            profile = depth_profile(run)
        except NotAssessable:
            return None  # no layers to compare; the global norm was looked at
        falling = profile.decades <= -self.decades
        if float(np.mean(falling)) < 0.5 or not final_skill(run) < 0.5:
            return None
        size = -float(np.median(profile.decades))
        first = int(profile.steps[np.argmax(falling)])
        return Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(size / self.decades),
            first,
            max(first, run.n_steps - 1),
            Text(
                "The gradients explode towards the input: relative to the weights they grow by "
                "{size:.1f} decades from the last of {n_names} layers to the first.",
                size=size,
                n_names=len(profile.names),
            ),
            {"decades": size, "layers": float(len(profile.names))},
            {"decades": "powers of ten", "layers": "matrices"},
            Remedy(
                Text(
                    "Initialise for the activation, normalise between the layers, and clip the gradient norm."
                ),
                "for module in model.modules():\n"
                "    if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):\n"
                '        torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")',
            ),
            parameters=profile.names[:1],
        )


def _has_suffered(run: Run, start: int, broken: int | None) -> bool:
    """Whether the loss broke, or rose by a quarter of the progress made, at `start` or later."""
    if broken is not None and broken >= start - 1:
        return True
    try:
        curve, known = training_curve(run), levels(run)
    except NotAssessable:
        return False
    blocks = range(curve.medians.size)
    before = [float(curve.medians[b]) for b in blocks if curve.last_step(b) < start]
    after = [float(curve.medians[b]) for b in blocks if curve.last_step(b) >= start]
    return bool(before and after) and max(after) - min(before) > 0.25 * known.progress
