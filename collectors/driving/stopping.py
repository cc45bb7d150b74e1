"""Ending a script from inside: as `sys.exit` would, and for certain where the script catches that."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

GRACE_SECONDS = 10.0
"""Time that the script has for its `finally` blocks once it was told to end."""


class Ending:
    """The end of the process, once it was decided.

    Attributes:
        has_begun: the script was told to end.
    """

    def __init__(self, before_hard_exit: Callable[[int], None]) -> None:
        self.has_begun = False
        self._code = 0
        self._before = before_hard_exit
        self._timer: threading.Timer | None = None

    def begin(self, code: int) -> NoReturn:
        """Raise SystemExit into the script; when it goes on nevertheless, the process is ended under it.

        Raises:
            SystemExit: always.
        """
        if self.has_begun:
            self.hard()
        self.has_begun = True
        self._code = code
        self._timer = threading.Timer(GRACE_SECONDS, self.hard)
        self._timer.daemon = True
        self._timer.start()
        raise SystemExit(code)

    def call_off(self) -> None:
        """Let the process live on, where SystemExit did not end it (an interpreter that was borrowed)."""
        if self._timer is not None:
            self._timer.cancel()

    def hard(self) -> NoReturn:
        """End the process without asking the script again; what it printed and what was recorded is kept."""
        with suppress(Exception):
            self._before(self._code)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(self._code)
