"""Weights that shrink until they carry no signal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..decay import weight_decay
from ..optimizer_code import optimizer_code, rounded
from ..outcome import final_skill
from ..parameter_signals import Table, is_dead_from_the_start, matrices, matrix_table, theoretical_rms
from ..phases import phases
from ..phrases import confidence, place, x_unit

MIN_SAMPLES = 5


@dataclass(frozen=True)
class UndersizedWeights:
    """Reports weight matrices that shrank to almost nothing.

    A matrix is undersized when its root mean square ended below `share` of the smaller of its first one and
    torch's default initial one, 1 / sqrt(3 fan-in). Under AdamW's decoupled decay weights settle near
    sqrt(lr / (2 decay)); what lies above a third of that is not reported. The finding needs half of the
    matrices; it is a warning when the run ended with a skill below 0.5, critical below 0.1, else a note;
    also a note where a layer was dead from the start, since decay empties what no gradient feeds.

    Why it matters: a layer whose weights are near zero passes no signal forward and no gradient back; the
    network predicts a constant. The usual cause is a weight decay that outweighs the gradient.

    When it is wrong: pruning and sparsity penalties; scale-free layers before a normalisation, which work at
    any size.

    What to try: a smaller weight decay, none on biases and norms.

    Source: ours; the equilibrium sqrt(lr / (2 decay)) follows from updates of size lr against a shrinkage of
    lr times decay per step.

    Example:
        >>> from traindoctor.run import ParameterInfo, RunInfo, Series
        >>> steps = np.arange(0, 1000, 20)
        >>> rms = {"fc.weight": Series(steps, 0.06 * 0.8 ** np.arange(50))}
        >>> info = RunInfo(parameters=(ParameterInfo("fc.weight", (10, 100), "matrix"),))
        >>> run = Run("r", "r", {}, {"weight_rms": rms}, info=info)
        >>> [f.parameters for f in UndersizedWeights().check(run)]
        [('fc.weight',)]
    """

    code: str = "TD205"
    name: str = "undersized-weights"
    needs: tuple[str, ...] = ("parameters:weight_rms",)
    share: float = 0.1
    poor_skill: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few samples.
        """
        sizes = matrix_table(run, "weight_rms")
        if sizes.steps.size < MIN_SAMPLES:
            raise NotAssessable(
                Text(
                    "only {size} samples of the weights; {min_samples} are needed",
                    size=sizes.steps.size,
                    min_samples=MIN_SAMPLES,
                )
            )
        small = self._small(run, sizes)
        if not small or 2 * len(small) < len(sizes.names):
            return
        yield self._finding(run, sizes, sorted(small))

    def _small(self, run: Run, sizes: Table) -> list[tuple[float, str]]:
        """For each undersized matrix: share of the yardstick left, name."""
        shapes = {info.name: info for info in matrices(run)}
        floor = decay_equilibrium(run) / 3.0
        found: list[tuple[float, str]] = []
        for name in sizes.names:
            values = sizes.column(name)
            values = values[np.isfinite(values)]
            default = theoretical_rms(shapes[name])
            if values.size < MIN_SAMPLES or values[0] <= 0.0:
                continue
            end = float(np.median(values[-max(1, values.size // 10) :]))
            yardstick = float(np.fmin(values[0], default))
            if end < self.share * yardstick and not end >= floor:
                found.append((end / yardstick, name))
        return found

    def _finding(self, run: Run, sizes: Table, small: list[tuple[float, str]]) -> Finding:
        left, name = small[0]
        column = sizes.column(name)
        below = np.nan_to_num(column, nan=np.inf) < self.share * column[np.isfinite(column)][0]
        first = int(sizes.steps[np.argmax(below)])
        skill = final_skill(run)
        severity = Severity.WARNING if skill < self.poor_skill else Severity.INFO
        severity = Severity.CRITICAL if skill < 0.1 else severity
        if is_dead_from_the_start(run):
            severity = Severity.INFO  # decay empties what no gradient feeds: a symptom
        evidence = {
            "since": float(first),
            "share left": left,
            "matrices": float(len(small)),
            "of": float(len(sizes.names)),
        }
        units = {
            "since": x_unit(run),
            "share left": Text("fraction of the usual rms"),
            "matrices": "matrices",
            "of": "matrices",
        }
        decay = weight_decay(run)
        if decay > 0.0:
            evidence["weight decay"], units["weight decay"] = decay, Text("1/step per learning rate")
        return Finding(
            self.code,
            self.name,
            severity,
            confidence(self.share / max(left, 1e-9)),
            first,
            max(first, run.n_steps - 1),
            Text(
                "The weights of {name} are undersized since {place}: {left:.2g} of their usual scale "
                "is left at the end, and {n_small} of {n_names} matrices are like it.",
                name=name,
                place=place(run, first),
                left=left,
                n_small=len(small),
                n_names=len(sizes.names),
            ),
            evidence,
            units,
            _remedy(run, decay),
            parameters=tuple(item for _, item in small),
        )


def decay_equilibrium(run: Run) -> float:
    """Root mean square at which AdamW's steps and its decay balance, sqrt(lr / (2 decay)); inf otherwise."""
    found, decay = phases(run), weight_decay(run)
    is_adamw = bool(run.info.optimizers) and run.info.optimizers[0].name == "AdamW"
    if not is_adamw or found is None or decay <= 0.0:
        return math.inf
    return math.sqrt(found.peak / (2.0 * decay))


def _remedy(run: Run, decay: float) -> Remedy:
    if decay <= 0.0:
        return Remedy(Text("Look for a penalty in the loss, or other code, that shrinks the weights."))
    lower = rounded(decay / 100.0, 2)
    return Remedy(
        Text(
            "Lower the weight decay from {decay:g} to {lower:g} and leave biases and norms out of it.",
            decay=decay,
            lower=lower,
        ),
        optimizer_code(run, weight_decay=lower),
    )
