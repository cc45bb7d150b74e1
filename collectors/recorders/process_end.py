"""The end of the process: tracebacks without our frames, and logs of child processes that skip atexit."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

_OURS = str(Path(__file__).parent)
_CARRIERS = (os.path.join("torch", "_compile.py"), os.path.join("torch", "_dynamo", "eval_frame.py"))


def trim_uncaught() -> None:
    """Make uncaught exceptions print as they would without us. Idempotent; an earlier hook is called."""
    before: Any = sys.excepthook
    if getattr(before, "__module__", "") == __name__:
        return

    def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        try:
            for each in _chain(error):
                each.__traceback__ = without_our_frames(each.__traceback__)
            traceback = error.__traceback__
        except Exception:
            pass  # the traceback matters more than its beauty
        before(kind, error, traceback)

    sys.excepthook = excepthook


def _chain(error: BaseException) -> list[BaseException]:
    """An exception with everything that it was raised from."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and not any(each is known for known in found):
            found.append(each)
            waiting += [each.__cause__, each.__context__]
    return found


def without_our_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the wrappers that a call went through."""
    frames: list[TracebackType] = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    kept: list[TracebackType] = []
    for frame in frames:
        if not _file(frame).startswith(_OURS):
            kept.append(frame)
            continue
        while kept and _file(kept[-1]).endswith(_CARRIERS):  # of torch._disable_dynamo around the wrapper
            kept.pop()
    for frame, following in zip(kept, [*kept[1:], None], strict=True):
        frame.tb_next = following
    return kept[0] if kept else None


def _file(frame: TracebackType) -> str:
    return frame.tb_frame.f_code.co_filename


def call_at_end_of_child(function: Callable[[], None]) -> None:
    """In a child of multiprocessing, which runs no atexit callbacks: call the function when it ends."""
    if multiprocessing.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, function, exitpriority=0)
