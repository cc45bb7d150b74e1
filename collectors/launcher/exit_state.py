"""How the process is about to end: the code given to sys.exit, or the exception that was not caught."""

from __future__ import annotations

import sys
import threading
from typing import Any

_given: list[Any] = []

_TOOLS = (4, 3)
"""Ids of `sys.monitoring` that Python reserves for nobody."""


def install() -> None:
    """Note with which code the main thread leaves. Idempotent; only the main thread counts, as in Python.

    From Python 3.12 on `sys.monitoring` tells which SystemExit leaves the outermost frame, whoever raised
    it: `sys.exit`, `exit()` or `raise SystemExit(3)`. Python 3.11 tells nobody; there `sys.exit` is replaced
    by one that notes its argument, and the code of `raise SystemExit(3)` stays unknown.
    """
    if not _watch_exits():
        _replace_exit()


def _watch_exits() -> bool:
    """Ask Python to be told of exceptions that leave a frame; False where it cannot."""
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        return False
    holders = {tool: monitoring.get_tool(tool) for tool in _TOOLS}
    if "traindoctor" in holders.values():
        return True
    free = next((tool for tool, holder in holders.items() if holder is None), None)
    if free is None:
        return False
    monitoring.use_tool_id(free, "traindoctor")
    monitoring.register_callback(free, monitoring.events.PY_UNWIND, _unwound)
    monitoring.set_events(free, monitoring.events.PY_UNWIND)
    return True


def _unwound(code: Any, offset: int, error: BaseException) -> None:
    """An exception leaves a frame; a SystemExit that leaves the outermost one ends the process."""
    del code, offset
    if isinstance(error, SystemExit) and threading.current_thread() is threading.main_thread():
        left: Any = getattr(sys, "_getframe")(1)  # noqa: B009 - private to sys, and to type checkers
        if left.f_back is None:
            _given[:] = [error.code]


def _replace_exit() -> None:
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
    """The code with which the main thread leaves, as the shell will see it; None when it was not told."""
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
