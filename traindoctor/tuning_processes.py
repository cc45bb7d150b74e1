"""Which process a worker or a script is, whether it still runs, and how it is ended by somebody else."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from .collectors.environment import boot_id, host_name, process_start


def identity(pid: int) -> dict[str, Any]:
    """What names a process for good: pids are used again, a pid with its start is not."""
    return {"pid": pid, "start": process_start(pid), "boot": boot_id(), "host": host_name()}


def lives(who: Any) -> bool:
    """Whether that process still runs. One on another machine is taken to: nobody here can know."""
    if not isinstance(who, dict):
        # Trials get their worker in the turn in which they are asked for: without one it died in that turn.
        return False
    if who.get("host") != host_name():
        return True
    pid, start = who.get("pid"), who.get("start")
    if who.get("boot") != boot_id() or not isinstance(pid, int):
        return False
    if start is None:  # the system does not tell when processes start
        with suppress(OSError):
            os.kill(pid, 0)
            return True
        return False
    return bool(process_start(pid) == start)


def end_group(who: Any) -> None:
    """Kill the process group of a script whose worker died, unless the pid has a new owner."""
    if not isinstance(who, dict) or who.get("host") != host_name() or not lives(who):
        return
    with suppress(OSError):
        os.killpg(int(who["pid"]), signal.SIGKILL)
