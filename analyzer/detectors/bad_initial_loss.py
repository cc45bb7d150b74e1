"""A first loss that an untrained model cannot have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN, MICRO_BATCHES
from traindoctor.run import Run
from traindoctor.text import Text

from ..outcome import better_final_skill, final_skill
from ..phrases import confidence, measured
from ..reference import CROSS_ENTROPIES, levels, training_curve

BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
EARLY = 0.05


@dataclass(frozen=True)
class BadInitialLoss:
    """Reports a loss before training that is far from what an untrained model should have.

    R0, the loss of a model that knows nothing, is ln C for a cross-entropy over C classes, ln 2 for a binary
    one, and the loss of the best constant answer, where the targets were seen, for a regression. The first
    training loss is too high above `high` R0, too low below `low` R0. Too high is a warning above `alarming`
    when the loss is not back at R0 within the first 5 % of the steps and the run ended with a skill below
    `poor_skill`; a note otherwise, and when it is too low. A regression whose targets spread by more than
    `wide` (the root of B0 for a squared error, the first loss for an absolute one) is a warning when the run
    ended with a skill below `fair_skill` in training and in validation.

    Why it matters: a first loss of several R0 means outputs of the wrong scale: confident nonsense that must
    be unlearned first. A first loss far below R0 means that the model has seen these labels, or that the loss
    is not what it is taken for.

    When it is wrong: training that continues from a checkpoint, or fine-tuning, starts low; a loss with
    weights, smoothing or several terms has another R0.

    What to try: inputs and targets of mean 0 and deviation 1; a last layer that starts small; its bias at the
    frequencies of the classes or the mean of the targets.

    Source: Karpathy, A recipe for training neural networks (verify the loss at init); factors are ours.

    Example:
        >>> steps = np.arange(400)
        >>> info = RunInfo(n_classes=10, loss_name="cross_entropy", baseline=2.3)
        >>> run = Run("r", "r", {"loss/train": Series(steps, 90.0 * np.exp(-steps / 300))}, info=info)
        >>> [(f.severity.value, round(f.evidence["times that"])) for f in BadInitialLoss().check(run)]
        [('warning', 39)]
    """

    code: str = "TD110"
    name: str = "bad-initial-loss"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    high: float = 3.0
    alarming: float = 5.0
    wide: float = 30.0
    low: float = 0.5
    poor_skill: float = 0.8
    fair_skill: float = 0.85

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few losses, no progress signal, the first step is not in the log, or nothing is
                known of the targets.
        """
        first = first_loss(run)
        spread = target_spread(run, first)
        if math.isfinite(first) and spread > self.wide and better_final_skill(run) < self.fair_skill:
            yield self._of_targets(first, spread)
            return
        curve = training_curve(run)
        if run.info.x_unit != "optimizer steps" or int(curve.steps[0]) > 0:
            raise NotAssessable(Text("the first loss, of the untrained model alone, was not recorded"))
        untrained = untrained_loss(run)
        if not untrained > 0.0:
            raise NotAssessable(
                Text(
                    "the loss of an untrained model is unknown: neither the labels nor the number of "
                    "classes were seen"
                )
            )
        first = float(curve.values[0])
        ratio = first / untrained
        if self.low <= ratio <= self.high:
            return
        accumulated = run.get(MICRO_BATCHES)
        if ratio < self.low and accumulated is not None and accumulated.values[0] > 1.0:
            raise NotAssessable(Text("the loss may be divided by the number of accumulated batches"))
        back = np.flatnonzero(curve.values <= untrained)
        recovered = int(curve.steps[back[0]]) if back.size else -1
        is_slow = recovered < 0 or recovered > EARLY * run.n_steps
        # Units that died at once also bring the loss back, to where a constant answer is.
        is_harmed = is_slow or better_final_skill(run) < 0.1
        is_bad = ratio > self.alarming and is_harmed and not final_skill(run) >= self.poor_skill
        yield self._finding(first, untrained, recovered, is_bad)

    def _of_targets(self, first: float, spread: float) -> Finding:
        return Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(spread / self.wide),
            0,
            0,
            Text(
                "The first loss is {first:.4g} because the targets spread by {spread:.3g}: a new model "
                "answers near 0, its weights must grow that much first, and its gradients are that large.",
                first=first,
                spread=spread,
            ),
            *measured({"first loss": (first, "loss units"), "target spread": (spread, "target units")}),
            Remedy(
                Text("Scale the targets to mean 0 and deviation 1, and the answers back."),
                "mean, std = y_train.mean(dim=0), y_train.std(dim=0)\n"
                "y_train = (y_train - mean) / std  # and answers * std + mean",
            ),
        )

    def _finding(self, first: float, untrained: float, recovered: int, is_bad: bool) -> Finding:
        ratio = first / untrained
        figures = {
            "first loss": (first, "loss units"),
            "untrained model": (untrained, "loss units"),
            "times that": (ratio, "times"),
        }
        if ratio > 1.0:
            after = Text(" The loss never came down to that.")
            if recovered >= 0:
                figures["back at"] = (recovered, "steps")
                after = Text(" It was back there at step {recovered}.", recovered=recovered)
            remedy = Remedy(
                Text(
                    "Scale the inputs and targets to mean 0 and deviation 1, and let the last layer "
                    "start small."
                ),
                "last = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]\n"
                "torch.nn.init.normal_(last.weight, std=0.01)\ntorch.nn.init.zeros_(last.bias)",
            )
        else:
            after = Text(" A model that continues a training starts so low; one that is new cannot.")
            remedy = Remedy(
                Text(
                    "If the model is new, look for labels among its inputs and for terms missing from "
                    "the loss."
                )
            )
        evidence, units = measured(figures)
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_bad else Severity.INFO,
            confidence(ratio / self.high if ratio > 1.0 else self.low / max(ratio, 1e-3)),
            0,
            max(recovered, 0),
            Text(
                "The first loss, {first:.4g}, is too {word}: an untrained model should have "
                "{untrained:.4g}.{after}",
                first=first,
                word=Text("high") if ratio > 1.0 else Text("low"),
                untrained=untrained,
                after=after,
            ),
            evidence,
            units,
            remedy,
        )


def untrained_loss(run: Run) -> float:
    """Loss of a model that knows nothing (R0), loss units; NaN where it is unknown."""
    name, n_classes = run.info.loss_name, run.info.n_classes
    if name in CROSS_ENTROPIES and n_classes > 1:
        return math.log(n_classes)
    if name in BINARY:
        return math.log(2.0)
    level = levels(run)
    return level.baseline if level.baseline_known and "loss" in name else math.nan


def first_loss(run: Run) -> float:
    """Training loss of step 0; NaN where it was not recorded, or is no progress signal."""
    losses = run.series[LOSS_TRAIN]
    is_known = run.info.loss_role == "progress" and run.info.x_unit == "optimizer steps"
    return float(losses.values[0]) if is_known and len(losses) and losses.steps[0] == 0 else math.nan


def target_spread(run: Run, first_loss: float) -> float:
    """Standard deviation of a regression's targets, or their mean distance from 0; NaN for other losses."""
    loss, known = run.info.loss_name, run.info.baseline
    if loss == "mse_loss":
        return math.sqrt(max(known if math.isfinite(known) else first_loss, 0.0))
    return first_loss if loss in ("l1_loss", "smooth_l1_loss", "huber_loss") else math.nan
