"""Weights that are, or grow, far too large."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run

from ..optimizer_code import optimizer_code
from ..outcome import final_skill
from ..parameter_signals import known_median, matrices, matrix_table, theoretical_rms
from ..phrases import confidence, place, x_unit
from ..reference import levels, training_curve
from ..signal import mann_kendall_z

MIN_SAMPLES = 10
HE = math.sqrt(6.0)
"""He's initial rms, sqrt(2 / fan-in), over torch's default, 1 / sqrt(3 fan-in)."""


@dataclass(frozen=True)
class OversizedWeights:
    """Reports weight matrices that start far too large or outgrow their scale.

    A matrix's yardstick is the larger of its root mean square at the first sample and torch's default
    initial one, 1 / sqrt(3 fan-in). It is oversized when it ended above `growth` times the yardstick, in
    the half of the run behind it still rose (Mann-Kendall, 1 %), and gained there at least a tenth. All
    matrices together start oversized when the geometric mean of their first rms over He's sqrt(2 / fan-in)
    exceeds `start`. Cost decides the severity: a warning when the run ended with a skill below 0.5 or,
    having started oversized, with a first loss above three times the constant predictor's; otherwise a
    note. A matrix that a normalisation layer follows can grow without effect and is only noted.

    Why it matters: large weights make sharp, over-confident predictions, saturate activations and blow up
    gradients; growth that goes on means nothing holds it.

    When it is wrong: separable data without weight decay, where the weights grow for ever, slowly and
    harmlessly; networks built with small initial weights in some layers.

    What to try: weight decay, a lower learning rate, clipping; an initialisation that fits the width.

    Source: ours; He et al. 2015, equation 10, for the initial scale.

    Example:
        >>> from traindoctor.run import ParameterInfo, RunInfo, Series
        >>> steps = np.arange(0, 1000, 20)
        >>> rms = {"fc.weight": Series(steps, 0.1 * 1.08 ** np.arange(50))}
        >>> info = RunInfo(parameters=(ParameterInfo("fc.weight", (10, 100), "matrix"),))
        >>> [(f.severity.value, f.parameters) for f in OversizedWeights().check(
        ...     Run("r", "r", {}, {"weight_rms": rms}, info=info))]
        [('info', ('fc.weight',))]
    """

    code: str = "TD204"
    name: str = "oversized-weights"
    needs: tuple[str, ...] = ("parameters:weight_rms",)
    growth: float = 10.0
    start: float = 3.0
    poor_skill: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding: oversized from the start, else outgrown."""
        found = self._at_start(run) or self._outgrown(run)
        if found is not None:
            yield found

    def _at_start(self, run: Run) -> Finding | None:
        sizes = matrix_table(run, "weight_rms")
        shapes = {info.name: theoretical_rms(info) * HE for info in matrices(run)}
        relative = np.array([sizes.values[0, i] / shapes[name] for i, name in enumerate(sizes.names)])
        known = np.isfinite(relative) & (relative > 0.0)
        # After the first steps the size is the learning rate's doing, not the initialisation's.
        if not known.any() or int(sizes.steps[0]) > 0 or _moved_at_once(run):
            return None
        mean = float(np.exp(np.log(relative[known]).mean()))
        if mean <= self.start:
            return None
        excess = _first_loss_excess(run)
        severity = Severity.WARNING if excess > 3.0 or final_skill(run) < self.poor_skill else Severity.INFO
        worst = [sizes.names[int(i)] for i in np.argsort(-np.where(known, relative, 0.0), kind="stable")]
        evidence, units = {"times He's": mean}, {"times He's": "times sqrt(2 / fan-in)"}
        tail = ""
        if math.isfinite(excess):
            evidence["first loss"], units["first loss"] = excess, "times B0"
            tail = f" The first loss was {excess:.3g} times that of a constant prediction."
        return Finding(
            self.code, self.name, severity, confidence(mean / self.start), 0, max(0, run.n_steps - 1),
            f"The weights are oversized from the start: on average {mean:.3g} times the scale that keeps "
            f"activations steady (He's sqrt(2 / fan-in)).{tail}",
            evidence, units,
            Remedy(
                "Initialise the weights for their width.",
                "for module in model.modules():\n"
                "    if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):\n"
                "        torch.nn.init.kaiming_normal_(module.weight, nonlinearity=\"relu\")",
            ),
            parameters=tuple(worst),
        )

    def _outgrown(self, run: Run) -> Finding | None:
        sizes = matrix_table(run, "weight_rms")
        if sizes.steps.size < MIN_SAMPLES:
            raise NotAssessable(f"only {sizes.steps.size} samples of the weights; {MIN_SAMPLES} are needed")
        shapes = {info.name: info for info in matrices(run)}
        grown: list[tuple[float, str, int]] = []
        for name in sizes.names:
            column = sizes.column(name)
            steps, values = sizes.steps[np.isfinite(column)], column[np.isfinite(column)]
            if values.size < MIN_SAMPLES:
                continue
            yardstick = float(np.fmax(values[0], theoretical_rms(shapes[name])))
            half = values[steps >= 0.5 * steps[-1]]
            still_rises = half.size >= 3 and mann_kendall_z(half) > 2.33 and half[-1] >= 1.1 * half[0]
            if yardstick > 0.0 and values[-1] > self.growth * yardstick and still_rises:
                first = int(steps[np.argmax(values > self.growth * yardstick)])
                grown.append((float(values[-1]) / yardstick, name, first))
        if not grown:
            return None
        grown.sort(key=lambda item: (-item[0], item[1]))
        return self._outgrown_finding(run, grown)

    def _outgrown_finding(self, run: Run, grown: list[tuple[float, str, int]]) -> Finding:
        times, name, _ = grown[0]
        first = min(step for _, _, step in grown)
        poor = final_skill(run) < self.poor_skill
        is_free = all(_is_normalised(run, item) for _, item, _ in grown)
        severity = Severity.WARNING if poor and not is_free else Severity.INFO
        more = f"; it is one of {len(grown)} such matrices" if len(grown) > 1 else ""
        return Finding(
            self.code, self.name, severity, confidence(times / self.growth),
            first, max(first, run.n_steps - 1),
            f"The weights of {name} are oversized: they passed {self.growth:g} times their initial scale at "
            f"{place(run, first)}, ended at {times:.3g} times and still grow{more}.",
            {
                "since": float(first), "growth": times, "limit": self.growth, "matrices": float(len(grown)),
            },
            {
                "since": x_unit(run), "growth": "times the initial scale", "limit": "times the initial scale",
                "matrices": "matrices",
            },
            Remedy(
                "Add weight decay, and lower the learning rate if the loss is unsteady.",
                optimizer_code(run, weight_decay=0.01),
            ),
            parameters=tuple(item for _, item, _ in grown),
        )


def _moved_at_once(run: Run) -> bool:
    """Whether the very first step changed the matrices by more than half their size."""
    try:
        firsts = matrix_table(run, "update_ratio").values[0]
    except NotAssessable:
        return False
    return not float(known_median(firsts)) < 0.5


def _first_loss_excess(run: Run) -> float:
    """First training loss over B0; NaN when either is unknown."""
    try:
        known = levels(run)
        first = float(training_curve(run).values[0])
    except NotAssessable:
        return math.nan
    return first / known.baseline if known.baseline_known and known.baseline > 0.0 else math.nan


def _is_normalised(run: Run, name: str) -> bool:
    """Whether the next parameter that is no bias of the same module belongs to a normalisation layer."""
    module = name.rpartition(".")[0]
    infos = list(run.info.parameters)
    position = next((i for i, info in enumerate(infos) if info.name == name), len(infos))
    following = [info for info in infos[position + 1 :] if info.name.rpartition(".")[0] != module]
    return bool(following) and following[0].role == "norm"
