"""Momentum that averages gradients over more steps than the run has to spare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..momentum import first_momentum
from ..optimizer_code import optimizer_code
from ..outcome import better_final_skill
from ..phrases import confidence, measured, x_unit


@dataclass(frozen=True)
class LongMomentum:
    """Reports momentum so high that old gradients rule the run.

    Momentum m, or Adam's first beta, averages the gradients over about 1 / (1 - m) steps. That is more than
    `share` of the run, and the run ended with a skill below `good_skill` in training and in validation.

    Why it matters: the weights go on in a direction that the loss has long left; they swing around the
    minimum with a period of many steps, and SGD's steps are 1 / (1 - m) times the learning rate.

    When it is wrong: a loss that falls steadily in one direction, early in a long run that was cut short.

    What to try: 0.9. With SGD, multiply the learning rate by (1 - m) / 0.1 or more at the same time if the
    run was stable: that keeps the size of the steps.

    Source: Polyak 1964 for the method; the horizon is the mean age of the gradients in the average;
    thresholds are ours.

    Example:
        >>> from traindoctor.run import OptimizerInfo, RunInfo, Series
        >>> import numpy as np
        >>> steps, sgd = np.arange(400), OptimizerInfo("SGD", ({"label": "0", "lr": 0.1, "momentum": 0.998},))
        >>> series = {"loss/train": Series(steps, np.full(400, 1.2)), "lr/0": Series(steps, steps * 1e-3)}
        >>> run = Run("r", "r", series, info=RunInfo(baseline=2.3, optimizers=(sgd,)))
        >>> [(f.severity.value, round(f.evidence["averaging"])) for f in LongMomentum().check(run)]
        [('warning', 500)]
    """

    code: str = "TD308"
    name: str = "long-momentum"
    needs: tuple[str, ...] = ("lr/",)
    share: float = 0.2
    good_skill: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding."""
        momentum, skill = first_momentum(run), better_final_skill(run)
        if not 0.9 < momentum < 1.0 or run.info.x_unit != "optimizer steps":
            return
        horizon = 1.0 / (1.0 - momentum)
        if horizon <= self.share * run.n_steps or not skill < self.good_skill:
            return
        is_adam = "betas" in run.info.optimizers[0].groups[0]
        name = Text("first beta") if is_adam else Text("momentum")
        changed: dict[str, Any] = {"betas": (0.9, 0.999)} if is_adam else {"momentum": 0.9}
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(horizon / (self.share * run.n_steps)),
            0,
            max(0, run.n_steps - 1),
            Text(
                "A {name} of {momentum:g} averages the gradients over about {horizon:.0f} steps, {share:.0%} "
                "of the run's {n}: the weights follow gradients of long ago.",
                name=name,
                momentum=momentum,
                horizon=horizon,
                share=horizon / run.n_steps,
                n=run.n_steps,
            ),
            *measured(
                {
                    "momentum": (momentum, "fraction"),
                    "averaging": (horizon, x_unit(run)),
                    "final skill": (skill, "share of the constant predictor's loss"),
                }
            ),
            Remedy(Text("Set the {name} to 0.9.", name=name), optimizer_code(run, **changed)),
        )
