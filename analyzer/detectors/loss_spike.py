"""Sudden rises of the training loss that recover."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import GRAD_NORM, GRAD_NORM_PRECLIP, LOSS_TRAIN
from traindoctor.run import Floats, Run
from traindoctor.text import Text, counted

from ..batch_jump import FIND_HUGE_INPUTS, BatchJump, batch_jump
from ..causes import OF_A_BATCH
from ..extent import extent
from ..phases import phases
from ..phrases import measured, place, x_unit
from ..reference import Curve, levels, training_curve
from ..signal import MAD_TO_SD, rolling_median, spans_of

WINDOW = 60
ENVELOPE = 100


@dataclass(frozen=True)
class Spike:
    """One episode, as indices into the loss curve, both inclusive; `end` is the last one before recovery."""

    first: int
    end: int
    peak: int
    height: float
    cost: float
    recovered: bool


@dataclass(frozen=True)
class LossSpike:
    """Reports episodes in which the training loss jumps far above its recent level and comes back.

    A loss is in a spike when it exceeds the median of the 60 losses before it by more than `sigmas` robust
    standard deviations of those, by more than `envelope` times what the 98 % quantile of the last 100 does,
    and by more than `share` of max(B0 - that median, 0.25 B0). In the first 5 % of the run, at least 20
    losses, only those count that also exceed `early` times B0 and the first losses. An episode has at least 2
    such losses among 3 in a row. It ends when the median of 5 losses is back. Warning when the episodes
    together take at least `wasted` of the run's steps or when `many` occur; a note otherwise, and where all
    of them began before the learning rate had warmed up. The cost is the area above the level before, in
    progress times steps.

    A loss that jumped to 30 times those before it and 3 times that of an untrained model, after updates with
    ordinary gradients, came from its batch and not from the step before. When the training or the validation
    loss then ended worse by more than `lasting` of the progress that is a warning, critical where the run
    broke.

    Why it matters: a spike wastes the steps until recovery, and a larger one may not recover.

    When it is wrong: batches of very different difficulty (one hard batch per epoch), and resumed runs whose
    data order starts again. A spike that does not recover is reported as divergence.

    What to try: clip the gradient norm at its 90th percentile, lower the learning rate or lengthen the
    warm-up, skip the batch if it is always the same one.

    Source: ours; the classes fast, slow and not recovering follow the public training logs of large models.

    Example:
        >>> losses = np.linspace(2.0, 1.0, 1000) + 0.01 * np.sin(np.arange(1000.0) ** 2)
        >>> losses[500:580] += 2.0
        >>> run = Run("r", "r", {"loss/train": Series(np.arange(1000), losses)})
        >>> [(f.severity.value, f.first_step) for f in LossSpike().check(run)]
        [('warning', 500)]
    """

    code: str = "TD104"
    name: str = "loss-spike"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    sigmas: float = 8.0
    envelope: float = 1.5
    share: float = 0.25
    early: float = 2.0
    wasted: float = 0.05
    many: int = 5
    least_points: int = 200
    lasting: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, about all episodes.

        Raises:
            NotAssessable: fewer than `least_points` finite losses, or the loss is no progress signal.
        """
        curve = training_curve(run)
        jump = batch_jump(run)
        if jump is not None and jump.lost > self.lasting:
            yield _of_batch(run, jump)
            return
        n = curve.values.size
        if n < self.least_points:
            raise NotAssessable(
                Text(
                    "only {n} finite training losses; {least_points} are needed to tell a spike from noise",
                    n=n,
                    least_points=self.least_points,
                )
            )
        spikes = [spike for spike in self._episodes(run, curve) if spike.recovered]
        if spikes:
            yield self._finding(run, curve, spikes)

    def _episodes(self, run: Run, curve: Curve) -> list[Spike]:
        x = curve.values
        level = rolling_median(x, WINDOW)
        before = np.concatenate([x[:1], level[:-1]])
        spread = MAD_TO_SD * rolling_median(np.abs(x - before), WINDOW)
        spread = np.concatenate([spread[:1], spread[:-1]])
        baseline = levels(run).baseline
        size = self.share * np.maximum(baseline - before, 0.25 * abs(baseline))
        excess = x - before
        high = excess > np.maximum(self.sigmas * np.maximum(spread, 1e-3 * np.abs(before)), size)
        self._strict_at_first(high, x, max(abs(baseline), float(np.median(x[:3]))))
        candidates = np.flatnonzero(high)
        quantile = _past_quantile(x, candidates)
        keep = excess[candidates] > self.envelope * (quantile - before[candidates])
        # Inside an episode its own values lift the envelope, so only the way in must beat it.
        sure = np.zeros(x.size, dtype=bool)
        sure[candidates[keep]] = True
        return _episodes_of(x, before, sure, levels(run).progress, curve.noise)

    def _strict_at_first(self, high: np.ndarray, x: Floats, top: float) -> None:
        """Clear what only looks high because the level is not known yet, or still falls fast."""
        n = max(20, x.size // 20)
        high[:n] &= x[:n] > self.early * top
        high[:5] = False

    def _finding(self, run: Run, curve: Curve, spikes: list[Spike]) -> Finding:
        worst = max(spikes, key=lambda spike: spike.cost)
        total = sum(int(curve.steps[s.end] - curve.steps[s.first]) + 1 for s in spikes)
        share = total / max(extent(run).length, 1)
        first, last = int(curve.steps[spikes[0].first]), int(curve.steps[spikes[-1].end])
        growth = gradient_growth(run, int(curve.steps[worst.first]))
        cost = sum(spike.cost for spike in spikes)
        found = phases(run)
        is_warming = found is not None and int(curve.steps[spikes[-1].first]) <= found.warmup_end
        is_material = (share >= self.wasted or len(spikes) >= self.many) and not is_warming
        at = int(curve.steps[worst.peak])
        unit = x_unit(run)
        episodes = counted("one spike", "{n} spikes", len(spikes))
        sign = (
            Text(" The gradient norm had grown {growth:.3g}-fold just before.", growth=growth)
            if growth >= 5.0
            else ""
        )
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_material else Severity.INFO,
            0.9,
            first,
            last,
            Text(
                "The training loss had {episodes}, the worst of {height:.3g} at {place}; until "
                "recovery they took {total} {unit}, {share:.1%} of the run.{sign}",
                episodes=episodes,
                height=worst.height,
                place=place(run, at),
                total=total,
                unit=unit,
                share=share,
                sign=sign,
            ),
            *measured(
                {
                    "spikes": (len(spikes), "episodes"),
                    "height": (worst.height, "loss units"),
                    "worst at": (at, unit),
                    "spent in spikes": (total, unit),
                    "share of the run": (share, "fraction"),
                    "area": (cost, f"progress x {unit}"),
                    "gradient growth before": (growth, "times its median"),
                }
            ),
            _remedy(run, growth),
        )


