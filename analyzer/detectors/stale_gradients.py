"""Gradients of earlier steps that are never cleared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import STALE_GRADIENTS
from traindoctor.run import Run
from traindoctor.text import Text

from ..outcome import final_skill

MIN_STEPS = 10


@dataclass(frozen=True)
class StaleGradients:
    """Reports training loops that do not clear the gradients: `optimizer.zero_grad()` is missing.

    The recorder looks, when the first backward call of a step begins, whether a parameter still holds a
    non-zero gradient that an earlier step has already used. More than `share` of the steps (the first one
    left out) must have found one. Gradient accumulation does not count: there the optimizer has not stepped
    in between.

    Why it matters: the gradient used is then the sum over the whole past. It grows with the number of steps
    and points where the model was, so the weights run away or swing.

    When it is wrong: several optimizers whose losses share parameters (GANs) clear gradients just before
    use, and what one leaves on the other's parameters is harmless; such runs are not judged.

    What to try: call `optimizer.zero_grad()` once per step, before backward.

    Source: exact; what the recorder counts is described in docs/run-log.md. The share is ours.

    Example:
        >>> from traindoctor.run import Series
        >>> stale = Series(np.arange(50), np.r_[0.0, np.ones(49)])
        >>> [f.name for f in StaleGradients().check(Run("r", "r", {"stale_gradients": stale}))]
        ['stale-gradients']
    """

    code: str = "TD208"
    name: str = "stale-gradients"
    needs: tuple[str, ...] = (STALE_GRADIENTS,)
    share: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: fewer than 10 steps, or several optimizers.
        """
        series = run.series[STALE_GRADIENTS].finite()
        later = series.steps > 0
        steps, values = series.steps[later], series.values[later]
        if values.size < MIN_STEPS:
            raise NotAssessable(
                Text(
                    "only {size} steps after the first; {min_steps} are needed",
                    size=values.size,
                    min_steps=MIN_STEPS,
                )
            )
        found = float(np.mean(values > 0.0))
        if found <= self.share:
            return
        if len(run.info.optimizers) > 1:
            raise NotAssessable(
                Text(
                    "{n_optimizers} optimizers stepped: gradients that one leaves on the parameters of "
                    "another may be cleared before they are used",
                    n_optimizers=len(run.info.optimizers),
                )
            )
        first, last = int(steps[0]), int(steps[-1])
        is_harmless = final_skill(run) >= 0.9
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING if is_harmless else Severity.CRITICAL,
            0.99,
            first,
            last,
            Text(
                "The gradients are never cleared: in {found:.0%} of the {size} steps after the "
                "first, those of earlier steps were still there when backward began, so every update "
                "uses their sum.",
                found=found,
                size=values.size,
            ),
            {"stale steps": found, "steps looked at": float(values.size)},
            {"stale steps": "fraction", "steps looked at": "steps"},
            Remedy(
                Text("Clear the gradients once per step, before backward."),
                "optimizer.zero_grad()  # first line of every step\nloss.backward()\noptimizer.step()",
            ),
        )
