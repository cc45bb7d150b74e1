"""What an importer has read so far: points of named series, run boundaries, facts and diagnostics."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from traindoctor.run import Event, Floats, Ints

from .thinning import Thinning

MAX_SERIES = 10_000
MAX_NAME = 300
MAX_POINTS = 8_000_000
"""Points held at once, 24 bytes each; beyond it the longest series are thinned evenly, and it is said."""

MAX_NOTES = 200


@dataclass(frozen=True)
class Meaning:
    """What a series of the source is in our terms.

    Attributes:
        name: our name, see `traindoctor.names`; "" keeps the source's own.
        split: `train`, `validation`, `test`, or "" when it belongs to none.
        better: `lower`, `higher`, or "" when the direction is unknown or there is none.
        unit: unit, "" for that of `traindoctor.names`.
        scale: factor that the recorded values are multiplied with.
        note: what a reader must know: summed over the set, before clipping, which base.
        rank: of two series with the same meaning the one with the smaller rank gets the name.
        tells_split: False when the split was assumed, because the source's name tells none.
    """

    name: str = ""
    split: str = ""
    better: str = ""
    unit: str = ""
    scale: float = 1.0
    note: str = ""
    rank: int = 0
    tells_split: bool = True


@dataclass(eq=False, slots=True)
class Points:
    """One series as read: x, value and the number of the row it came from, in file order."""

    x: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    thinning: Thinning = field(default_factory=Thinning)

    def halve(self) -> int:
        """Keep every second finite point, now and from now on; how many points were dropped."""
        values = np.frombuffer(self.values, np.float64)
        keep = self.thinning.double(values)
        self.x = array("d", np.frombuffer(self.x, np.float64)[keep].tobytes())
        self.rows = array("q", np.frombuffer(self.rows, np.int64)[keep].tobytes())
        self.values = array("d", values[keep].tobytes())
        return int(keep.size - keep.sum())


@dataclass
class Chapter:
    """What belongs to one run of the file: it begins at a row, has facts and events.

    Attributes:
        first_row: number of its first row.
        facts: fields of `RunInfo`, and `name`.
        events: what happened, at the x of the file.
    """

    first_row: int = 0
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    events: list[Event] = field(default_factory=list[Event])


class Logbook:
    """Filled by an importer, turned into runs by `assembly.runs_of`.

    Attributes:
        x_unit: what x counts: `optimizer steps`, `epochs`, `samples`, `evaluations`, `log rows`.
        series: source name -> points.
        meanings: source name -> declared meaning; the others are read from their names.
        chapters: the runs that the importer told apart; restarts of x split further.
        notes: sentence -> [how often, first place].
    """

    def __init__(self, x_unit: str = "optimizer steps") -> None:
        self.x_unit = x_unit
        self.series: dict[str, Points] = {}
        self.meanings: dict[str, Meaning] = {}
        self.chapters: list[Chapter] = [Chapter()]
        self.notes: dict[str, list[Any]] = {}
        self._row = 0
        self._n_points = 0

    def row(self, x: float, values: Mapping[str, float]) -> None:
        """Values that stand in one row of the file (one line, one event), by the source's own names.

        Leave out what is missing; NaN says that NaN was recorded. A row without a finite x is noted and
        left out.
        """
        if not math.isfinite(x):
            self.note("rows without a finite x were left out")
            return
        row, series, n = self._row, self.series, self._n_points
        for name, value in values.items():
            points = series.get(name)
            if points is None:
                points = self._new_series(name)
                if points is None:
                    continue
            if points.thinning.every > 1 and not points.thinning.keeps(value):
                continue
            points.x.append(x)
            points.values.append(value)
            points.rows.append(row)
            n += 1
        self._row = row + 1
        self._n_points = n
        if n > MAX_POINTS:
            self._thin()

    def rows(self, x: Floats, values: Mapping[str, tuple[Ints, Floats]]) -> None:
        """Several rows at once: the same as `row` for each of them.

        Args:
            x: shape (n,), finite.
            values: by the source's own names: which of the rows hold a value, increasing, and the values.
                `takes` says whether they can be taken.
        """
        for name, (at, column) in values.items():
            points = self.series[name]
            if points.thinning.every > 1:
                keep = points.thinning.mask(column)
                at, column = at[keep], column[keep]
            points.x.frombytes(x[at].tobytes())
            points.values.frombytes(column.tobytes())
            points.rows.frombytes((at + self._row).tobytes())
            self._n_points += at.size
        self._row += x.size

    def takes(self, names: Iterable[str], n_points: int) -> bool:
        """Whether `rows` takes that many points: all names are known, and nothing at hand need be thinned."""
        return self._n_points + n_points <= MAX_POINTS and all(name in self.series for name in names)

    def columns(self, name: str, x: Any, values: Any, rows: Any = None) -> None:
        """A whole series at once, or the next piece of one.

        Args:
            name: the source's name.
            x: shape (n,).
            values: shape (n,).
            rows: shape (n,), numbers of the rows that the points stand in, increasing and not below those
                already there; needed where several series were written in turn, so that a restart is seen at
                the same place in all. None: the n rows that follow.
        """
        x, values = np.asarray(x, np.float64), np.asarray(values, np.float64)
        rows = np.arange(self._row, self._row + x.size) if rows is None else rows
        rows = np.asarray(rows, np.int64)
        finite = np.isfinite(x)
        if not finite.all():
            self.note("rows without a finite x were left out")
            x, values, rows = x[finite], values[finite], rows[finite]
        points = self.series.get(name) or self._new_series(name)
        if points is None or not x.size:
            return
        last_row = int(rows[-1])
        if points.thinning.every > 1:
            keep = points.thinning.mask(values)
            x, values, rows = x[keep], values[keep], rows[keep]
        points.x.frombytes(x.tobytes())
        points.values.frombytes(values.tobytes())
        points.rows.frombytes(rows.tobytes())
        self._row = max(self._row, last_row + 1)
        self._n_points += int(x.size)
        while self._n_points > MAX_POINTS:
            self._thin()

    def declare(self, source_name: str, meaning: Meaning) -> None:
        """Say what a series of the source is, where its name alone does not."""
        self.meanings[source_name] = meaning

    def new_run(self, name: str = "") -> None:
        """What follows belongs to another run. Without a row since the last boundary, nothing is split."""
        if self._row > self.chapters[-1].first_row or (self.chapters[-1].facts and name):
            self.chapters.append(Chapter(self._row))
        if name:
            self.fact(name=name)

    def fact(self, **facts: Any) -> None:
        """Fields of `RunInfo` (and `name`) of the current run; `config` and `environment` are merged."""
        known = self.chapters[-1].facts
        for key, value in facts.items():
            if key in ("config", "environment"):
                value = {**known.get(key, {}), **value}
            known[key] = value

    def event(self, x: float, kind: str, **data: Any) -> None:
        """Something that happened at x of the current run: `amp-skip`, `epoch`, `exception`, `note`."""
        if math.isfinite(x) and len(self.chapters[-1].events) < 100_000:
            self.chapters[-1].events.append(Event(int(x), kind, data))

    def note(self, sentence: str, *, line: int | None = None, byte: int | None = None) -> None:
        """A diagnostic: what was skipped, guessed, ambiguous or damaged.

        The same sentence again is counted; the first place is kept.
        """
        known = self.notes.get(sentence)
        if known is not None:
            known[0] += 1
        elif len(self.notes) < MAX_NOTES:
            place = f"line {line}" if line is not None else f"byte {byte}" if byte is not None else ""
            self.notes[sentence] = [1, place]

    def sentences(self) -> list[str]:
        """The diagnostics with count and first place."""
        out: list[str] = []
        for sentence, (count, place) in self.notes.items():
            parts = [
                f"{count} times" if count > 1 else "",
                f"first at {place}" if count > 1 else f"at {place}",
            ]
            where = ", ".join(part for part in (parts if place else parts[:1]) if part)
            out.append(f"{sentence} ({where})" if where else sentence)
        return out

    @property
    def n_rows(self) -> int:
        """Rows read so far."""
        return self._row

    def _new_series(self, name: str) -> Points | None:
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
            self.note(f"series with an empty name or one of more than {MAX_NAME} characters were left out")
            return None
        if len(self.series) >= MAX_SERIES:
            self.note(f"more than {MAX_SERIES} series: the others were left out")
            return None
        return self.series.setdefault(name, Points())

    def _thin(self) -> None:
        self._n_points -= max(self.series.values(), key=lambda points: len(points.x)).halve()
