"""A weight decay that is stronger than the gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..decay import decay_strength, weight_decay
from ..optimizer_code import optimizer_code, rounded
from ..outcome import final_skill
from ..parameter_signals import is_dead_from_the_start, known_median, matrix_table
from ..phases import main_learning_rate
from ..phrases import confidence, measured

MIN_SAMPLES = 5
LOWER = 100.0


@dataclass(frozen=True)
class WeightDecayCollapse:
    """Reports a weight decay that pulls the weights to zero faster than the gradients can build them.

    The weights have shrunk when the median over the matrices of final / first root mean square is below
    `shrunk`. The decay must account for it: left alone it would have shrunk them by exp(-S), with S the sum
    over the steps of learning rate x decay (divided by 1 - momentum for SGD), and S is at least
    `strength`; where the decay goes through Adam's or RMSprop's normalisation, the pull decay x weight norm
    must be at least `pull` of the gradient norm instead (median over matrices and samples). With S of
    `overwhelming` and a skill below `no_skill` the weights need not have shrunk: they then forget within a
    twentieth of the run what they have learned. It counts when
    the run ended with a skill below `poor_skill`; critical below `no_skill`. Layers that were dead from the
    start are emptied by any decay, and are left to their own check.

    Why it matters: the network is pressed towards answering a constant. The loss sits where it would with no
    input at all, and no learning rate helps.

    When it is wrong: matrices in front of a normalisation may shrink without harm (then the loss is good, and
    nothing is said); pruning on purpose.

    What to try: a decay a hundred times lower, and none on biases and norms.

    Source: ours; the decay as in Loshchilov and Hutter 2019, and in torch's optimizers; the time scale of
    forgetting, 1 / (rate x decay), is that of Wang and Aitchison 2024.

    Example:
        >>> from traindoctor.run import OptimizerInfo, ParameterInfo, RunInfo, Series
        >>> steps = np.arange(1000)
        >>> sgd = OptimizerInfo("SGD", ({"label": "0", "lr": 0.1, "weight_decay": 0.5},))
        >>> info = RunInfo(baseline=1.0, optimizers=(sgd,), parameters=(
        ...     ParameterInfo("fc.weight", (9, 9), "matrix", group="0"),))
        >>> run = Run("r", "r", {"loss/train": Series(steps, np.ones(1000)),
        ...                      "lr/0": Series(steps, np.full(1000, 0.1))},
        ...           {"weight_rms": {"fc.weight": Series(steps, np.exp(-steps / 20))}}, info=info)
        >>> [f.severity.value for f in WeightDecayCollapse().check(run)]
        ['critical']
    """

    code: str = "TD206"
    name: str = "weight-decay-collapse"
    needs: tuple[str, ...] = ("lr/", "parameters:weight_rms")
    shrunk: float = 0.5
    strength: float = 1.0
    overwhelming: float = 20.0
    pull: float = 0.5
    poor_skill: float = 0.5
    no_skill: float = 0.1

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the optimizer's settings or enough samples of the weights were not recorded.
        """
        if not run.info.optimizers:
            raise NotAssessable(
                Text("the optimizer's settings, its weight decay among them, were not recorded")
            )
        decay = weight_decay(run)
        if decay <= 0.0:
            return
        sizes = matrix_table(run, "weight_rms")
        if sizes.steps.size < MIN_SAMPLES:
            raise NotAssessable(
                Text(
                    "only {size} samples of the weights; {min_samples} are needed",
                    size=sizes.steps.size,
                    min_samples=MIN_SAMPLES,
                )
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            course = sizes.values / sizes.values[0]
        left = float(known_median(course[-max(1, len(course) // 10) :]))
        skill = final_skill(run)
        strength, pull = decay_strength(run, decay), _pull(run, decay)
        is_overwhelming = strength >= self.overwhelming and skill < self.no_skill
        if not (left < self.shrunk or is_overwhelming) or not skill < self.poor_skill:
            return
        is_strong = strength >= self.strength if math.isfinite(strength) else pull >= self.pull
        if not is_strong or is_dead_from_the_start(run):
            return
        yield self._finding(run, decay, left, skill, strength, pull)

    def _finding(
        self, run: Run, decay: float, left: float, skill: float, strength: float, pull: float
    ) -> Finding:
        figures = {
            "weight decay": (decay, "1/step per learning rate"),
            "weights left": (left, "share of the initial rms"),
            "final skill": (skill, "share of the constant predictor's loss"),
        }
        if math.isfinite(strength):
            figures["decay over the run"] = (strength, Text("natural logarithms"))
        if math.isfinite(pull):
            figures["pull of the decay"] = (pull, Text("times the gradient norm"))
        lower = rounded(decay / LOWER, 2)
        evidence, units = measured(figures)
        trace = main_learning_rate(run)
        start = 0 if trace is None else int(trace.steps[0])
        return Finding(
            self.code,
            self.name,
            Severity.CRITICAL if skill < self.no_skill else Severity.WARNING,
            confidence(self.shrunk / max(left, 1e-6)),
            start,
            max(start, run.n_steps - 1),
            Text(
                "The weight decay of {decay:.3g} has won over the gradients: the weights are at "
                "{left:.2g} of their initial size at the end, and the training loss lost only "
                "{max:.0%} of the loss of a constant prediction.",
                decay=decay,
                left=left,
                max=max(skill, 0.0),
            ),
            evidence,
            units,
            Remedy(
                Text(
                    "Lower the weight decay from {decay:g} to {lower:g} and leave biases and norms out "
                    "of it.",
                    decay=decay,
                    lower=lower,
                ),
                optimizer_code(run, weight_decay=lower),
            ),
        )


def _pull(run: Run, decay: float) -> float:
    """Median over matrices and samples of decay x weight norm / gradient norm; NaN where not recorded."""
    try:
        weights, gradients = matrix_table(run, "weight_norm"), matrix_table(run, "grad_norm")
    except NotAssessable:
        return math.nan
    if weights.names != gradients.names:
        return math.nan
    _, mine, theirs = np.intersect1d(weights.steps, gradients.steps, return_indices=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = decay * weights.values[mine] / gradients.values[theirs]
    early = ratio[: max(5, len(ratio) // 3)]
    return float(known_median(early)) if early.size else math.nan
