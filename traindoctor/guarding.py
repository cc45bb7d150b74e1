"""`traindoctor run --stop-on`: the script runs as a child, its log is watched, a hopeless run is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from .collectors.launcher.command import LaunchOptions, child_environment, full_command, prepare
from .errors import UsageError
from .finding import Finding
from .guard_look import wanted_codes, watch_log

STOPPED = 86
"""Exit code of a run that was stopped for a finding."""

REASON = "stopped.json"
"""File in the run's folder that says why it was stopped."""

GRACE_SECONDS = 20.0
"""How long a script may take to end after each request."""


@dataclass(frozen=True)
class Ending:
    """How a guarded run ended.

    Attributes:
        exit_code: the script's own, 128 + the signal that ended it, or `STOPPED`.
        finding: what it was stopped for; None when it ended by itself.
        folder: the run's folder.
    """

    exit_code: int
    finding: Finding | None
    folder: Path


def run_guarded(
    command: Sequence[str], stop_on: Sequence[str], options: LaunchOptions, seconds: float = 10.0
) -> Ending:
    """Run a script, recorded, and stop it when a finding was there in two looks at its log.

    The script is asked to end as by Ctrl-C, so that it can save what it wants; then by SIGTERM; then it is
    killed. Everything happens in this process; the training knows nothing of it.

    Args:
        command: as for `traindoctor run`.
        stop_on: `critical`, codes or names of checks.
        options: of the launcher.
        seconds: between two looks, at least.

    Raises:
        UsageError: a name fits no check, or the command cannot be started.
    """
    wanted_codes(stop_on)  # a wrong name is said before anything starts
    words, handover = full_command(command), prepare(command, options)
    try:
        child = subprocess.Popen(words, env=child_environment(handover, os.environ))
    except OSError as error:
        raise UsageError(f"cannot start {words[0]}: {error.strerror}") from error
    forward(child)

    def is_over(pause: float) -> bool:
        try:
            child.wait(pause)
        except subprocess.TimeoutExpired:
            return False
        return True

    found = watch_log(handover.run_folder, stop_on, seconds, is_over)
    if found is None:
        code = child.wait()
        return Ending(code if code >= 0 else 128 - code, None, handover.run_folder)
    end(child)
    write_reason(handover.run_folder, found)
    return Ending(STOPPED, found, handover.run_folder)


def write_reason(folder: Path, found: Finding) -> None:
    """Put into a run's folder what the run was stopped for."""
    reason = {"code": found.code, "name": found.name, "message": found.message, "at": time.time()}
    (folder / REASON).write_text(json.dumps(reason, indent=2) + "\n", encoding="utf-8")


def forward(child: subprocess.Popen[bytes]) -> None:
    """Hand signals meant for the run on to the script; Ctrl-C reaches it by itself, from the terminal."""

    def hand_on(number: int, frame: FrameType | None) -> None:
        del frame
        if child.poll() is None:
            child.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    signal.signal(signal.SIGINT, hand_on if not sys.stdin.isatty() else lambda *_: None)


def end(child: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, more urgently each time, and wait until it has."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if child.poll() is None:
            child.send_signal(number)
        try:
            child.wait(GRACE_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue
    child.kill()
    child.wait()
