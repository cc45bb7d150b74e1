"""A batch of a few samples, whose gradients are mostly noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import BATCH_SIZE, LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text, counted

from ..outcome import held_out_skill
from ..phrases import confidence, measured
from ..reference import training_curve
from ..undivided import known_levels

DENSE = ("Embedding", "EmbeddingBag", "NllLoss2D")
"""Operations of networks that answer for many places of one sample: tokens, pixels."""


@dataclass(frozen=True)
class TinyBatch:
    """Reports steps that are taken on a few samples each, in a run that ended in their noise.

    A step sees at most `few` samples, accumulated batches included; single losses scatter around the curve by
    more than `noise` of B0; and the run ended with a skill below `good_skill` in validation (in training
    where nothing was held out). Only where each sample has one answer: the network has neither tokens nor
    pixels to answer for, of which one sample holds many.

    Why it matters: the gradient of a few samples points mostly elsewhere. A learning rate that is right for a
    usual batch then throws the weights about, and batch normalisation normalises by two or three values.

    When it is wrong: samples that hold many answers each in a way that the graph does not show.

    What to try: 16 samples or more per step, accumulated where memory is short; or a learning rate lower by
    the square root of the ratio.

    Source: ours; the noise of a gradient falls with the square root of the batch (McCandlish et al. 2018,
    equation 2.6).

    Example:
        >>> from traindoctor.run import NetworkInfo, RunInfo, Series
        >>> steps = np.arange(600)
        >>> info = RunInfo(baseline=2.3, network=NetworkInfo({"Addmm": 2, "Relu": 1}), batch_size=2)
        >>> losses = 1.2 + 0.6 * np.random.default_rng(0).normal(size=600)
        >>> run = Run("r", "r", {"loss/train": Series(steps, losses)}, info=info)
        >>> [(f.severity.value, f.evidence["samples per step"]) for f in TinyBatch().check(run)]
        [('warning', 2.0)]
    """

    code: str = "TD215"
    name: str = "tiny-batch"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    few: int = 4
    noise: float = 0.1
    good_skill: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the size of the batches, the labels or the operations of the network are unknown.
        """
        samples = samples_per_step(run)
        if not samples:
            raise NotAssessable(Text("the batch size was not recorded"))
        if samples > self.few:
            return
        network, level = run.info.network, known_levels(run)
        if network is None:
            raise NotAssessable(Text("whether a sample has one answer or many was not recorded"))
        if any(kind in network.operations for kind in DENSE):
            return
        if "Convolution" in network.operations and not level.baseline_known:
            raise NotAssessable(
                Text("whether an image has one answer or one for each pixel was not recorded")
            )
        noise = training_curve(run).noise / level.baseline
        skill = held_out_skill(run)
        if not (noise > self.noise and skill < self.good_skill):
            return
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(noise / self.noise),
            0,
            max(0, run.n_steps - 1),
            counted(
                "Each step sees {n} sample: single losses scatter by {noise:.0%} of the loss of a constant "
                "answer, and the gradients with them.",
                "Each step sees {n} samples: single losses scatter by {noise:.0%} of the loss of a constant "
                "answer, and the gradients with them.",
                samples,
                noise=noise,
            ),
            *measured(
                {
                    "samples per step": (samples, "samples"),
                    "noise of single losses": (noise, "share of the constant predictor's loss"),
                    "final skill": (skill, "share of the constant predictor's loss"),
                }
            ),
            Remedy(
                Text("Take 32 samples per step, or add up the gradients of as many."),
                "loader = DataLoader(dataset, batch_size=32, shuffle=True)",
            ),
        )


def samples_per_step(run: Run) -> int:
    """Median number of samples that an optimizer step sees; 0 when it is unknown."""
    recorded = run.get(BATCH_SIZE)
    sizes = np.empty(0) if recorded is None else recorded.finite().values
    return round(float(np.median(sizes))) if sizes.size else run.info.batch_size
