"""How the process is about to end: the code given to sys.exit, or the exception that was not caught."""

from __future__ import annotations

import sys
import threading
from typing import Any

_given: list[Any] = []


def install() -> None:
    """Make `sys.exit` note its argument. Idempotent; only the main thread's calls count, as in Python itself.

    `raise SystemExit(...)` and the `exit()` of interactive Python pass by it: their code stays unknown.
    """
    original: Any = sys.exit
    if getattr(original, "__module__", "") == __name__:
        return

    class NotingExit:
        # Calling a class runs `__new__` to its end and then the C function as `__init__`, so the traceback
        # of the SystemExit holds the same frames as without us.
        __init__ = original

        def __new__(cls, *args: Any, **_: Any) -> NotingExit:
            if threading.current_thread() is threading.main_thread():
                _given[:] = args[:1] or [None]
            return object.__new__(cls)

    NotingExit.__name__ = NotingExit.__qualname__ = "exit"
    NotingExit.__doc__ = original.__doc__
    sys.exit = NotingExit


def exit_code() -> int | None:
    """The code of the last `sys.exit` in the main thread, as the shell will see it; None without one."""
    if not _given:
        return None
    status = _given[0]
    if status is None:
        return 0
    return status & 0xFF if isinstance(status, int) else 1


def end_facts() -> dict[str, Any]:
    """`exit_code` and `exception` for the END frame; meant for an atexit callback.

    `exception` is the class name of the uncaught exception ("" if there was none). Python notes it before
    atexit callbacks run. An uncaught KeyboardInterrupt ends the process by SIGINT: code 130.
    """
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if error is None:
        return {"exit_code": exit_code(), "exception": ""}
    code = 130 if isinstance(error, KeyboardInterrupt) else 1
    return {"exit_code": code, "exception": type(error).__name__}
