"""One thing that is recorded: what all recorders share, and how a failing one is contained."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .patches import Patches

if TYPE_CHECKING:
    from ..recorder import Recorder


class Part:
    """A recorder of one thing.

    Every hook of a part follows one pattern: do nothing when `off`, otherwise do the part's work inside a `try`
    whose handler is `fail`, and call the user's function outside of it. So whatever goes wrong here, the training
    goes on as if the part were not there.

    Attributes:
        name: what it records, for the message when it fails.
        off: it failed, or recording has ended.
    """

    name: ClassVar[str]

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.off = False

    def install(self, patches: Patches) -> None:
        """Put the part's hooks in place."""
        raise NotImplementedError

    def uninstall(self) -> None:
        """Take away what `patches` does not hold."""

    def finish(self) -> None:
        """Recording ends: write what is left."""

    def reset(self) -> None:
        """Begin anew with nothing, in a forked child."""

    def fail(self, error: Exception) -> None:
        """Switch this part off and say so once. Never raises."""
        if not self.off:
            self.off = True
            self.recorder.report_failure(self.name, error)
