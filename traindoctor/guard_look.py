"""Looks at the log of a running training every few seconds; a program of its own, beside the training.

`python -m traindoctor.guard_look FOLDER SECONDS NAME…` writes one line of JSON when there is a reason to
stop, and ends when its standard input is closed, so that it never outlives the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from .errors import TraindoctorError
from .finding import Finding
from .guard_rules import CRITICAL, IRREVOCABLE, Persistence

BUSY_SHARE = 0.2
"""At most this share of the time is spent looking: a look at a long log takes longer, so they get rarer."""


def wanted_codes(stop_on: Collection[str]) -> list[str]:
    """The checks to run.

    Raises:
        UsageError: a name fits no check.
    """
    from .analyzer.catalog import all_detectors, choose

    named = [name for name in stop_on if name.lower() != CRITICAL]
    codes = [detector.code for detector in choose(all_detectors()[0], named, ())] if named else []
    return sorted({*codes, *(IRREVOCABLE if len(named) < len(stop_on) else ())})


def watch_log(
    folder: Path, stop_on: Collection[str], seconds: float, is_over: Callable[[float], bool]
) -> Finding | None:
    """Look until there is a reason to stop the run, or until it is over.

    Args:
        folder: the run's folder.
        stop_on: see `Persistence`.
        seconds: between two looks, at least.
        is_over: waits for so many seconds and says whether the run has ended.
    """
    codes, persistence, size, pause = wanted_codes(stop_on), Persistence(stop_on), -1, seconds
    while not is_over(pause):
        now = sum(file.stat().st_size for file in folder.glob("*.tdlog"))
        if now == size:
            continue
        size, began = now, time.perf_counter()
        with suppress(TraindoctorError, OSError):  # nothing to read yet
            found = persistence.look(*_look(folder, codes))
            if found is not None:
                return found
        pause = max(seconds, (time.perf_counter() - began) / BUSY_SHARE)
    return None


def _look(folder: Path, codes: list[str]) -> tuple[list[Finding], int]:
    """What the checks find so far, and how many steps that is."""
    from . import load
    from .analyzer.catalog import all_detectors, choose
    from .analyzer.engine import examine

    run = load(folder)
    return [f for d in choose(all_detectors()[0], codes, ()) for f in examine(d, run)[0]], run.n_steps


def _main() -> None:
    folder, seconds, names = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    with suppress(OSError, AttributeError):
        os.nice(5)
    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    found = watch_log(folder, names, seconds, over.wait)
    if found is not None:
        told = {"code": found.code, "name": found.name, "message": found.message, "action": found.remedy.text}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _main()
