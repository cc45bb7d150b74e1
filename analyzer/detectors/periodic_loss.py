"""A training loss that falls in steps at the ends of the epochs: the data are memorised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import EPOCH, LOSS_TRAIN
from traindoctor.run import Ints, Run
from traindoctor.text import Text

from ..data_order import PositionEffect, position_effect
from ..outcome import validation_skill
from ..phrases import confidence, measured, place, x_unit
from ..reference import Curve, training_curve
from ..signal import noise_sd


@dataclass(frozen=True)
class PeriodicLoss:
    """Reports a training loss that drops at the beginning of epochs and hardly falls within them.

    Needs the epoch of each loss and at least `least_points` losses in each epoch. A drop is the median of
    the last losses of an epoch less that of the first ones of the next (a quarter of an epoch, at most 20
    losses). Two boundaries at least, and all of them, drop by more than `share` of the level and by more
    than `sigmas` standard errors; together they make up at least half of the fall since the first epoch.

    Where the losses of all steps are known and all epochs are equally long, an analysis of variance by place
    in the epoch comes first: above `order_ratio` (1 is chance) the data are not shuffled. That is a note, and
    a warning where the validation loss ended with a skill below `poor_skill`.

    Why it matters: each sample is recognised when it comes round again. It is the usual picture of
    fine-tuning a large model for several epochs, and the moment from which a held-out loss tends to
    rise; the training loss no longer tells how good the model is.

    When it is wrong: a learning rate that falls at the end of each epoch makes the same picture, and is
    excluded by looking at the rate; a change of the data at an epoch's end is not.

    What to try: a held-out loss at the end of each epoch; fewer epochs, more data, or weight decay and
    dropout if that loss rises.

    Source: ours; the picture is known from public fine-tuning logs.

    Example:
        >>> steps = np.arange(300)
        >>> losses = 1.0 - 0.25 * (steps // 100) - 0.0003 * (steps % 100)
        >>> series = {"loss/train": Series(steps, losses), "epoch": Series(steps, steps // 100)}
        >>> [(f.severity.value, f.first_step) for f in PeriodicLoss().check(Run("r", "r", series))]
        [('info', 100)]
    """

    code: str = "TD109"
    name: str = "periodic-loss"
    needs: tuple[str, ...] = (LOSS_TRAIN, EPOCH)
    least_points: int = 20
    share: float = 0.05
    sigmas: float = 4.0
    order_ratio: float = 8.0
    poor_skill: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: fewer than three epochs, too few losses per epoch, or no progress signal.
        """
        curve = training_curve(run)
        effect = position_effect(run)
        if effect is not None and effect.ratio > self.order_ratio:
            yield self._same_order(run, effect)
            return
        bounds = self._bounds(run, curve)
        drops, levels, errors = self._drops(curve, bounds)
        fallen = float(np.median(curve.values[bounds[0] - 5 : bounds[0]]) - np.median(curve.values[-5:]))
        if (drops <= self.share * np.abs(levels)).any() or (drops <= self.sigmas * errors).any():
            return
        if drops.sum() < 0.5 * fallen or _rate_falls(run, curve, bounds):
            return
        first = int(curve.steps[bounds[0]])
        yield Finding(
            self.code,
            self.name,
            Severity.INFO,
            confidence(float((drops / (self.share * np.abs(levels))).min())),
            first,
            int(curve.steps[-1]),
            Text(
                "The training loss falls in steps at the ends of epochs: by {drops:.3g} at {place}, "
                "by {sum:.3g} at all {size} together. The model recognises samples it has seen.",
                drops=drops[0],
                place=place(run, first),
                sum=drops.sum(),
                size=drops.size,
            ),
            *measured(
                {
                    "first drop": (drops[0], "loss units"),
                    "first drop at": (first, x_unit(run)),
                    "drops together": (drops.sum(), "loss units"),
                    "drops": (drops.size, "epoch ends"),
                    "fall since the first epoch": (fallen, "loss units"),
                }
            ),
            Remedy(
                Text(
                    "Judge the run by a held-out loss at the end of each epoch, and stop when it no "
                    "longer falls."
                )
            ),
        )

    def _same_order(self, run: Run, effect: PositionEffect) -> Finding:
        skill = validation_skill(run)
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if skill < self.poor_skill else Severity.INFO,
            confidence(effect.ratio / self.order_ratio),
            0,
            max(0, run.n_steps - 1),
            Text(
                "The data come in the same order in every epoch: the place in the epoch explains "
                "{ratio:.3g} times more of the training loss than chance does ({positions} places, {epochs} "
                "epochs), with a spread of {spread:.3g}.",
                ratio=effect.ratio,
                positions=effect.positions,
                epochs=effect.epochs,
                spread=effect.spread,
            ),
            *measured(
                {
                    "F ratio": (effect.ratio, "times chance"),
                    "spread over the epoch": (effect.spread, "loss units"),
                    "losses per epoch": (effect.positions, "losses"),
                    "epochs": (effect.epochs, "epochs"),
                }
            ),
            Remedy(
                Text("Shuffle the training data in every epoch."),
                "loader = torch.utils.data.DataLoader(train_set, batch_size=batch_size, shuffle=True)",
            ),
        )

    def _bounds(self, run: Run, curve: Curve) -> Ints:
        """Index of the first loss of each epoch but the first."""
        epochs = np.floor(run.series[EPOCH].at(curve.steps) + 1e-9)
        bounds = np.flatnonzero(np.diff(epochs) > 0) + 1
        sizes = np.diff(np.concatenate([[0], bounds, [curve.values.size]]))
        if bounds.size < 2:
            raise NotAssessable(Text("fewer than three epochs were logged"))
        if sizes[-1] < self.least_points:  # the last epoch may have just begun
            bounds, sizes = bounds[:-1], sizes[:-1]
        if bounds.size < 2 or int(sizes.min()) < self.least_points:
            raise NotAssessable(
                Text("fewer than {least_points} losses per epoch were logged", least_points=self.least_points)
            )
        return np.asarray(bounds, dtype=np.int64)

    def _drops(self, curve: Curve, bounds: Ints) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per boundary the drop, the level before it and the drop's standard error, each (n,)."""
        drops, levels, errors = np.empty(bounds.size), np.empty(bounds.size), np.empty(bounds.size)
        ends = np.concatenate([bounds[1:], [curve.values.size]])
        for i, (at, end) in enumerate(zip(bounds, ends, strict=True)):
            width = int(min(20, max(5, (end - at) // 4)))
            before, after = curve.values[at - width : at], curve.values[at : at + width]
            levels[i] = np.median(before)
            drops[i] = levels[i] - np.median(after)
            errors[i] = 1.25 * noise_sd(np.concatenate([before, after])) * np.sqrt(2.0 / width)
        return drops, levels, errors


def _rate_falls(run: Run, curve: Curve, bounds: Ints) -> bool:
    """Whether the learning rate falls by a tenth or more exactly at one of the boundaries."""
    for rate in run.learning_rates().values():
        before, after = rate.at(curve.steps[bounds - 1]), rate.at(curve.steps[bounds])
        if (after < 0.9 * before).any():
            return True
    return False
