"""Gradients that are mostly noise: the batch is too small for the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Floats, Run
from traindoctor.text import Text

from ..decay import setting
from ..momentum import first_momentum
from ..optimizer_code import optimizer_code, rounded
from ..outcome import final_skill
from ..parameter_signals import known_median, matrices, table
from ..phases import main_learning_rate, phases
from ..phrases import confidence, measured
from ..reference import levels, training_curve
from ..trend import late_trend

MIN_SAMPLES = 10
SLACK = 0.5  # beyond the bounds; weight decay and epsilon push the position a little past them
ADAMS = ("Adam", "AdamW", "NAdam", "RAdam")


@dataclass(frozen=True)
class NoiseDominated:
    """Reports a run that stands still because successive gradients have nothing in common.

    Momentum adds gradients up, so the size of the realised update tells how much they agree. With agreement
    a between 0 (independent) and 1 (the same), SGD's update divided by rate x gradient norm lies between
    1 / sqrt(1 - m^2) and 1 / (1 - m), m the momentum; Adam's divided by rate x sqrt(elements) between
    sqrt((1 - b1) / (1 + b1)) and 1. a is that position, on a logarithmic scale, median over the matrices and
    over the samples of the last two thirds. Noise dominates below `agreement`. It matters only where the run
    stands still: the late trend does not fall, the rate is still at least `hot` of its peak, and the skill
    is below `good_skill`. A warning with at most `small_batch` samples per step; a note otherwise.

    Why it matters: such a run wanders at the level where noise and progress balance. More steps do not help;
    a larger batch or a lower rate lowers that level.

    When it is wrong: a run that has reached what its labels allow also has gradients of pure noise.

    What to try: a larger batch, or as many accumulated ones; or decay the learning rate, which averages the
    noise over more steps at no cost per step.

    Source: ours; noise scale as in McCandlish et al. 2018, which needs gradient norms at two batch sizes;
    momentum's sums are those of independent and of equal terms.

    Example:
        >>> from traindoctor.run import OptimizerInfo, ParameterInfo, RunInfo, Series
        >>> steps, sgd = np.arange(600), OptimizerInfo("SGD", ({"label": "0", "lr": 0.1, "momentum": 0.9},))
        >>> info = RunInfo(baseline=2.3, batch_size=2, optimizers=(sgd,),
        ...                parameters=(ParameterInfo("fc.weight", (9, 9), "matrix", group="0"),))
        >>> losses = 1.5 + 0.2 * np.random.default_rng(0).normal(size=600) + 0.8 * np.exp(-steps / 50)
        >>> def flat(value): return Series(steps, np.full(600, value))
        >>> table = {"update_norm": {"fc.weight": flat(0.23)}, "grad_norm": {"fc.weight": flat(1.0)}}
        >>> run = Run("r", "r", {"loss/train": Series(steps, losses), "lr/0": flat(0.1)}, table, info=info)
        >>> [f.severity.value for f in NoiseDominated().check(run)]
        ['warning']
    """

    code: str = "TD212"
    name: str = "noise-dominated"
    needs: tuple[str, ...] = (LOSS_TRAIN, "lr/", "parameters:update_norm", "parameters:grad_norm")
    agreement: float = 0.15
    hot: float = 0.5
    good_skill: float = 0.8
    small_batch: int = 8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the optimizer has no momentum to tell by, or too little was recorded.
        """
        agreement = gradient_agreement(run)
        found, trend, level = phases(run), late_trend(run), levels(run)
        skill = final_skill(run)
        if agreement >= self.agreement or found is None or found.final_share < self.hot:
            return
        if trend.is_falling or not skill < self.good_skill:
            return
        curve = training_curve(run)
        noise = curve.noise / level.progress
        batch = run.info.batch_size
        evidence, units = measured(
            {
                "agreement": (agreement, "fraction"),
                "noise of single losses": (noise, "share of progress"),
                "final skill": (skill, "share of the constant predictor's loss"),
            }
        )
        if batch:
            evidence["batch size"], units["batch size"] = float(batch), "samples"
        of_batch = Text(" with {batch} samples per batch", batch=batch) if batch else ""
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING if 0 < batch <= self.small_batch else Severity.INFO,
            confidence(self.agreement / max(agreement, 1e-3)),
            trend.first_step,
            trend.last_step,
            Text(
                "The run stands still in the noise of its gradients: successive ones agree by "
                "{agreement:.0%}{of_batch}, the loss no longer falls, and the learning rate is still "
                "high.",
                agreement=agreement,
                of_batch=of_batch,
            ),
            evidence,
            units,
            _remedy(run, batch),
        )


