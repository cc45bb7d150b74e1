"""A training loss that says something else when it is evaluated: the two modes of the model differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.run import Run, Series

from ..evaluations import AfterBest, after_best
from ..phrases import confidence, measured, place, x_unit
from ..reference import training_curve


@dataclass(frozen=True)
class LossesNotComparable:
    """Reports that the loss on the training data rises when it is evaluated, while training itself goes well.

    Needs a log with two training losses: that of the training batches, and one that was evaluated at the same
    moments as the validation loss. The evaluated one got worse after its best value by more than `sigmas`
    standard errors and `rise` of its progress, while that of the batches fell or stayed. What the validation
    loss does is then no sign of overfitting: the same happens on data the model was trained on.

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

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the log holds no evaluated training loss, too few values, or no progress signal.
        """
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
        raise NotAssessable("no training loss was evaluated together with the validation loss")

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
            f"Evaluation differs from training since {place(run, after.best_step)}: evaluated on the "
            f"training data the loss rose from {after.best:.3g} to {after.final:.3g}, while that of the "
            f"training batches went from {then:.3g} to {now:.3g}. This is no overfitting.",
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
                "Evaluate the same batch in train and in eval mode: if they disagree, the statistics of "
                "BatchNorm (momentum, batch size per device), dropout or averaged weights are at fault.",
                "model.train()\nprint(criterion(model(x), y).item())\n"
                "model.eval()\nwith torch.no_grad():\n    print(criterion(model(x), y).item())",
            ),
        )
