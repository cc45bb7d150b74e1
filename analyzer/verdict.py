"""The one sentence at the top: state, where, cost and action."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from traindoctor.finding import Finding, Severity, Verdict
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run

from .reference import MIN_POINTS

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def first_sentence(text: str) -> str:
    """The first sentence of a text, with its full stop."""
    return SENTENCE_END.split(text.strip(), maxsplit=1)[0]


def conclude(run: Run, findings: Sequence[Finding], n_passed: int) -> Verdict:
    """The verdict of a run.

    Args:
        run: the run.
        findings: root causes first.
        n_passed: number of checks that ran and found nothing.
    """
    serious = [finding for finding in findings if finding.severity is not Severity.INFO]
    if serious:
        what, action = first_sentence(serious[0].message), first_sentence(serious[0].remedy.text)
        return Verdict("findings", f"{what} {action}".strip())
    why = _not_assessable(run)
    if why:
        return Verdict("not-assessable", why)
    return Verdict("healthy", _healthy(run, n_passed))


def _not_assessable(run: Run) -> str:
    """Why nothing can be concluded, and what to do; "" when something can."""
    if run.n_steps == 0 and not any(len(series) for series in run.series.values()):
        return (
            "Not assessable: no optimizer step was recorded. "
            "Check that the script trains in the watched process and calls optimizer.step()."
        )
    if run.info.loss_role != "progress":
        return (
            f"Not assessable: the objective is {run.info.loss_role}, whose value does not fall when training "
            "goes well. Judge the run by its own metric, such as reward or sample quality."
        )
    loss = run.get(LOSS_TRAIN)
    if loss is None:
        return (
            f"Not assessable: {run.n_steps} steps were recorded, but no training loss. "
            "Call backward() on the loss in the watched process, or log the loss of each step."
        )
    n = len(loss.finite())
    if n < MIN_POINTS:
        return (
            f"Not assessable: only {n} finite training losses; {MIN_POINTS} are the least that show a trend."
            " Train longer, or log the loss more often."
        )
    return ""


def _healthy(run: Run, n_passed: int) -> str:
    loss = run.series[LOSS_TRAIN].finite().values
    tail = max(1, loss.size // 20)
    start, end = float(np.median(loss[:3])), float(np.median(loss[-tail:]))
    endings = {"killed": "was killed", "failed": "failed", "damaged": "breaks off"}
    ended = endings.get(run.info.status)
    until = f" until it {ended} at step {run.n_steps - 1}" if ended else ""
    return (
        f"Healthy{until}: the training loss went from {start:.3g} to {end:.3g} over {run.n_steps} "
        f"{run.info.x_unit}, and none of the {n_passed} checks that could run found anything to act on."
    )
