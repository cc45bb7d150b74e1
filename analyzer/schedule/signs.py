"""What the findings say about the learning rate, and which of them must be dealt with first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from traindoctor.finding import Finding, Severity

LR_TOO_HIGH = ("TD102", "TD301", "TD303")
LR_TOO_LOW = ("TD302",)
BAD_SCHEDULE = ("TD304", "TD306")
OVERFIT = ("TD401", "TD403", "TD407")

NOT_THE_LR = (
    "TD108",
    "TD110",
    "TD201",
    "TD203",
    "TD206",
    "TD207",
    "TD208",
    "TD211",
    "TD213",
    "TD214",
    "TD308",
    "TD404",
    "TD406",
    "TD410",
    "TD501",
)
"""Troubles of the wiring, the initialisation or the data: an LR read off such a run means nothing."""


@dataclass(frozen=True)
class Signs:
    """The findings of at least warning severity, read for the learning rate.

    Attributes:
        first: a finding that has to be fixed before any LR advice makes sense.
        diverged: the LR was too high: divergence, non-finite values after training began, or a detector.
        lr_too_low: the detector says so.
        bad_schedule: the schedule itself is at fault.
        overfits: overfitting in one of its forms.
        is_healthy: there is no such finding at all.
        factor: what the first finding that blames the LR suggests to multiply it by, None when none does. The
            prescription follows it, so that one report never names two learning rates.
    """

    first: Finding | None
    diverged: bool
    lr_too_low: bool
    bad_schedule: bool
    overfits: bool
    is_healthy: bool
    factor: float | None = None

    @property
    def names_lr(self) -> bool:
        """Whether a finding blames the LR or its schedule."""
        return self.diverged or self.lr_too_low or self.bad_schedule


def signs(findings: Sequence[Finding]) -> Signs:
    """Read the findings; a finding that another one explains is a symptom and does not come first."""
    grave = [f for f in findings if f.severity is not Severity.INFO]
    codes = {f.code for f in grave}
    explained = {code for f in grave for code in f.explains}
    blown_up = [f for f in grave if f.code == "TD103"]
    # the loss of step 0 precedes every update: the LR cannot have spoilt it
    bad_data = next((f for f in blown_up if f.first_step == 0), None)
    blocker = next((f for f in grave if is_not_the_lr(f) and f.code not in explained), None)
    suggested = (f.evidence.get("suggested factor") for f in grave if f.code in ("TD301", "TD302"))
    return Signs(
        first=bad_data or blocker,
        diverged=bool(codes.intersection(LR_TOO_HIGH) or blown_up),
        lr_too_low=any(f.code in LR_TOO_LOW and not is_not_the_lr(f) for f in grave),
        bad_schedule=bool(codes.intersection(BAD_SCHEDULE)),
        overfits=bool(codes.intersection(OVERFIT)),
        is_healthy=not grave,
        factor=next((factor for factor in suggested if factor), None),
    )


def is_not_the_lr(finding: Finding) -> bool:
    """Whether a finding is a trouble of another kind; steps that epsilon makes small are none of the LR."""
    return finding.code in NOT_THE_LR or (finding.code in LR_TOO_LOW and "epsilon" in finding.evidence)
