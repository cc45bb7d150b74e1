"""Dropout that leaves too little of the signal to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..network import strongest_dropout
from ..outcome import better_final_skill
from ..phrases import confidence, measured


@dataclass(frozen=True)
class ExcessDropout:
    """Reports dropout of a probability at which hardly anything gets through.

    The largest probability among the dropout modules that were training exceeds `most`, and the run ended
    with a skill below `good_skill` in training and in validation.

    Why it matters: with a probability p the noise of a unit's output has p / (1 - p) times the power of its
    signal: as much at 0.5, nine times as much at 0.9. The loss then stays high whatever the learning rate.

    When it is wrong: very wide layers, or inputs that say everything many times over, stand more.

    What to try: 0.1 to 0.3 between layers, 0.5 at most before the last one.

    Source: Srivastava et al. 2014, sections 7.3 (0.5 to 0.8 of the units kept) and 9.3 (the noise's
    variance); the threshold is ours.

    Example:
        >>> from traindoctor.run import NetworkInfo, RunInfo, Series
        >>> import numpy as np
        >>> info = RunInfo(baseline=2.3, network=NetworkInfo({"Addmm": 2, "Relu": 1}, dropouts=(0.9,)))
        >>> run = Run("r", "r", {"loss/train": Series(np.arange(100), np.full(100, 2.0))}, info=info)
        >>> [f.severity.value for f in ExcessDropout().check(run)]
        ['warning']
    """

    code: str = "TD410"
    name: str = "excess-dropout"
    needs: tuple[str, ...] = ()
    most: float = 0.7
    good_skill: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the modules of the network were not recorded.
        """
        if run.info.network is None:
            raise NotAssessable(Text("the operations of the network were not recorded"))
        rate, skill = strongest_dropout(run), better_final_skill(run)
        if rate <= self.most or not skill < self.good_skill:
            return
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(rate / self.most),
            0,
            max(0, run.n_steps - 1),
            Text(
                "Dropout of {rate:g} leaves {kept:.0%} of the units to learn from; the noise it adds is "
                "{times:.2g} times the signal.",
                rate=rate,
                kept=1.0 - rate,
                times=rate / (1.0 - rate) if rate < 1.0 else float("inf"),
            ),
            *measured(
                {
                    "dropout": (rate, "probability"),
                    "final skill": (skill, "share of the constant predictor's loss"),
                }
            ),
            Remedy(
                Text("Lower the dropout to 0.1 to 0.3."),
                "for module in model.modules():\n"
                "    if isinstance(module, torch.nn.Dropout):\n"
                "        module.p = 0.2",
            ),
        )
