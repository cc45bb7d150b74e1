"""From a logbook to runs: split at restarts, name the series, build what the analyzer reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from traindoctor import names
from traindoctor.run import Event, Floats, Ints, Run, RunInfo, Series, SeriesInfo

from .logbook import Logbook
from .naming import Named, named_series
from .restarts import Boundary, boundaries, is_disordered


@dataclass(frozen=True, eq=False)
class Part:
    """The points of one run: source name -> x, values and rows, in file order."""

    first_row: int
    arrays: Mapping[str, tuple[Floats, Floats, Ints]]
    facts: Mapping[str, Any]
    events: Sequence[Event]
    resumes: Sequence[Boundary]


def runs_of(log: Logbook, *, source: str, path: str, stem: str, extra: Sequence[str] = ()) -> list[Run]:
    """The runs that a log holds, in file order; one without series when it holds none.

    Args:
        log: filled by an importer.
        source: the format in words.
        path: what was read.
        stem: what to call a run that has no name of its own.
        extra: diagnostics that did not come from the importer.
    """
    parts = [part for part in _parts(log) if part.arrays] or [_empty_part(log)]
    out: list[Run] = []
    for number, part in enumerate(parts, 1):
        name = str(part.facts.get("name") or (stem if len(parts) == 1 else f"{stem} #{number}"))[:200]
        sentences = [*log.sentences(), *extra]
        run = _run(log, part, source, path, name, sentences)
        if out and not part.facts.get("name") and _is_copy(run, out[-1]):
            note = f"{name} holds the same numbers as the run before it: the log was written twice"
            out[-1] = replace(
                out[-1], info=replace(out[-1].info, diagnostics=(*out[-1].info.diagnostics, note))
            )
        else:
            out.append(run)
    return out


def _is_copy(run: Run, other: Run) -> bool:
    if not run.series or run.series.keys() != other.series.keys():
        return False
    pairs = ((series, other.series[name]) for name, series in run.series.items())
    return all(
        np.array_equal(a.steps, b.steps) and np.array_equal(a.values, b.values, equal_nan=True)
        for a, b in pairs
    )


def _parts(log: Logbook) -> list[Part]:
    starts = [chapter.first_row for chapter in log.chapters]
    found = boundaries(log.series, starts)
    edges = sorted({*starts, *(b.row for b in found if b.is_new_run)})
    return [
        _part(log, first, edges[i + 1] if i + 1 < len(edges) else log.n_rows, found)
        for i, first in enumerate(edges)
    ]


def _part(log: Logbook, first: int, end: int, found: Sequence[Boundary]) -> Part:
    arrays: dict[str, tuple[Floats, Floats, Ints]] = {}
    for name, points in log.series.items():
        rows = np.frombuffer(points.rows, np.int64)
        lo, hi = np.searchsorted(rows, [first, end])
        if lo < hi:
            x, values = np.frombuffer(points.x, np.float64), np.frombuffer(points.values, np.float64)
            arrays[name] = x[lo:hi], values[lo:hi], rows[lo:hi]
    chapter = max((c for c in log.chapters if c.first_row <= first), key=lambda c: c.first_row)
    resumes = [b for b in found if first < b.row < end and not b.is_new_run]
    return Part(first, arrays, chapter.facts, chapter.events, resumes)


def _empty_part(log: Logbook) -> Part:
    return Part(0, {}, log.chapters[-1].facts, log.chapters[-1].events, ())


def _run(log: Logbook, part: Part, source: str, path: str, name: str, sentences: list[str]) -> Run:
    axis = Axis.of(part, log.x_unit)
    notes = [*sentences, *axis.notes]
    plain: dict[str, tuple[Series, int]] = {}
    for source_name, (x, values, rows) in part.arrays.items():
        plain[source_name] = _series(axis.whole(x), values, rows)
    replaced = sum(n for _, n in plain.values())
    if replaced:
        notes.append(
            f"{replaced} points were logged again at the same x or after a resume; the later ones count"
        )
    thinned = max((log.series[n].thinning.every for n in plain), default=1)
    if thinned > 1:
        notes.append(
            f"the log holds more points than are kept in memory: of the longest series one point in "
            f"{thinned} is kept, and all values that are not finite"
        )
    named, naming_notes = named_series({n: s for n, (s, _) in plain.items()}, log.meanings)
    notes += naming_notes
    series = {ours: found.series for ours, found in named.items()}
    if axis.epochs is not None and names.EPOCH not in series:
        series[names.EPOCH] = axis.epochs
    info = _info(part, named, axis, source, path, notes)
    events = sorted((*_events(part, axis), *_resumed(part, axis)), key=lambda e: e.step)
    return Run(_safe_id(name), name, series, {}, events, None, info)


@dataclass(frozen=True, eq=False)
class Axis:
    """The whole-numbered x axis of a run.

    Attributes:
        unit: what it counts.
        marks: the source's x, sorted and distinct, when they are no whole numbers; a point's x is then its
            position among them.
        epochs: the source's fractional epochs over the positions, if it counts those.
        notes: what was done to the axis.
    """

    unit: str
    marks: Floats | None = None
    epochs: Series | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, part: Part, unit: str) -> Axis:
        """The axis of one run."""
        pieces = [x for x, _, _ in part.arrays.values()]
        x = np.unique(np.concatenate(pieces)) if pieces else np.empty(0)
        if np.all(np.abs(x) < 2.0**53) and np.all(x == np.round(x)):
            return cls(unit)
        epochs = Series(np.arange(x.size), x) if unit == "epochs" else None
        note = (
            f"the source counts fractions ({unit} from {x[0]:g} to {x[-1]:g}); "
            "x is the position of the row among all rows"
        )
        return cls("log rows", x, epochs, (note,))

    def whole(self, x: Floats) -> Ints:
        """Whole-numbered positions of some x, same shape."""
        if self.marks is None:
            return x.astype(np.int64)
        return np.searchsorted(self.marks, x).astype(np.int64)


def _series(x: Ints, values: Floats, rows: Ints) -> tuple[Series, int]:
    """The series of one run, and how many points later ones replaced by other values."""
    if x.size > 1 and is_disordered(x.astype(np.float64), rows):
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
    # A point stays unless a later one stands at the same x or before it: resumes rewrite what they repeat.
    later = np.minimum.accumulate(x[::-1])[::-1]
    keep = np.ones(x.size, bool)
    keep[:-1] = x[:-1] < later[1:]
    kept = Series(x[keep], values[keep])
    gone, replaced = values[~keep], kept.at(x[~keep])
    same = (gone == replaced) | (np.isnan(gone) & np.isnan(replaced))
    return kept, int(gone.size - same.sum())


def _info(
    part: Part, named: Mapping[str, Named], axis: Axis, source: str, path: str, notes: Sequence[str]
) -> RunInfo:
    facts = {key: value for key, value in part.facts.items() if key != "name"}
    facts.setdefault("loss_role", _objective(named))
    diagnostics = tuple(dict.fromkeys(notes))
    meanings = {ours: _series_info(found) for ours, found in named.items()}
    return RunInfo(
        source=source, path=path, x_unit=axis.unit, diagnostics=diagnostics, series=meanings, **facts
    )


def _series_info(found: Named) -> SeriesInfo:
    meaning = found.meaning
    return SeriesInfo(found.source_name, meaning.split, meaning.better, meaning.unit, meaning.note)


def _objective(named: Mapping[str, Named]) -> str:
    """`gan` where the source logs a generator's and a discriminator's loss, else `progress`."""
    both = {
        letter
        for found in named.values()
        for letter in re.findall(r"(?:^|_)([dg])(?:_[a-z]+)?_loss/", f"{found.name}/")
    }
    return "gan" if both >= {"d", "g"} else "progress"


def _events(part: Part, axis: Axis) -> list[Event]:
    moved = axis.marks is not None
    return [
        replace(e, step=int(np.searchsorted(axis.marks, e.step))) if moved else e  # type: ignore[arg-type]
        for e in part.events
    ]


def _resumed(part: Part, axis: Axis) -> list[Event]:
    return [
        Event(int(axis.whole(np.array([b.x]))[0]), "resume", {"from": b.before, "series": b.series})
        for b in part.resumes
    ]


def _safe_id(name: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:80]
    return kept or "run"
