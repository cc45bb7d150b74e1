"""How a run in a text log ended: tracebacks, kills, early stops, the last words of a training script."""

from __future__ import annotations

import re
from collections.abc import Mapping

from traindoctor.run import Floats, Ints, RunStatus

from .logbook import Logbook

MAX_ERRORS = 3
"""Error messages kept per row: the first name the cause, the others its consequences."""

_KILLED = (
    r"^\s*Killed\b|KeyboardInterrupt|SIGTERM|SIGKILL|oom[-_]kill|CANCELLED AT|DUE TO TIME LIMIT"
    r"|TERM_(?:MEM|RUN)LIMIT"
)
_FAILED = (
    r"^(?:\S+: )?Traceback \(most recent call last\)|^\s*[\w.]*(?:Error|Exception)\b: |out of memory"
    r"|Segmentation fault|core dumped|Exited with exit code"
)
_STOPPED = r"(?i:early[ _-]?stopp?(?:ing|ed)\b)(?!.{0,30}(?:counter|patience|callback|=|\d+ (?:out )?of))"
_FINISHED = (
    r"(?i:\btraining (?:is |has |was |process )?(?:successfully )?(?:finished|completed?|done|ended)\b"
    r"|\b(?:finished|completed|done) training\b|\btotal training time\b|^stopping_early: wallclock)"
    r"|Successfully completed\."
)
_EVIDENCE = re.compile(
    f"(?P<killed>{_KILLED})|(?P<failed>{_FAILED})|(?P<stopped>{_STOPPED})|(?P<finished>{_FINISHED})"
)
_HINT = re.compile(
    r"[Kk]ill|KILL|Interr|TERM|CANCEL|LIMIT|Traceb|Error: |Exception: |of memory|fault|dumped"
    r"|[Ss]top|[Tt]rain|Exited|ompleted"
)
"""One of these is in every piece of evidence; cheaper to look for than the evidence itself."""


_AS_STATUS: dict[str, RunStatus] = {"killed": "killed", "failed": "failed"}


def may_be_evidence(line: str) -> bool:
    """Whether a line has a word that tells how a run ended; its numbers play no part in it."""
    return _HINT.search(line) is not None


def is_evidence(line: str) -> bool:
    """Whether a line may tell how a run ended."""
    return len(line) <= 2000 and _HINT.search(line) is not None and _EVIDENCE.search(line) is not None


class Endings:
    """Pours rows into a log and settles the status of each run by what the lines between them say.

    Evidence counts only if nothing of the same run follows: an error that a script survived is no end.
    """

    def __init__(self, log: Logbook) -> None:
        self.log = log
        self._first = self._last = 0.0
        self._status: RunStatus | None = None
        self._started = log.n_rows
        self._n_errors = 0

    def row(self, x: float, values: Mapping[str, float]) -> None:
        """See `Logbook.row`; a row that begins anew after the end of a run opens the next."""
        self._begin(x)
        self._last, self._n_errors = x, 0
        self.log.row(x, values)

    def rows(self, x: Floats, values: Mapping[str, tuple[Ints, Floats]]) -> None:
        """See `Logbook.rows`; the same as `row` for each of them."""
        self._begin(float(x[0]))
        self._last, self._n_errors = float(x[-1]), 0
        self.log.rows(x, values)

    def _begin(self, x: float) -> None:
        if self._status is not None:
            if x <= self._first:
                self._settle()
                self.log.new_run()
                self._started = self.log.n_rows
            self._status = None
        if self.log.n_rows == self._started:
            self._first = x

    def see(self, number: int, line: str) -> None:
        """A line that holds no values."""
        found = _EVIDENCE.search(line) if len(line) <= 2000 and _HINT.search(line) else None
        if found is None or self.log.n_rows == self._started:
            return
        kind = found.lastgroup or ""
        if kind == "stopped":
            self.log.event(self._last, "note", text=f"line {number}: {line.strip()[:200]}")
        elif kind != "finished" and "Traceback" not in line and self._n_errors < MAX_ERRORS:
            self._n_errors += 1
            self.log.event(self._last, "exception", text=line.strip()[:200])
        if self._status is None:  # the first cause counts; what follows are its consequences
            self._status = "finished" if kind in ("stopped", "finished") else _AS_STATUS[kind]
        elif self._status == "failed" and kind == "killed":  # an interrupt ends in a traceback
            self._status = "killed"

    def restart(self) -> None:
        """The file itself says that another run begins."""
        self._settle()
        self.log.new_run()
        self._started = self.log.n_rows

    def close(self) -> None:
        """The file is over."""
        self._settle()

    def _settle(self) -> None:
        if self._status is not None:
            self.log.fact(status=self._status)
        self._status = None
