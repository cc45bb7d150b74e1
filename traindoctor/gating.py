"""Deciding which findings fail a build: by severity, and against a base run."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from .errors import UsageError
from .finding import Diagnosis, Finding, Severity
from .gate import Gate, Standing
from .text import Text

FAIL_ON: Mapping[str, Severity | None] = {
    "critical": Severity.CRITICAL,
    "high": Severity.CRITICAL,
    "medium": Severity.WARNING,
    "low": Severity.INFO,
    "never": None,
}
"""Level -> the least severity that fails; None: nothing does. Findings know three severities, so the two
highest levels are one."""
DEFAULT_LEVEL = "high"


def level_of(fail_on: str) -> Severity | None:
    """The least severity that fails.

    Raises:
        UsageError: there is no such level.
    """
    if fail_on not in FAIL_ON:
        near = difflib.get_close_matches(fail_on, FAIL_ON, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"expected a level out of {', '.join(FAIL_ON)}, found {fail_on!r}{hint}")
    return FAIL_ON[fail_on]


def judge(diagnosis: Diagnosis, fail_on: str = DEFAULT_LEVEL, base: Diagnosis | None = None) -> Gate:
    """Decide which findings fail.

    A finding is known, not new, when the base run has one of the same code that is at least as severe and
    names every parameter that this one names.

    Args:
        diagnosis: the run to judge.
        fail_on: one of FAIL_ON.
        base: diagnosis of the base run; with it only new findings fail.

    Raises:
        UsageError: `fail_on` is no level.
    """
    least = level_of(fail_on)
    standings: list[Standing] = []
    for finding in diagnosis.findings:
        is_new, why = _compared(finding, base)
        is_severe = least is not None and finding.severity.rank <= least.rank
        standings.append(Standing(is_new, is_new and is_severe, why))
    return Gate(fail_on, base.run.id if base is not None else "", tuple(standings))


def _compared(finding: Finding, base: Diagnosis | None) -> tuple[bool, str]:
    """Whether a finding is new, and why where the base run has one of the same code."""
    same = [other for other in base.findings if other.code == finding.code] if base is not None else []
    if not same:
        return True, ""
    if finding.severity.rank < min(other.severity.rank for other in same):
        return True, Text("more severe than in the base run")
    named = {parameter for other in same for parameter in other.parameters}
    if further := [parameter for parameter in finding.parameters if parameter not in named]:
        return True, Text("the base run does not have it in {further}", further=further[0]) + (
            Text(" and {n} more", n=len(further) - 1) if len(further) > 1 else ""
        )
    return False, ""
