"""The outcome of the gate: which findings of a run fail a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Standing:
    """What the gate makes of one finding.

    Attributes:
        is_new: the base run does not have it; every finding is new without a base run.
        is_failing: it is new and at least as severe as the gate asks for.
        why: why it is new although the base run has the check's finding too, or "".
    """

    is_new: bool
    is_failing: bool
    why: str = ""


@dataclass(frozen=True)
class Gate:
    """The outcome for one diagnosis.

    Attributes:
        fail_on: a level of `traindoctor.gating`.
        base: id of the base run, "" without one.
        standings: one for each finding of the diagnosis, in its order.
    """

    fail_on: str
    base: str
    standings: tuple[Standing, ...]

    @property
    def n_failing(self) -> int:
        """Findings that fail."""
        return sum(standing.is_failing for standing in self.standings)

    @property
    def is_passed(self) -> bool:
        """Whether nothing fails."""
        return not self.n_failing

    def to_json(self, codes: Sequence[str]) -> dict[str, Any]:
        """The object `gate` of docs/diagnosis-json.md; `codes` are those of the findings, in order."""
        return {
            "fail_on": self.fail_on,
            "base": self.base or None,
            "passed": self.is_passed,
            "findings": [
                {"code": code, "new": one.is_new, "fails": one.is_failing, "why": one.why}
                for code, one in zip(codes, self.standings, strict=True)
            ],
        }
