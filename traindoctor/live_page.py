"""The report of a run that goes on, made again whenever its log grew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .errors import TraindoctorError

SHARE = 0.1
"""Most of the time of one core that making pages may take: the training has the machine first."""

LOOK_SECONDS = 2.0
"""Between two looks at the log's files, at most, unless looking itself takes long."""

_MOST_FILES = 10_000


@dataclass(frozen=True)
class Rendered:
    """A report, and what a status line says about the run in it.

    Attributes:
        html: the page, UTF-8.
        run: id of the run.
        status: of the run: "running", "finished", "killed", ...
        steps: optimizer steps so far.
    """

    html: bytes
    run: str
    status: str
    steps: int


class LivePage:
    """Keeps the newest report of a run; safe to read from any thread.

    Ours: a page is made when the log's files changed, at most every `every` seconds, and never before ten
    times the CPU time that the last one took has passed. Whatever fails is told beside the last good page,
    and tried again at the same share of the time.

    Args:
        find: gives the file or folder of the run, anew at each look, so that a restarted run is found.
        make: makes the report of it.
        every: shortest time between two pages, in seconds.
    """

    def __init__(self, find: Callable[[], Path], make: Callable[[Path], Rendered], every: float) -> None:
        self._find = find
        self._make = make
        self._every = every
        self._seen: object = None
        self._wait = 0.0
        self._lock = threading.Lock()
        self._page: Rendered | None = None
        self._version = 0
        self._made_at = 0.0
        self._trouble = ""

    @property
    def html(self) -> bytes | None:
        """The newest report; None before the first."""
        with self._lock:
            return None if self._page is None else self._page.html

    def state(self) -> dict[str, object]:
        """What the browser asks for again and again: JSON values.

        `version` counts the reports (0: none yet), `age` is the seconds since the newest was made, `trouble`
        says why there is none, or none newer; "" if all is well.
        """
        with self._lock:
            page = self._page
            return {
                "version": self._version,
                "age": round(time.monotonic() - self._made_at, 1) if page else None,
                "run": page.run if page else "",
                "status": page.status if page else "",
                "steps": page.steps if page else 0,
                "trouble": self._trouble,
            }

    def look(self) -> bool:
        """Make a new report if the log changed since the last one.

        Returns:
            Whether there is a new one.
        """
        began = time.thread_time()
        try:
            place = self._find()
            seen = place, fingerprint(place)
            if seen == self._seen:
                return False
            page = self._make(place)
        except Exception as error:
            why = str(error) if isinstance(error, (TraindoctorError, OSError)) else repr(error)
            with self._lock:
                self._trouble = why
            return False
        finally:  # what fails costs time, too
            self._wait = max(min(self._every, LOOK_SECONDS), (time.thread_time() - began) / SHARE)
        with self._lock:
            self._page, self._trouble = page, ""
            self._version += 1
            self._made_at = time.monotonic()
        self._seen = seen
        self._wait = max(self._every, self._wait)
        return True

    def keep_fresh(self, stop: threading.Event) -> None:
        """Look again and again until told to stop."""
        while not stop.is_set():
            self.look()
            stop.wait(self._wait)


def fingerprint(place: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of a run's files, but for reports of ours: it changes when the log grows."""
    files = [place] if place.is_file() else sorted(islice(place.rglob("*"), _MOST_FILES))
    found: list[tuple[str, int, int]] = []
    for file in files:
        if file.name.startswith("report.") or not file.is_file():
            continue
        facts = file.stat()
        found.append((str(file), facts.st_size, facts.st_mtime_ns))
    return tuple(found)
