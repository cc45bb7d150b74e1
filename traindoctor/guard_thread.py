"""`watch(on_critical=…)`: a program beside the training watches its log, a thread waits for what it says."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import TrainingStoppedError, UsageError
from .guard_rules import CRITICAL

Reaction = Callable[[Mapping[str, str]], object]


class Guard:
    """Watches the log of this very process. The training itself does nothing for it.

    Args:
        folder: the run's folder.
        reaction: `raise` raises `TrainingStoppedError` in the thread that made the guard, at its next line of
            Python; a callable is called in a thread of its own with `code`, `name`, `message`, `action`.
        seconds: between two looks, at least.

    Raises:
        UsageError: `reaction` is something else.
    """

    def __init__(self, folder: Path, reaction: str | Reaction, seconds: float = 10.0) -> None:
        if reaction != "raise" and not callable(reaction):
            raise UsageError(f"on_critical: expected 'raise' or a function, found {reaction!r:.80}")
        self._reaction = reaction
        self._thread = threading.get_ident()
        self._is_closed = False
        program = [sys.executable, "-m", "traindoctor.guard_look", str(folder), repr(seconds), CRITICAL]
        self._process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        threading.Thread(target=self._wait, name="traindoctor-guard", daemon=True).start()

    def close(self) -> None:
        """End the watching. Safe to call twice."""
        self._is_closed = True
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _wait(self) -> None:
        """Wait for a line from the program; a failure of it leaves the training alone."""
        assert self._process.stdout is not None
        try:
            with self._process.stdout as stream:
                said = json.loads(stream.readline() or b"null")
        except (OSError, ValueError):
            said = None
        self._process.wait()
        if not isinstance(said, dict) or self._is_closed:
            return
        if callable(self._reaction):
            self._reaction(said)
        else:
            raise_in(self._thread, stopped(said))


def stopped(said: Mapping[str, Any]) -> type[TrainingStoppedError]:
    """An exception class with its sentence inside: only a class can be raised in another thread."""
    sentence = f"{said.get('message', '')} {said.get('action', '')}".strip()

    class StoppedError(TrainingStoppedError):
        """The reason to stop is its text."""

        def __init__(self) -> None:
            super().__init__(f"{said.get('code', '')} {said.get('name', '')}: {sentence}")

    return StoppedError


def raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an exception in another thread, at its next line of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))
