"""Weights that grow far too large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..optimizer_code import optimizer_code
from ..outcome import final_skill
from ..parameter_signals import matrices, matrix_table, theoretical_rms
from ..phrases import confidence, place, x_unit
from ..signal import mann_kendall_z

MIN_SAMPLES = 10


@dataclass(frozen=True)
class OversizedWeights:
    """Reports weight matrices that outgrow their scale.

    A matrix's yardstick is the larger of its root mean square at the first sample and torch's default initial
    one, 1 / sqrt(3 fan-in). It is oversized when it ended above `growth` times the yardstick, in the half of
    the run behind it still rose (Mann-Kendall, 1 %), and gained there at least a tenth. Cost decides the
    severity: a warning when the run ended with a skill below `poor_skill`, otherwise a note. A matrix that a
    normalisation layer follows can grow without effect and is only noted.

    Why it matters: large weights make sharp, over-confident predictions, saturate activations and blow up
    gradients; growth that goes on means nothing holds it.

    When it is wrong: separable data without weight decay, where the weights grow for ever, slowly and
    harmlessly; networks built with small initial weights in some layers.

    What to try: weight decay, a lower learning rate, clipping.

    Source: ours; thresholds from trials on small networks.

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
    poor_skill: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, which names every such matrix.

        Raises:
            NotAssessable: too few samples.
        """
        grown = self._grown(run)
        if grown:
            yield self._finding(run, grown)

    def _grown(self, run: Run) -> list[tuple[float, str, int]]:
        """For each matrix that outgrew its scale: times the scale, name, first step; largest first."""
        sizes = matrix_table(run, "weight_rms")
        if sizes.steps.size < MIN_SAMPLES:
            raise NotAssessable(
                Text(
                    "only {size} samples of the weights; {min_samples} are needed",
                    size=sizes.steps.size,
                    min_samples=MIN_SAMPLES,
                )
            )
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
        return sorted(grown, key=lambda item: (-item[0], item[1]))

    def _finding(self, run: Run, grown: list[tuple[float, str, int]]) -> Finding:
        times, name, _ = grown[0]
        first = min(step for _, _, step in grown)
        poor = final_skill(run) < self.poor_skill
        is_free = all(_is_normalised(run, item) for _, item, _ in grown)
        severity = Severity.WARNING if poor and not is_free else Severity.INFO
        more = Text("; it is one of {n_grown} such matrices", n_grown=len(grown)) if len(grown) > 1 else ""
        return Finding(
            self.code,
            self.name,
            severity,
            confidence(times / self.growth),
            first,
            max(first, run.n_steps - 1),
            Text(
                "The weights of {name} are oversized: they passed {growth:g} times their initial "
                "scale at {place}, ended at {times:.3g} times and still grow{more}.",
                name=name,
                growth=self.growth,
                place=place(run, first),
                times=times,
                more=more,
            ),
            {"since": float(first), "growth": times, "limit": self.growth, "matrices": float(len(grown))},
            {
                "since": x_unit(run),
                "growth": "times the initial scale",
                "limit": "times the initial scale",
                "matrices": "matrices",
            },
            Remedy(
                Text("Add weight decay, and lower the learning rate if the loss is unsteady."),
                optimizer_code(run, weight_decay=0.01),
            ),
            parameters=tuple(item for _, item, _ in grown),
        )


def _is_normalised(run: Run, name: str) -> bool:
    """Whether the next parameter that is no bias of the same module belongs to a normalisation layer."""
    module = name.rpartition(".")[0]
    infos = list(run.info.parameters)
    position = next((i for i, info in enumerate(infos) if info.name == name), len(infos))
    following = [info for info in infos[position + 1 :] if info.name.rpartition(".")[0] != module]
    return bool(following) and following[0].role == "norm"
