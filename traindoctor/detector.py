"""What a detector is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from .finding import Finding
from .run import Run


class NotAssessable(Exception):  # noqa: N818 - an answer, not an error
    """Raised by a detector that looked and could not tell; the message is the reason shown to the user."""


@runtime_checkable
class Detector(Protocol):
    """A frozen dataclass whose fields are its thresholds.

    Attributes:
        code: stable code, e.g. `TD101`; never reused.
        name: stable name in kebab-case.
        needs: what must have been recorded: series names (`loss/train`), families (`lr/`), or per-parameter
            quantities as `parameters:update_ratio`. The engine skips the check, with the reason,
            when one is missing.
    """

    @property
    def code(self) -> str:
        """Stable code."""
        ...

    @property
    def name(self) -> str:
        """Stable name."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """What must have been recorded."""
        ...

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield what was found; nothing when the run is fine.

        Raises:
            NotAssessable: the data is there but does not allow an answer.
        """
        ...
