"""The recorder of this process: starting, ending, forking."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from typing import Any

from .launcher.exit_state import end_facts
from .launcher.handover import read_handover
from .options import RecorderOptions
from .recorders.process_end import trim_uncaught
from .recorders.run_recorder import Recorder

_active: Recorder | None = None


def active() -> Recorder | None:
    """The recorder of this process, if one is recording."""
    return _active


def start(recorder: Recorder) -> None:
    """Make this the recorder of the process and install it."""
    global _active
    _active = recorder
    recorder.at_end_of_child = _at_exit
    recorder.install()
    _register_once()


def stop(end: Mapping[str, Any]) -> None:
    """End the recording of this process, if there is one."""
    global _active
    recorder, _active = _active, None
    if recorder is not None:
        recorder.finish(end)
        recorder.uninstall()


_registered = False


def _register_once() -> None:
    global _registered
    if not _registered:
        _registered = True
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_in_child)


def _in_child() -> None:
    if _active is not None:
        try:
            _active.forget()
        except Exception as error:
            _active.report_failure("forked child", error)


def _at_exit() -> None:
    if _active is not None:
        if (
            _active.is_launched
            and not _active.sink.is_open
            and _is_the_command()
            and not _active.sink.has_logs()
        ):
            _active.open()  # so that a report can say that nothing was trained
        facts = end_facts()
        failed = bool(facts["exception"]) or facts["exit_code"] not in (None, 0)
        stop({"status": "failed" if failed else "finished", **facts})


def _is_the_command() -> bool:
    """Whether this process is the one that `traindoctor run` became, not a child of it."""
    return os.environ.get("TRAINDOCTOR_PID") == str(os.getpid())


def install_from_environment() -> None:
    """Start recording as `traindoctor run` asked for in the environment, if it did. Idempotent.

    Raises:
        UsageError: a TRAINDOCTOR_* variable makes no sense. The injected file turns it into one line.
    """
    handover = read_handover()
    if handover is None or _active is not None:
        return
    options = RecorderOptions.from_environment()
    recorder = Recorder(handover.run_id, handover.run_folder, options, {"config": dict(handover.config)})
    recorder.is_launched = True
    start(recorder)
    trim_uncaught()
