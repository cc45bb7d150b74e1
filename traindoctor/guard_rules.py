"""When a run that is still going on is stopped: which findings count, and how often they must be seen."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from .finding import Finding, Severity

CRITICAL = "critical"

IRREVOCABLE = ("TD102", "TD103", "TD202", "TD207", "TD208")
"""Codes that `critical` stands for: what they report does not get better by training on.

The others judge how a run ended or what its schedule came to; of a run that is half over they would be
guesses. They count when they are named by their code.
"""

LEAST_STEPS = 50
GROWTH = 1.1
"""A second look counts once the run is 50 steps and a tenth longer than at the first."""


@dataclass
class Persistence:
    """Remembers what was seen, and says when a finding was there in two looks, one after the other.

    Attributes:
        stop_on: `critical`, codes such as `TD103`, or both.
    """

    stop_on: Collection[str]
    _seen: set[str] = field(default_factory=set[str])
    _at: int = -1

    def __post_init__(self) -> None:
        self.stop_on = frozenset(name.lower() for name in self.stop_on)

    def counts(self, finding: Finding) -> bool:
        """Whether the finding is of a kind on which to stop."""
        if finding.code.lower() in self.stop_on or finding.name in self.stop_on:
            return finding.severity is not Severity.INFO
        is_meant = CRITICAL in self.stop_on and finding.code in IRREVOCABLE
        return is_meant and finding.severity is Severity.CRITICAL

    def look(self, findings: Sequence[Finding], n_steps: int) -> Finding | None:
        """Take one look at a run of `n_steps`; the finding to stop for, None as long as there is none."""
        if self._at >= 0 and n_steps < max(self._at + LEAST_STEPS, GROWTH * self._at):
            return None
        found = [finding for finding in findings if self.counts(finding)]
        persistent = next((finding for finding in found if finding.code in self._seen), None)
        self._seen, self._at = {finding.code for finding in found}, n_steps
        return persistent
