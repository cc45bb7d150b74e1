"""A training loss that says something else when it is evaluated: the two modes of the model differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run, Series
from traindoctor.text import Text

from ..evaluations import AfterBest, after_best
from ..outcome import first_non_finite
from ..phrases import confidence, measured, place, x_unit
from ..reference import require_progress_signal, training_curve

BOTH = (LOSS_TRAIN, LOSS_VALIDATION)
ALIKE = 5.0
RISE = 1.5
NEVER_NEGATIVE = (
    "cross_entropy",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)


@dataclass(frozen=True)
class LossesNotComparable:
    """Reports that the loss on the training data rises when it is evaluated, while training itself goes well.

    Needs a log with two training losses: that of the training batches, and one that was evaluated at the same
    moments as the validation loss. The evaluated one got worse after its best value by more than `sigmas`
    standard errors and `rise` of its progress, while that of the batches fell or stayed. What the validation
    loss does is then no sign of overfitting: the same happens on data the model was trained on.

    Also reported is a training loss that is the mirror image of the validation loss: below zero from the
    start, while the validation loss is above zero, ends at least `RISE` times where it began, and lies within
    a factor of `ALIKE` of the training loss without its sign at `mirrored` of the evaluations. Where the run
    broke before three evaluations, a loss below zero from the start whose function never is counts as one.

    Why it matters: evaluation runs another model than training does (statistics of BatchNorm, dropout left
    on, a stale average of the weights, other preprocessing). Early stopping and regularisation, the remedies
    for overfitting, do nothing about it.

    When it is wrong: the evaluated training data are another, harder part than what the batches come from.

    What to try: evaluate in train mode once: if the loss is good there, the running statistics are at fault.

    Source: ours.

    Example:
        >>> from traindoctor.run import SeriesInfo
        >>> steps, k = np.arange(1000), np.arange(20)
        >>> evaluated = Series(50 * k + 49, 1.0 + np.abs(k - 6) * 0.2)
        >>> series = {"loss/train": Series(steps, 2.0 * np.exp(-steps / 200)), "train/loss": evaluated,
        ...           "loss/validation": evaluated}
        >>> info = RunInfo(series={"train/loss": SeriesInfo("train/loss", "train", "lower")})
        >>> [(f.severity.value, f.first_step) for f in LossesNotComparable().check(
        ...     Run("r", "r", series, info=info))]
        [('warning', 349)]
    """

    code: str = "TD404"
    name: str = "losses-not-comparable"
    needs: tuple[str, ...] = (LOSS_TRAIN, LOSS_VALIDATION)
    sigmas: float = 4.0
    rise: float = 0.1
    least_evaluations: int = 6
    mirrored: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the log holds no evaluated training loss, too few values, or no progress signal.
        """
        require_progress_signal(run)
        share = mirrored_share(run)
        if share >= self.mirrored:
            yield self._mirror_image(run, share)
            return
        curve = training_curve(run)
        evaluated = self._evaluated(run)
        after = after_best(evaluated)
        start = float(np.median(evaluated.values[:3]))
        scale = max(start - after.best, 0.25 * abs(after.best), 1e-300)
        lost = after.rise / scale
        threshold = max(self.rise, self.sigmas * after.standard_error / scale)
        around = int(np.searchsorted(curve.steps, after.best_step))
        width = max(3, curve.values.size // 20)
        then = float(np.median(curve.values[max(0, around - width) : around + width]))
        now = float(np.median(curve.values[-width:]))
        if lost <= threshold or after.n_after < after.n_tail or now > then + 2.0 * curve.noise / width**0.5:
            return
        yield self._finding(run, after, lost, threshold, then, now)

    def _evaluated(self, run: Run) -> Series:
        """The training loss that shares its x with the validation losses, and is not that of the batches.

        Raises:
            NotAssessable: there is none.
        """
        batches, validation = run.series[LOSS_TRAIN].steps, run.series[LOSS_VALIDATION].steps
        for name, info in run.info.series.items():
            series = run.get(name)
            if name == LOSS_TRAIN or info.split != "train" or "loss" not in name.lower() or series is None:
                continue
            finite = series.finite()
            if len(finite) < self.least_evaluations or len(finite) < 0.5 * validation.size:
                continue
            is_other = len(finite) <= 0.5 * batches.size or np.isin(finite.steps, batches).mean() < 0.8
            if is_other and np.isin(finite.steps, validation).mean() > 0.8:
                return finite
        raise NotAssessable(Text("no training loss was evaluated together with the validation loss"))

    def _mirror_image(self, run: Run, share: float) -> Finding:
        ends = [run.series[name].finite().values[-1:] for name in BOTH]
        train, validation = (float(values[0]) if values.size else math.nan for values in ends)
        return Finding(
            self.code,
            self.name,
            Severity.CRITICAL,
            0.95,
            0,
            max(0, run.n_steps - 1),
            Text(
                "Training maximises the loss: it is below zero, the validation loss with its sign turned "
                "round at {share:.0%} of the evaluations ({train:.3g} against {validation:.3g} at the end).",
                share=share,
                train=train,
                validation=validation,
            ),
            *measured(
                {
                    "mirrored evaluations": (share, "fraction"),
                    "final training loss": (train, "loss units"),
                    "final validation loss": (validation, "loss units"),
                }
            ),
            Remedy(
                Text("Call backward() on the loss itself, not on its negative; optimizers minimise."),
                "loss = criterion(model(x), y)  # no minus sign, and maximize=False in the optimizer\n"
                "loss.backward()",
            ),
        )

    def _finding(
        self, run: Run, after: AfterBest, lost: float, threshold: float, then: float, now: float
    ) -> Finding:
        return Finding(
            self.code,
            self.name,
            Severity.WARNING,
            confidence(lost / threshold),
            after.best_step,
            after.last_step,
            Text(
                "Evaluation differs from training since {place}: evaluated on the training data the "
                "loss rose from {best:.3g} to {final:.3g}, while that of the training batches went "
                "from {then:.3g} to {now:.3g}. This is no overfitting.",
                place=place(run, after.best_step),
                best=after.best,
                final=after.final,
                then=then,
                now=now,
            ),
            *measured(
                {
                    "best at": (after.best_step, x_unit(run)),
                    "best evaluated": (after.best, "loss units"),
                    "final evaluated": (after.final, "loss units"),
                    "progress lost": (lost, "fraction"),
                    "batches then": (then, "loss units"),
                    "batches at the end": (now, "loss units"),
                }
            ),
            Remedy(
                Text(
                    "Evaluate the same batch in train and in eval mode: if they disagree, the statistics "
                    "of BatchNorm (momentum, batch size per device), dropout or averaged weights are at "
                    "fault."
                ),
                "model.train()\nprint(criterion(model(x), y).item())\n"
                "model.eval()\nwith torch.no_grad():\n    print(criterion(model(x), y).item())",
            ),
        )


def mirrored_share(run: Run) -> float:
    """Share of the evaluations at which validation loss and minus training loss are alike; 0 without."""
    train, validation = (run.series[name].finite() for name in BOTH)
    if not len(train) or float(np.median(train.values[:3])) >= 0.0 or (train.values < 0.0).mean() < 0.9:
        return 0.0
    if len(validation) < 3:
        has_broken = first_non_finite(run) is not None and run.info.loss_name in NEVER_NEGATIVE
        return 1.0 if has_broken and not (validation.values < 0.0).any() else 0.0
    if not (validation.values > 0.0).all() or validation.values[-1] < RISE * validation.values[0]:
        return 0.0
    ratio = -train.at(validation.steps) / validation.values
    return float(np.mean((ratio > 1.0 / ALIKE) & (ratio < ALIKE)))
