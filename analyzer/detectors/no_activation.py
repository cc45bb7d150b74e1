"""Layers that follow each other without an activation function between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..network import lacks_activation
from ..outcome import better_final_skill
from ..parameter_signals import matrices
from ..phrases import measured


@dataclass(frozen=True)
class NoActivation:
    """Reports a network of two layers or more that applies no activation function at all.

    Read off the autograd graph of the first training loss: apart from the loss function itself there are only
    matrix products, convolutions, sums, moves, pooling and normalisation. A warning where the run ended with
    a skill below `good_skill` in training and in validation; a note otherwise, and for a bottleneck, a layer
    narrower than what goes in and what comes out, which makes a low rank on purpose.

    Why it matters: linear layers in a row are one linear layer, however many there are. The model cannot
    learn more than a linear one, and trains worse.

    When it is wrong: linear models built from several layers on purpose, to study them.

    What to try: an activation after every layer but the last.

    Source: Goodfellow, Bengio and Courville 2016, section 6.1; the reading of the graph is ours.

    Example:
        >>> from traindoctor.run import NetworkInfo, ParameterInfo, RunInfo, Series
        >>> import numpy as np
        >>> network = NetworkInfo({"Addmm": 2, "T": 2, "MseLoss": 1}, ("MseLoss",))
        >>> layers = tuple(ParameterInfo(f"{i}.weight", (9, 9), "matrix", group="0") for i in range(2))
        >>> info = RunInfo(baseline=2.3, network=network, parameters=layers)
        >>> run = Run("r", "r", {"loss/train": Series(np.arange(100), np.full(100, 1.2))}, info=info)
        >>> [f.severity.value for f in NoActivation().check(run)]
        ['warning']
    """

    code: str = "TD214"
    name: str = "no-activation"
    needs: tuple[str, ...] = ()
    good_skill: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the operations of the network were not recorded, or not all of them.
        """
        network, layers = run.info.network, matrices(run)
        if network is None or not network.is_whole:
            raise NotAssessable(Text("the operations of the network were not recorded, or not all of them"))
        if len(layers) < 2 or not lacks_activation(run):
            return
        skill = better_final_skill(run)
        is_harmed = skill < self.good_skill and not has_bottleneck(run)
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING if is_harmed else Severity.INFO,
            0.95,
            0,
            max(0, run.n_steps - 1),
            Text(
                "There is no activation function between the {n} layers: together they are no more than one "
                "linear layer.",
                n=len(layers),
            ),
            *measured(
                {
                    "layers": (len(layers), "layers"),
                    "final skill": (skill, "share of the constant predictor's loss"),
                }
            ),
            Remedy(
                Text("Put an activation after every layer but the last."),
                "model = torch.nn.Sequential(first, torch.nn.ReLU(), second)",
            ),
        )


def has_bottleneck(run: Run) -> bool:
    """Whether a hidden layer is narrower than both the network's inputs and its outputs."""
    shapes = [info.shape for info in matrices(run) if len(info.shape) == 2]
    if len(shapes) < 2:
        return False
    ends = min(shapes[0][1], shapes[-1][0])
    return any(shape[0] < ends for shape in shapes[:-1])
