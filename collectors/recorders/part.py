"""One thing that is recorded: what all recorders share, and how a failing one is contained."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from .internals import dynamo_callback, left_alone
from .patches import Patches

if TYPE_CHECKING:
    from .run_recorder import Recorder


class Part:
    """A recorder of one thing.

    Every hook of a part follows one pattern: do nothing when `off`, otherwise do the part's work inside a
    `try` whose handler is `fail`, and call the user's function outside of it. So whatever goes wrong here,
    the training goes on as if the part were not there.

    Attributes:
        name: what it records, for the message when it fails.
        off: it failed, or recording has ended.
        has_failed: something of ours raised; the part stays off.
    """

    name: ClassVar[str]

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.off = False
        self.has_failed = False

    def install(self, patches: Patches) -> None:
        """Put the part's hooks in place. A part that other parts call has none of its own."""

    def uninstall(self) -> None:
        """Take away what `patches` does not hold."""

    def finish(self) -> None:
        """Recording ends: write what is left."""

    def reset(self) -> None:
        """Begin anew with nothing, in a forked child."""

    def after(self, original: Any, work: Callable[[Any], None]) -> Any:
        """A method that calls `original`, then `work(its self)`, and that torch.compile leaves alone."""

        @functools.wraps(original)
        def method(owner: Any, *args: Any, **kwargs: Any) -> Any:
            if dynamo_callback():
                return detour(owner, *args, **kwargs)
            result = original(owner, *args, **kwargs)
            if not self.off:
                try:
                    work(owner)
                except Exception as error:
                    self.fail(error)
            return result

        short, detour = left_alone(method)
        return short

    def fail(self, error: Exception) -> None:
        """Switch this part off and say so once. Never raises."""
        if not self.has_failed:
            self.off = self.has_failed = True
            self.recorder.report_failure(self.name, error)
