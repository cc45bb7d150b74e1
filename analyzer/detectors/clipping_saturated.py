"""Gradient clipping that has become a much smaller learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import GRAD_NORM, GRAD_NORM_PRECLIP
from traindoctor.run import Floats, Ints, Run
from traindoctor.text import Text

from ..optimizer_code import rounded
from ..outcome import final_skill
from ..phrases import confidence, measured, x_unit

SCALE_FREE = ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adafactor", "Lion", "Muon")
"""Optimizers whose step does not depend on the scale of the gradients."""


@dataclass(frozen=True)
class ClippingSaturated:
    """Reports a clipping threshold so low that (nearly) every step is clipped.

    A step is clipped when the norm after clipping is below that before by more than a thousandth. The check
    looks at the last 80 % of the steps: more than `share` of them clipped, for at least `long` steps. The
    cost is the median of norm before / norm after: by so much clipping lowered the learning rate. A warning
    when that is more than `reduction`, the optimizer's step depends on the scale of the gradients (SGD), and
    the run ended with a skill below `good_skill`; a note otherwise: many sound recipes clip all the time.

    Why it matters: clipping was meant for rare outliers. Where it acts on every step it is a second, unseen
    learning rate, and the schedule no longer says what the run does.

    When it is wrong: normalised gradient descent on purpose; for Adam and its kin a constant factor changes
    nothing.

    What to try: the 90th percentile of the recorded norms as the threshold (it is in the evidence); the
    learning rate may have to come down in exchange.

    Source: the percentile is the advice of Google's Deep Learning Tuning Playbook; the factor of 5 is ours.

    Example:
        >>> from traindoctor.run import Series
        >>> steps = np.arange(500)
        >>> series = {"grad_norm/preclip": Series(steps, np.full(500, 2.0)),
        ...           "grad_norm/global": Series(steps, np.full(500, 0.01))}
        >>> [(f.severity.value, round(f.evidence["reduction"])) for f in ClippingSaturated().check(
        ...     Run("r", "r", series))]
        [('info', 200)]
    """

    code: str = "TD209"
    name: str = "clipping-saturated"
    needs: tuple[str, ...] = (GRAD_NORM_PRECLIP, GRAD_NORM)
    share: float = 0.9
    long: int = 50
    reduction: float = 5.0
    good_skill: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few steps with finite norms before and after.
        """
        steps, before, after = _norms(run)
        if steps.size < self.long:
            raise NotAssessable(
                Text(
                    "only {size} steps with a norm before and after clipping; {long} are needed",
                    size=steps.size,
                    long=self.long,
                )
            )
        is_clipped = after < before * (1.0 - 1e-3)
        share = float(is_clipped.mean())
        if share <= self.share:
            return
        reduction = float(np.median(before[is_clipped] / np.maximum(after[is_clipped], 1e-300)))
        yield self._finding(run, steps, before, after, share, reduction)

    def _finding(
        self, run: Run, steps: Ints, before: Floats, after: Floats, share: float, reduction: float
    ) -> Finding:
        limit, suggested = float(np.median(after)), rounded(float(np.quantile(before, 0.9)), 2)
        optimizer = run.info.optimizers[0].name if run.info.optimizers else ""
        skill = final_skill(run)
        is_scaled = optimizer == "SGD"
        is_bad = is_scaled and reduction > self.reduction and skill < self.good_skill
        figures = {
            "steps clipped": (share, "fraction"),
            "norm before": (float(np.median(before)), "loss units / weight unit"),
            "norm after": (limit, "loss units / weight unit"),
            "reduction": (reduction, "times"),
            "90th percentile": (suggested, "loss units / weight unit"),
        }
        if math.isfinite(skill):
            figures["final skill"] = (skill, "share of the constant predictor's loss")
        effect = (
            Text(
                " The learning rate was in effect {reduction:.3g} times lower than it says.",
                reduction=reduction,
            )
            if is_scaled
            else Text(" {optimizer} undoes a constant factor, so this costs little.", optimizer=optimizer)
            if optimizer in SCALE_FREE
            else ""
        )
        evidence, units = measured(figures)
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_bad else Severity.INFO,
            confidence(reduction / self.reduction),
            int(run.series[GRAD_NORM].steps[0]),
            int(steps[-1]),
            Text(
                "Clipping acts on {share:.0%} of the steps: the gradient norm is {median:.3g} before "
                "and {limit:.3g} after it (medians over {x_unit}).{effect}",
                share=share,
                median=float(np.median(before)),
                limit=limit,
                x_unit=x_unit(run),
                effect=effect,
            ),
            evidence,
            units,
            Remedy(
                Text(
                    "Clip at {suggested:g}, the 90th percentile of the norms, and lower the learning "
                    "rate if the loss then jumps.",
                    suggested=suggested,
                ),
                f"torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={suggested!r})",
            ),
        )


def _norms(run: Run) -> tuple[Ints, Floats, Floats]:
    """Steps, norms before and norms after clipping over the last 80 % of the run, where both are finite."""
    before, after = run.series[GRAD_NORM_PRECLIP].finite(), run.series[GRAD_NORM].finite()
    steps, mine, theirs = np.intersect1d(before.steps, after.steps, return_indices=True)
    late = steps.size // 5
    return (np.asarray(steps[late:], dtype=np.int64), before.values[mine][late:], after.values[theirs][late:])
