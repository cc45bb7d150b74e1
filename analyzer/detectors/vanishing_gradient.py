"""Gradients that shrink on their way to the first layers, which then hardly move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..depth import depth_profile
from ..outcome import final_skill
from ..phrases import confidence


@dataclass(frozen=True)
class VanishingGradient:
    """Reports gradients that fall by orders of magnitude from the last layer to the first.

    For every sample the relative gradients log10(gradient norm / weight norm) of the weight matrices are
    fitted against their depth (Theil-Sen). They vanish when they fall backwards by `decades` or more over
    the depth in at least half of the samples, and the first quarter of the layers cannot follow: their
    updates add up, at the median pace, to less than `reach` of their weights over the whole run. With Adam
    and its kin small gradients still give full steps, so the second condition fails and nothing is
    reported. A note when the run ended with a skill of 0.5 or more.

    Why it matters: only the last layers learn, on top of random features.

    When it is wrong: layers that the task does not need; nets whose registration order is not their depth
    order.

    What to try: residual connections, normalisation, an initialisation that fits the activation, ReLU or GELU
    in place of sigmoid and tanh; Adam, which is blind to the scale of gradients.

    Source: ours; Glorot and Bengio 2010, section 4.2, describe the effect.

    Example:
        >>> from traindoctor.run import Series
        >>> steps = np.arange(0, 400, 10)
        >>> weights = {f"{i}.weight": Series(steps, np.ones(40)) for i in range(6)}
        >>> gradients = {f"{i}.weight": Series(steps, np.full(40, 10.0 ** (i - 6))) for i in range(6)}
        >>> ratios = {f"{i}.weight": Series(steps, np.full(40, 10.0 ** (i - 9))) for i in range(6)}
        >>> run = Run("r", "r", {}, {"weight_norm": weights, "grad_norm": gradients, "update_ratio": ratios})
        >>> [(round(f.evidence["decades"]), f.parameters[0]) for f in VanishingGradient().check(run)]
        [(5, '0.weight')]
    """

    code: str = "TD201"
    name: str = "vanishing-gradient"
    needs: tuple[str, ...] = ("parameters:grad_norm", "parameters:weight_norm", "parameters:update_ratio")
    decades: float = 3.0
    reach: float = 0.01

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: fewer than 4 matrices, or too few samples.
        """
        profile = depth_profile(run)
        rising = profile.decades >= self.decades
        if float(np.mean(rising)) < 0.5:
            return
        early = profile.names[: max(1, len(profile.names) // 4)]
        travelled = float(np.median(profile.pace[: len(early)])) * run.n_steps
        if travelled >= self.reach:
            return
        size = float(np.median(profile.decades))
        skill = final_skill(run)
        severity = Severity.WARNING if skill < 0.5 else Severity.INFO
        first = int(profile.steps[np.argmax(rising)])
        yield Finding(
            self.code,
            self.name,
            severity,
            confidence(size / self.decades),
            first,
            max(first, run.n_steps - 1),
            Text(
                "The gradients vanish: relative to the weights they shrink by {size:.1f} decades "
                "from the last of {n_names} layers to the first, and {early} moves by only "
                "{travelled:.2g} of its size over the whole run.",
                size=size,
                n_names=len(profile.names),
                early=early[0],
                travelled=travelled,
            ),
            {"decades": size, "layers": float(len(profile.names)), "way over the run": travelled},
            {"decades": "powers of ten", "layers": "matrices", "way over the run": Text("weight norms")},
            Remedy(
                Text(
                    "Put a normalisation before each activation or a residual connection around each "
                    "block, and initialise for the activation."
                ),
                "for module in model.modules():\n"
                "    if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):\n"
                '        torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")',
            ),
            parameters=early,
        )
