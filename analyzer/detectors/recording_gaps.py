"""What of the run is not in the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..extent import extent
from ..phrases import is_native, measured, place, x_unit

ENDINGS = {
    "killed": Text("The process was killed"),
    "damaged": Text("The log breaks off"),
    "failed": Text("The process ended with an error"),
}


def _row(first: str, second: str) -> Text:
    """Two sentences in a row."""
    return Text("{first} {second}", first=first, second=second)


@dataclass(frozen=True)
class RecordingGaps:
    """Reports where the log is incomplete: no proper end, missing steps, a recorder that gave up.

    Three facts are looked at. How the run ended, where it did not end properly. The steps without a training
    loss, where our own recorder wrote the log: they must be more than `missing` of all. The recorders
    that switched themselves off after an error of ours. Always a note.

    Why it matters: what is not in the log was not looked at either. A run that was killed can be
    better or worse than it looks, and a check that finds nothing in a gap says nothing.

    When it is wrong: runs that are ended from outside on purpose, by a time limit or a pruner.

    What to try: the messages of the scheduler or of the kernel (out of memory) at the time of the end; the
    report's section on the recording; for a recorder that failed, an issue with its error.

    Source: ours.

    Example:
        >>> run = Run("r", "r", {"loss/train": Series(np.arange(90), np.ones(90))},
        ...           info=RunInfo(status="killed"))
        >>> [(f.severity.value, f.first_step) for f in RecordingGaps().check(run)]
        [('info', 89)]
    """

    code: str = "TD901"
    name: str = "recording-gaps"
    needs: tuple[str, ...] = ()
    missing: float = 0.01

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, with everything that is missing."""
        covered = extent(run)
        if covered.length <= 0:
            return
        told: list[str] = []
        figures: dict[str, tuple[float, str]] = {}
        first = covered.last
        how = ENDINGS.get(run.info.status)
        if how:
            told.append(Text("{how} at {place}.", how=how, place=place(run, covered.last)))
            figures["ended at"] = (covered.last, x_unit(run))
        holes = self._holes(run)
        if holes:
            n, total, at = holes
            told.append(
                Text(
                    "{n} of {total} steps have no training loss, the first is {place}.",
                    n=n,
                    total=total,
                    place=place(run, at),
                )
            )
            figures |= {
                "steps without loss": (n, "steps"),
                "steps": (total, "steps"),
                "first": (at, x_unit(run)),
            }
            first = min(first, at)
        off = run.events_of("recorder-off")
        if off:
            at = min(max(off[0].step, covered.first), covered.last)
            told.append(
                Text(
                    "{n_off} recorder(s) switched themselves off, the first at {place}.",
                    n_off=len(off),
                    place=place(run, at),
                )
            )
            figures |= {"recorders off": (len(off), "recorders"), "off since": (at, x_unit(run))}
            first = min(first, at)
        if not told:
            return
        yield Finding(
            self.code,
            self.name,
            Severity.INFO,
            0.99,
            first,
            covered.last,
            Text("The log is not complete: {told}", told=reduce(_row, told)),
            *measured(figures),
            Remedy(
                Text("Judge the run by what is recorded, and see the notes on the recording for the rest.")
            ),
        )

    def _holes(self, run: Run) -> tuple[int, int, int] | None:
        """Steps without a training loss, all steps, and the first such one; None when there are hardly "
        "any."""
        losses = run.get(LOSS_TRAIN)
        if losses is None or not is_native(run) or run.info.x_unit != "optimizer steps" or len(losses) < 2:
            return None
        gaps = np.diff(losses.steps)
        usual = int(np.median(gaps))
        total = int(losses.steps[-1] - losses.steps[0]) // usual + 1
        n = total - len(losses)
        if n <= self.missing * total:
            return None
        at = int(losses.steps[int(np.argmax(gaps > usual))]) + usual
        return n, total, at
