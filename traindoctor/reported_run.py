"""`traindoctor run --report`: the script runs as a child; when it has ended its report is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from .collectors.launcher.command import LaunchOptions, made_ready, not_started
from .errors import TraindoctorError

HANDED_ON = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
"""Signals that somebody sends to this process and means for the script."""
FROM_TERMINAL = ("SIGINT", "SIGQUIT")
"""Signals that a terminal sends to the script as well, which is in the same group of processes."""


@dataclass(frozen=True)
class Ended:
    """How a script ended.

    Attributes:
        returncode: its exit code, or minus the number of the signal that ended it.
        folder: the run's folder.
    """

    returncode: int
    folder: Path


def is_first_rank() -> bool:
    """Whether this process is to write the report, where a launcher starts one for each rank."""
    return os.environ.get("RANK", "0") in {"0", ""}


def run_and_wait(command: Sequence[str], options: LaunchOptions) -> Ended:
    """Run a script, recorded, as a child with this process' own streams, and wait for its end.

    Signals reach it as if it had been started without a process around it.

    Raises:
        UsageError: there is no command, or an option is out of range.
        SystemExit: the program does not exist (127) or may not be executed (126), as in a shell.
    """
    words, environ, folder = made_ready(command, options)
    try:
        child = subprocess.Popen(words, env=environ)
    except OSError as error:
        not_started(words[0], folder, error)
    before = _hand_on_signals(child)
    try:
        return Ended(child.wait(), folder)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hand_on_signals(child: subprocess.Popen[bytes]) -> dict[signal.Signals, Any]:
    """Let the child have the signals; returns what was done with them before. What is ignored stays so."""

    def hand_on(number: int, frame: FrameType | None) -> None:
        del frame
        with suppress(ProcessLookupError):
            child.send_signal(number)

    def leave(number: int, frame: FrameType | None) -> None:
        """The terminal has told the script already."""

    before: dict[signal.Signals, Any] = {}
    for name in (*HANDED_ON, *FROM_TERMINAL):
        number = getattr(signal, name, None)
        if number is None or signal.getsignal(number) is signal.SIG_IGN:
            continue
        is_told = name in FROM_TERMINAL and sys.stdin is not None and sys.stdin.isatty()
        before[number] = signal.signal(number, leave if is_told else hand_on)
    return before


def write_after(folder: Path, formats: Sequence[str], language: str) -> None:
    """Write the reports of a run that has ended; whatever fails is one line on standard error.

    Standard output was the script's, so the paths stand on standard error, too.
    """
    from . import diagnose, render
    from .cli_output import default_path
    from .collectors.importers.discovery import load_run
    from .prescribing import with_prescription

    try:
        diagnosis = with_prescription(diagnose(load_run(folder)), None)
        for name in formats:
            path = default_path(diagnosis, name)
            try:
                render(diagnosis, path, name, language=language)
            except TraindoctorError as error:  # a missing renderer leaves the other formats
                print(f"traindoctor: no {name} report: {error}", file=sys.stderr)
            else:
                print(f"traindoctor: report written to {path}", file=sys.stderr)
    except KeyboardInterrupt:
        print("traindoctor: the report was left out", file=sys.stderr)
    except Exception as error:
        why = str(error) if isinstance(error, (TraindoctorError, OSError)) else repr(error)
        print(f"traindoctor: no report: {why}", file=sys.stderr)


def leave_as(returncode: int) -> NoReturn:
    """End as the script ended: with its exit code, or by the signal that ended it."""
    if returncode < 0:
        sys.stdout.flush()
        sys.stderr.flush()
        _leave_no_core()
        with suppress(OSError, ValueError):  # SIGKILL and SIGSTOP have no handler to reset
            signal.signal(-returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -returncode)
    sys.exit(returncode if returncode >= 0 else 128 - returncode)


def _leave_no_core() -> None:
    """The script left its own core file, if one is wanted."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
