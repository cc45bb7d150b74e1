"""Weights or inputs at a scale at which nothing can be learned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..input_signals import has_zero_inputs, input_scale
from ..outcome import better_final_skill, final_skill, held_out_skill
from ..parameter_signals import initial_rms, known_median, matrices, matrix_table, theoretical_rms
from ..phrases import confidence
from ..reference import levels, training_curve
from ..undivided import uniform_loss


@dataclass(frozen=True)
class BadInitialisation:
    """Reports initial weights, or inputs, whose scale is far from what the layers are made for.

    The scale s is the geometric mean, over the weight matrices, of the root mean square before the first step
    (after it, where it changed the weights by less than half) divided by torch's default one,
    1 / sqrt(3 fan-in); He's initialisation has s = 2.4, Xavier's about 1.7. Weights are too large above
    `large`, too small below `small` (matrices that start at zero, or near it, are left out unless all do). It
    must have cost something: the run ended with a skill below `poor_skill` (below `fair_skill`, in training
    and in validation, where s is `extreme` times beyond these bounds, where no common recipe is), or large
    weights made the first loss more than `excess` times that of the constant predictor, or of a uniform
    answer where that is unknown.

    The inputs are not recorded; their scale is told by the first layer's gradients, as |dL/dW| / (|dL/db|
    sqrt(fan-in)), which is near 1 for inputs of unit scale. Above `largest_input` that is a note, and a
    warning where the run ended with a skill below `fair_skill` in validation. A first matrix
    whose gradient is exactly zero at every sample, though its bias has one, sees nothing but zeros.

    Why it matters: the scale of the signal is multiplied layer by layer. A factor of 5 too large saturates
    units and gives huge, erratic gradients; a factor of 10 too small leaves neither signal nor gradient.

    When it is wrong: networks that normalise after every layer forgive any scale (they end with skill, so
    nothing is said); parametrisations that scale inside the forward pass.

    What to try: the initialisation made for the activation, He's for ReLU, Xavier's for tanh; inputs of unit
    scale.

    Source: He et al. 2015, equation 10; Glorot and Bengio 2010, equation 16; thresholds are ours.

    Example:
        >>> from traindoctor.run import ParameterInfo, RunInfo, Series
        >>> steps = np.arange(100)
        >>> info = RunInfo(baseline=1.0, parameters=(ParameterInfo("fc.weight", (10, 300), "matrix"),))
        >>> run = Run("r", "r", {"loss/train": Series(steps, np.linspace(9, 8, 100))}, {
        ...     "weight_rms": {"fc.weight": Series(steps, np.ones(100))}}, info=info)
        >>> [round(f.evidence["initial scale"]) for f in BadInitialisation().check(run)]
        [30]
    """

    code: str = "TD211"
    name: str = "bad-initialisation"
    needs: tuple[str, ...] = ("parameters:weight_rms",)
    large: float = 7.5
    small: float = 0.15
    excess: float = 3.0
    poor_skill: float = 0.5
    largest_input: float = 20.0
    extreme: float = 5.0
    fair_skill: float = 0.85

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding about the inputs and one about the weights.

        Raises:
            NotAssessable: the first step was not recorded, or it changed the weights too much to tell.
        """
        yield from self._of_inputs(run)
        sizes = matrix_table(run, "weight_rms")
        if int(sizes.steps[0]) > 0:
            raise NotAssessable(Text("the weights of the first step were not recorded"))
        if _moved_at_once(run):
            raise NotAssessable(Text("the first step changed the weights by more than half their size"))
        infos = {info.name: info for info in matrices(run)}
        relative = np.array([initial_rms(run, infos[n]) / theoretical_rms(infos[n]) for n in sizes.names])
        known = relative[np.isfinite(relative) & (relative > 1e-4)]
        if not known.size:
            return
        scale = float(np.exp(np.log(known).mean()))
        is_large = scale > self.large
        if not (is_large or scale < self.small) or not self._has_cost(run, scale, is_large):
            return
        worst = np.argsort(-np.abs(np.log(np.where(relative > 0.0, relative, 1.0))), kind="stable")
        yield self._finding(run, scale, _first_loss_excess(run), [sizes.names[int(i)] for i in worst])

    def _has_cost(self, run: Run, scale: float, is_large: bool) -> bool:
        if is_large and _first_loss_excess(run) > self.excess:
            return True
        if final_skill(run) < self.poor_skill:
            return True
        is_extreme = not self.small / self.extreme <= scale <= self.large * self.extreme
        return is_extreme and better_final_skill(run) < self.fair_skill

    def _of_inputs(self, run: Run) -> Iterator[Finding]:
        scale, is_zero = input_scale(run), has_zero_inputs(run)
        if not (is_zero or scale > self.largest_input):
            return
        skill = held_out_skill(run)
        poor = Severity.CRITICAL if skill < 0.1 else Severity.WARNING
        message = Text(
            "The first layer sees nothing but zeros: the gradient of its matrix was exactly 0 at every "
            "sample, while what comes after it had one."
        )
        if not is_zero:
            message = Text(
                "The inputs are too large: the first layer's gradients tell a scale of {scale:.3g}, and "
                "layers are made for 1.",
                scale=scale,
            )
        yield Finding(
            self.code,
            self.name,
            poor if skill < self.fair_skill else Severity.INFO,
            0.95 if is_zero else confidence(scale / self.largest_input),
            0,
            max(0, run.n_steps - 1),
            message,
            {"input scale": 0.0 if is_zero else scale, "final skill": skill},
            {"input scale": "times 1", "final skill": "share of the constant predictor's loss"},
            Remedy(
                Text("Scale the inputs to mean 0 and deviation 1, with the training set's numbers."),
                "mean, std = x_train.mean(dim=0), x_train.std(dim=0) + 1e-8\n"
                "x_train, x_validation = (x_train - mean) / std, (x_validation - mean) / std\n"
                "print(x_train.abs().max())",
            ),
        )

    def _finding(self, run: Run, scale: float, first_loss: float, worst: list[str]) -> Finding:
        is_large = scale > self.large
        evidence, units = {"initial scale": scale}, {"initial scale": "times 1 / sqrt(3 fan-in)"}
        tail = ""
        if math.isfinite(first_loss):
            evidence["first loss"], units["first loss"] = first_loss, "times the constant predictor's loss"
            tail = Text(
                " The first loss was {first_loss:.3g} times that of a constant prediction.",
                first_loss=first_loss,
            )
        severity = Severity.CRITICAL if final_skill(run) < 0.1 else Severity.WARNING
        margin = scale / self.large if is_large else self.small / scale
        return Finding(
            self.code,
            self.name,
            severity,
            confidence(margin),
            0,
            max(0, run.n_steps - 1),
            Text(
                "The weights start too {word}: on average at {scale:.3g} times the scale of torch's "
                "default initialisation.{tail}",
                word=Text("large") if is_large else Text("small"),
                scale=scale,
                tail=tail,
            ),
            evidence,
            units,
            Remedy(
                Text(
                    "Initialise the weights for their width, and scale the inputs to mean 0 and deviation 1."
                ),
                "for module in model.modules():\n"
                "    if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):\n"
                '        torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")',
            ),
            parameters=tuple(worst),
        )


def _moved_at_once(run: Run) -> bool:
    """Whether the first step changed the matrices by more than half their size, and from what is unknown."""
    if run.parameter("update_norm"):
        return False
    try:
        firsts = matrix_table(run, "update_ratio").values[0]
    except NotAssessable:
        return False
    return float(known_median(firsts)) >= 0.5


def _first_loss_excess(run: Run) -> float:
    """First training loss over B0, or over a uniform answer's where B0 is unknown; NaN when both are."""
    try:
        known = levels(run)
        first = float(training_curve(run).values[0])
    except NotAssessable:
        return math.nan
    baseline = known.baseline if known.baseline_known else uniform_loss(run)
    return first / baseline if baseline > 0.0 else math.nan