def gradient_agreement(run: Run) -> float:
    """How much successive gradients agree, 0 (independent) to 1 (the same); see `NoiseDominated`.

    Raises:
        NotAssessable: the optimizer has no momentum, or fewer than 10 samples can be judged.
    """
    name = run.info.optimizers[0].name if run.info.optimizers else ""
    low, high = _bounds(run, name)
    names = tuple(info.name for info in matrices(run))
    updates, rate = table(run, "update_norm", names), main_learning_rate(run)
    if rate is None or not updates.names:
        raise NotAssessable(Text("no update of a trainable weight matrix was recorded"))
    scale = _scale(run, name, updates.names, updates.steps)
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = updates.values / (rate.at(updates.steps)[:, None] * scale)
        position = np.log(speed / low) / math.log(high / low)
    late = updates.steps >= run.n_steps / 3.0
    per_step = known_median(np.where(np.isfinite(position), position, np.nan), axis=1)[late]
    if int(np.isfinite(per_step).sum()) < MIN_SAMPLES:
        raise NotAssessable(
            Text(
                "fewer than {min_samples} samples of updates and gradients in the last two thirds",
                min_samples=MIN_SAMPLES,
            )
        )
    typical = float(known_median(per_step))
    if not -SLACK <= typical <= 1.0 + SLACK:
        raise NotAssessable(
            Text(
                "the recorded updates do not follow from the recorded gradients and settings by the "
                "optimizer's rule"
            )
        )
    return float(np.clip(typical, 0.0, 1.0))


def _bounds(run: Run, name: str) -> tuple[float, float]:
    """Update / (rate x scale) of independent and of equal gradients."""
    if name == "SGD":
        momentum = setting(run, "momentum")
        if momentum < 0.5:
            raise NotAssessable(
                Text(
                    "the optimizer has no momentum, so updates do not show whether gradients agree; the "
                    "gradient norms of single micro-batches would be needed"
                )
            )
        return 1.0 / math.sqrt(1.0 - momentum**2), 1.0 / (1.0 - momentum)
    if name in ADAMS:
        beta = first_momentum(run)
        beta = beta if 0.5 <= beta < 1.0 else 0.9
        return math.sqrt((1.0 - beta) / (1.0 + beta)), 1.0
    raise NotAssessable(
        Text(
            "updates of {value} do not show whether gradients agree; the gradient norms of "
            "single micro-batches would be needed",
            value=name or Text("an unknown optimizer"),
        )
    )


def _scale(run: Run, name: str, names: tuple[str, ...], steps: np.ndarray) -> Floats:
    """What the update is measured against, shape (n_steps, n_names): gradient norms, or sqrt(elements)."""
    sizes = {info.name: info.size for info in matrices(run)}
    if name != "SGD":
        return np.tile(np.sqrt([float(sizes[n]) for n in names]), (steps.size, 1))
    gradients = run.parameter("grad_norm")
    out = np.full((steps.size, len(names)), np.nan)
    for column, parameter in enumerate(names):
        found = gradients.get(parameter)
        if found is not None:
            shared, mine, theirs = np.intersect1d(steps, found.steps, return_indices=True)
            out[mine[: shared.size], column] = found.values[theirs]
    return out


def _remedy(run: Run, batch: int) -> Remedy:
    lower = optimizer_code(run, lr_factor=0.3)
    size = Text("from {batch} to {batch_2} ", batch=batch, batch_2=8 * batch) if batch else ""
    grow = f"loader = DataLoader(dataset, batch_size={8 * batch}, shuffle=True)\n" if batch else ""
    rate = main_learning_rate(run)
    shown = "" if rate is None else Text(" to {rounded:g}", rounded=rounded(0.3 * float(rate.values.max())))
    return Remedy(
        Text(
            "Enlarge the batch {size}(or accumulate 8 of them), or lower the learning rate{shown}.",
            size=size,
            shown=shown,
        ),
        f"{grow}# or\n{lower}",
    )
