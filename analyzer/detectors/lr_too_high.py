"""A learning rate so high that steps overshoot and the run is harmed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Floats, Run, Series
from traindoctor.text import Text, joined

from ..decay import weight_decay
from ..optimizer_code import optimizer_code, rounded
from ..outcome import better_final_skill, final_skill, first_non_finite
from ..parameter_signals import known_median, late, matrices, matrix_table, table, update_ratios
from ..phases import main_learning_rate
from ..phrases import confidence, place, x_unit
from ..reference import levels
from ..signal import median3

USUAL_FIRST_RATIO = 0.1  # upper end of what well-tuned runs do to their weights in the first step


@dataclass(frozen=True)
class LrTooHigh:
    """Reports a learning rate whose steps are too large for the weights, when the run was harmed by it.

    The ratio r_t = update norm / weight norm is taken as the median over the weight matrices. Steps are too
    large when one of them, after the first, reaches `shock` (`sustained` where units died, see below); when
    the median over 5 to 20 % of the run reaches `sustained`; or when the median weight norm grew
    `growth`-fold within the first third. Ratios measured against weights that shrank below 0.8 of their
    initial norm do not count, nor does what AdamW's weight decay alone takes, nor a run in which any other
    weight decay outweighs the first gradients threefold. After the first fifth of the
    run (half of it where units died) a large step only counts when the learning rate had risen before it.
    Harm is needed too: the loss became non-finite; it rose above `blow_up` times its level before training
    (the larger of the first loss and the constant predictor's); units died (exactly zero gradients in
    `dead_share` of a layer's rows, at most half of them at first); or the run ended within `no_skill` of the
    constant predictor.

    Why it matters: the first steps throw the weights to where the gradients are useless or zero. Such a run
    often looks calm afterwards, at the loss of a constant prediction, and no later patience helps.

    When it is wrong: the first steps of RMSprop and Adam are up to ten times larger than later ones and may
    raise the loss for a moment without harm; a run that recovers fully is only noted. A restart with a new
    head on a trained body also starts with large ratios.

    What to try: a learning rate lower by the factor in the evidence; a warm-up over the first 5 % of the
    steps; clipping of the gradient norm as a second line.

    Source: ours; shares and ratios from trials on small networks. The usual size of a step, 1e-3 of the
    weights, is a rule of thumb of Stanford's course CS231n.

    Example:
        >>> steps = np.arange(100)
        >>> losses = np.where(steps < 3, 2.3, 9.0)
        >>> ratios = Series(steps[:10], np.array([2.0, 3.0, 1.5, 0, 0, 0, 0, 0, 0, 0]))
        >>> series = {"loss/train": Series(steps, losses), "lr/0": Series(steps, np.full(100, 9.0))}
        >>> run = Run("r", "r", series, {"update_ratio": {"fc.weight": ratios}})
        >>> [(f.severity.value, f.first_step, f.evidence["update ratio"]) for f in LrTooHigh().check(run)]
        [('critical', 1, 3.0)]
    """

    code: str = "TD301"
    name: str = "lr-too-high"
    needs: tuple[str, ...] = (LOSS_TRAIN, "lr/", "parameters:update_ratio")
    shock: float = 0.5
    sustained: float = 0.2
    growth: float = 4.0
    blow_up: float = 2.5
    dead_share: float = 0.9
    no_skill: float = 0.1
    recovered_skill: float = 0.8
    solved_skill: float = 0.95

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding."""
        onset = self._onset(run)
        if onset is None or decay_rules(run):
            return
        start, ratio = onset
        harms, evidence, units = self._harms(run, start)
        if not harms:
            return
        factor = lr_factor(run, start)
        evidence |= {"since": float(start), "update ratio": ratio, "usual update ratio": USUAL_FIRST_RATIO}
        units |= dict.fromkeys(("update ratio", "usual update ratio"), "dimensionless")
        units["since"] = x_unit(run)
        lr = main_learning_rate(run)
        at = float(lr.at(np.array([start]))[0]) if lr is not None else math.nan
        evidence |= {"learning rate": at, "suggested factor": factor, "final skill": final_skill(run)}
        units |= {
            "learning rate": "1/step",
            "suggested factor": "times",
            "final skill": "share of the constant predictor's loss",
        }
        message = Text(
            "The learning rate {at:.3g} is too high: {harms}. At {place} the update was "
            "{ratio:.3g} times the size of the weights (median over the matrices; at most "
            "{usual_first_ratio:g} is usual).",
            at=at,
            harms=joined(Text(" and "), harms),
            place=place(run, start),
            ratio=ratio,
            usual_first_ratio=USUAL_FIRST_RATIO,
        )
        yield Finding(
            self.code,
            self.name,
            self._severity(run, evidence),
            confidence(ratio / self.sustained),
            start,
            max(start, run.n_steps - 1),
            message,
            evidence,
            units,
            _remedy(run, factor),
        )

    def _onset(self, run: Run) -> tuple[int, float] | None:
        """First step of too large updates and their size, or None."""
        ratios = after_first_step(update_ratios(run).median())
        growth = weight_growth(run)
        sound = growth.at(ratios.steps)
        # A ratio against weights that decay has emptied says nothing about the learning rate.
        ratios = Series(ratios.steps[~(sound < 0.8)], ratios.values[~(sound < 0.8)])
        ratios = without_decay(run, ratios)
        is_fatal = died(run)[1] >= self.dead_share  # smaller steps than a shock can kill units, too
        first = ratios.steps[ratios.values >= (self.sustained if is_fatal else self.shock)]
        if first.size:
            start = int(first[0])
            if start > (0.5 if is_fatal else 0.2) * run.n_steps and not lr_has_risen(run, start):
                return None  # something else threw the weights: a batch, an instability
            near = ratios.between(start, start + max(10, run.n_steps // 5)).values
            return start, float(near.max())
        settled = ratios.between(5, max(20, run.n_steps // 5)).values
        if settled.size >= 3 and float(np.median(settled)) >= self.sustained:
            return int(ratios.steps[ratios.values >= self.sustained][0]), float(np.median(settled))
        early = growth.between(0, run.n_steps // 3)
        if len(early) and len(ratios) and float(early.values.max()) >= self.growth:
            return int(ratios.steps[0]), float(ratios.values.max())
        return None

    def _harms(self, run: Run, start: int) -> tuple[list[str], dict[str, float], dict[str, str]]:
        """What went wrong from `start` on: phrases, evidence, units."""
        harms: list[str] = []
        evidence: dict[str, float] = {}
        units: dict[str, str] = {}
        broken = first_non_finite(run)
        if broken is not None and start - 1 <= broken <= start + max(20, 0.4 * run.n_steps):
            harms.append(Text("the loss became NaN or infinite at {place}", place=place(run, broken)))
            evidence["first non-finite"], units["first non-finite"] = float(broken), x_unit(run)
        rise = loss_rise(run, start)
        if rise > self.blow_up:
            times = f"{rise:,.0f}" if 100 <= rise < 1e6 else f"{rise:.3g}"
            harms.append(Text("the loss rose to {times} times its level before training", times=times))
            evidence["loss rise"], units["loss rise"] = rise, "times the initial level"
        name, share = died(run)
        if share >= self.dead_share:
            harms.append(Text("{share:.0%} of the units of {name} stopped learning", share=share, name=name))
            evidence["dead units"], units["dead units"] = share, "fraction"
        skill = better_final_skill(run)
        # A run that broke much later ended badly for another reason.
        if not harms and broken is None and skill < self.no_skill:
            harms.append(Text("the run ended no better than a constant prediction"))
        return harms, evidence, units

    def _severity(self, run: Run, evidence: dict[str, float]) -> Severity:
        skill = better_final_skill(run)
        if skill < self.no_skill or "first non-finite" in evidence:
            return Severity.CRITICAL
        if "dead units" in evidence:
            return Severity.WARNING
        enough = self.recovered_skill if evidence.get("loss rise", 0.0) <= 3.0 else self.solved_skill
        return Severity.INFO if skill >= enough else Severity.WARNING


def after_first_step(ratios: Series) -> Series:
    """The ratios without the very first step, which RMSprop and Adam take many times too large."""
    return ratios.between(1, int(ratios.steps[-1])) if len(ratios) else ratios


def without_decay(run: Run, ratios: Series) -> Series:
    """What AdamW's gradients contribute to update ratios at least: its decay takes lr x decay by itself."""
    lr, optimizers = main_learning_rate(run), run.info.optimizers
    if lr is None or not optimizers or optimizers[0].name != "AdamW" or not len(ratios):
        return ratios
    return Series(ratios.steps, ratios.values - weight_decay(run) * np.nan_to_num(lr.at(ratios.steps)))


def decay_rules(run: Run) -> bool:
    """Whether weight decay that goes through the gradient outweighs the gradient itself, threefold or more.

    Then the size of the updates is that of the decay, whatever the learning rate. Median over the matrices of
    decay x weight norm / gradient norm at the first sample, before any step has thrown the weights about.
    """
    strength = weight_decay(run)
    if strength <= 0.0 or not run.info.optimizers or run.info.optimizers[0].name == "AdamW":
        return False
    names = tuple(info.name for info in matrices(run))
    weights, gradients = table(run, "weight_norm", names), table(run, "grad_norm", names)
    if not weights.names or weights.values.shape != gradients.values.shape:
        return False
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = strength * weights.values[0] / gradients.values[0]
    return float(known_median(shares)) > 3.0


def lr_has_risen(run: Run, step: int) -> bool:
    """Whether the learning rate at `step` is at least 1.5 times its median before."""
    lr = main_learning_rate(run)
    before = None if lr is None else lr.between(0, step - 1).values
    if lr is None or before is None or not before.size:
        return False
    return float(lr.at(np.array([step]))[0]) >= 1.5 * float(np.median(before))


def weight_growth(run: Run) -> Series:
    """Median over the matrices of weight norm / weight norm at the first sample; empty when not recorded."""
    try:
        norms = matrix_table(run, "weight_norm")
    except NotAssessable:
        return Series(np.empty(0, dtype=np.int64), np.empty(0))
    first = norms.values[0]
    usable = np.isfinite(first) & (first > 0.0)
    medians = known_median(norms.values[:, usable] / first[usable], axis=1)
    known = ~np.isnan(medians)
    return Series(norms.steps[known], medians[known])


def loss_rise(run: Run, start: int) -> float:
    """Highest loss (3-point median) in the fifth of the run after `start` / level before training.

    The level is the larger of the first finite loss and B0. NaN when the loss is negative or missing.
    """
    series = run.series[LOSS_TRAIN].finite()
    if not len(series):
        return math.nan
    level = float(series.values[0])
    try:
        known = levels(run)
        level = max(level, known.baseline) if known.baseline_known else level
    except NotAssessable:
        pass  # too few finite losses: a run that broke at once is judged by its first loss
    after = series.between(start, start + max(10, run.n_steps // 5)).values
    if level <= 0.0 or after.size < 3:
        return math.nan
    return float(median3(after).max()) / level


def died(run: Run) -> tuple[str, float]:
    """Hidden matrix with the largest share of rows that died in the run, and that share; ("", 0) if none."""
    hidden = tuple(info.name for info in matrices(run)[:-1])
    rows = table(run, "grad_dead_rows", hidden)
    if not rows.names:
        return "", 0.0
    ends = known_median(late(rows), axis=0)
    ends = np.where(first_values(rows.values) <= 0.5, np.nan_to_num(ends), 0.0)
    worst = int(np.argmax(ends))
    return rows.names[worst], float(ends[worst])


def first_values(values: Floats) -> Floats:
    """First known value of each column, NaN for a column without any."""
    known = ~np.isnan(values)
    return np.where(known.any(axis=0), values[np.argmax(known, axis=0), np.arange(values.shape[1])], np.nan)


def lr_factor(run: Run, start: int) -> float:
    """What to multiply the learning rate by: aims at the usual ratio of a first step, in 1e-4..1/3.

    Where the trouble starts later, at the ratio from before.
    """
    ratios = update_ratios(run).median()
    before = ratios.between(1, start - 1).values if start > 20 else ratios.between(0, 0).values
    if not before.size:
        return 0.1
    if start > 20:
        now = float(ratios.at(np.array([start]))[0])
        return rounded(float(np.clip(float(np.median(before)) / now, 1e-4, 1.0 / 3.0)), 1)
    return rounded(float(np.clip(USUAL_FIRST_RATIO / max(float(before[0]), 1e-12), 1e-4, 1.0 / 3.0)), 1)


def _remedy(run: Run, factor: float) -> Remedy:
    warmup = max(10, round(0.05 * run.n_steps))
    return Remedy(
        Text(
            "Multiply the learning rate by about {factor:g}. If you need a rate near the present "
            "one, reach it by a warm-up of {warmup} {x_unit} and clip the gradient norm.",
            factor=factor,
            warmup=warmup,
            x_unit=x_unit(run),
        ),
        optimizer_code(run, lr_factor=factor),
    )