def _of_batch(run: Run, jump: BatchJump) -> Finding:
    """What one batch did to the run."""
    at = place(run, jump.step)
    evidence, units = measured(
        {
            "worst at": (jump.step, x_unit(run)),
            "height": (jump.loss, "loss units"),
            OF_A_BATCH: (jump.times, "times"),
            "progress lost": (jump.lost, "fraction"),
        }
    )
    return Finding(
        "TD104",
        "loss-spike",
        Severity.WARNING if math.isfinite(jump.lost) else Severity.CRITICAL,
        0.9,
        jump.step,
        max(jump.step, run.n_steps - 1),
        Text(
            "The batch of {at} threw the training loss up to {loss:.3g}, {times:.3g} times those before it, "
            "and the run did not recover. The gradients before were ordinary, so its inputs or labels are "
            "the reason, not the learning rate.",
            at=at,
            loss=jump.loss,
            times=jump.times,
        ),
        evidence,
        units,
        Remedy(
            Text(
                "Look at the batch of {at} for huge or wrong values and leave it out, or clip the gradient "
                "norm, so that no single batch can do this.",
                at=at,
            ),
            FIND_HUGE_INPUTS,
        ),
    )


def _past_quantile(x: Floats, at: np.ndarray) -> Floats:
    """98 % quantile of the 100 values before each index, the first repeated where fewer exist."""
    out = np.empty(at.size)
    for chunk in range(0, at.size, 4096):
        index = at[chunk : chunk + 4096, None] - np.arange(1, ENVELOPE + 1)[None, :]
        out[chunk : chunk + 4096] = np.quantile(x[np.maximum(index, 0)], 0.98, axis=1)
    return out


def _episodes_of(x: Floats, before: Floats, high: np.ndarray, progress: float, noise: float) -> list[Spike]:
    """Episodes with at least 2 of 3 consecutive points high, each followed to its recovery."""
    padded = np.concatenate([high, [False, False]])
    pairs = high & (padded[1:-1] | padded[2:])
    smooth = rolling_median(x, 5)
    episodes: list[Spike] = []
    for first, _ in spans_of(pairs):
        if episodes and first <= episodes[-1].end:
            continue
        level = float(before[first])
        back = level + max(2.0 * noise, 0.05 * progress)
        # The trailing median of 5 looks back, so recovery is read 4 points later.
        after = np.flatnonzero(smooth[first + 4 :] <= back)
        recovered = after.size > 0
        end = min(first + int(after[0]) + 2, x.size - 1) if recovered else x.size - 1
        inside = x[first : end + 1]
        peak = first + int(np.argmax(inside))
        cost = float(np.maximum(inside - level, 0.0).sum()) / progress
        episodes.append(Spike(first, end, peak, float(x[peak]) - level, cost, recovered))
    return episodes


def gradient_growth(run: Run, step: int) -> float:
    """Largest gradient norm of the 6 steps up to `step` over the median of the 100 before; 1 when unknown."""
    series = run.get(GRAD_NORM_PRECLIP) or run.get(GRAD_NORM)
    if series is None:
        return 1.0
    near, calm = series.between(step - 5, step).finite(), series.between(step - 105, step - 6).finite()
    middle = float(np.median(calm.values)) if len(calm) >= 10 else 0.0
    return float(near.values.max()) / middle if len(near) and middle > 0.0 else 1.0


def _remedy(run: Run, growth: float) -> Remedy:
    series = run.get(GRAD_NORM_PRECLIP) or run.get(GRAD_NORM)
    finite = series.finite().values if series is not None else np.empty(0)
    if finite.size < 10:
        return Remedy(
            Text("Clip the gradient norm at the 90th percentile of its usual values."),
            "torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # before optimizer.step()",
        )
    limit = float(np.quantile(finite, 0.9))
    why = (
        ""
        if growth >= 5.0
        else Text(" Since the gradient norm gave no warning, look at the batches there too.")
    )
    return Remedy(
        Text(
            "Clip the gradient norm at {limit:.2g}, the 90th percentile of this run.{why}",
            limit=limit,
            why=why,
        ),
        f"torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={limit:.2g})"
        "  # before optimizer.step()",
    )
