"""One process's log as series, events and facts, with a sentence for everything that was left out."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from traindoctor.run import Event, Predictions, RunStatus, Series
from traindoctor.runlog import VERSION, Frame, Kind, LogReader, decode_predictions
from traindoctor.text import Text

from .blocks import Blocks
from .columns import Columns
from .facts import WrongTypeError, number, parse_json, text, texts, whole

MAX_EVENTS = 200_000


@dataclass
class ProcessLog:
    """What one process recorded.

    Attributes:
        path: its file.
        header: first frame; {} when it is damaged.
        meta: facts, later frames over earlier ones; `diagnostics` of all frames together.
        series: name -> series.
        parameters: quantity -> parameter -> series.
        events: in log order.
        predictions: the last ones.
        end: last frame, None when the process did not end in an orderly way (or still runs).
        notes: what was skipped or damaged, in sentences.
    """

    path: Path
    header: dict[str, Any] = field(default_factory=dict[str, Any])
    meta: dict[str, Any] = field(default_factory=dict[str, Any])
    series: dict[str, Series] = field(default_factory=dict[str, Series])
    parameters: dict[str, dict[str, Series]] = field(default_factory=dict[str, dict[str, Series]])
    events: list[Event] = field(default_factory=list[Event])
    predictions: Predictions | None = None
    end: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list[str])

    @property
    def rank(self) -> int:
        """Rank of the process, 0 when unknown."""
        return self._number("rank")

    @property
    def attempt(self) -> int:
        """How often the run had been restarted before, 0 when unknown."""
        return self._number("attempt")

    @property
    def started(self) -> float:
        """Start of the process in seconds since 1970, 0 when unknown."""
        try:
            value = number(self.header.get("started", 0.0))
        except WrongTypeError:
            return 0.0
        return value if math.isfinite(value) else 0.0

    @property
    def first_step(self) -> int | None:
        """Earliest step of any series, None when nothing was recorded."""
        tables = (self.series, *self.parameters.values())
        return min((int(s.steps[0]) for table in tables for s in table.values()), default=None)

    @property
    def n_steps(self) -> int:
        """One more than the last step of any series."""
        return max((int(s.steps[-1]) + 1 for s in self.series.values()), default=0)

    @property
    def ended(self) -> RunStatus | None:
        """`finished` or `failed` from the END frame, None without one."""
        return None if self.end is None else end_status(self.end)

    def _number(self, key: str) -> int:
        try:
            return max(0, whole(self.header.get(key, 0)))
        except WrongTypeError:
            return 0


def end_status(end: Mapping[str, Any]) -> RunStatus:
    """`failed` if the END frame says so, names an exception or an exit code other than 0; else `finished`."""
    said, code = end.get("status"), end.get("exit_code")
    has_failed = bool(end.get("exception")) or (isinstance(code, int) and code != 0)
    if said in ("finished", "failed"):
        has_failed = said == "failed"
    return "failed" if has_failed else "finished"


def read_process_log(path: Path) -> ProcessLog:
    """Read one log file.

    Raises:
        UnreadableLogError: it cannot be opened, is no regular file or holds no intact frame.
    """
    log = ProcessLog(path)
    reading = _Reading(log)
    frames = LogReader(path)
    for frame in frames:
        reading.take(frame)
    reading.finish()
    log.notes[:0] = frames.damage
    if frames.n_damaged > len(frames.damage):
        log.notes.append(f"{frames.n_damaged - len(frames.damage)} more places are damaged")
    return log


class _Reading:
    """The state while the frames of one log go by."""

    def __init__(self, log: ProcessLog) -> None:
        self.log = log
        self.columns = Columns()
        self.blocks = Blocks()
        self.unknown: Counter[int] = Counter()
        self.wrong_notes: list[str] = []
        self.n_wrong = 0
        self.n_events_refused = 0
        self.diagnostics: dict[str, None] = {}
        self.takers: dict[int, Callable[[Frame], None]] = {
            Kind.HEADER: self._header,
            Kind.META: self._meta,
            Kind.ROWS: lambda frame: self.columns.add(frame.sequence, frame.payload),
            Kind.LAYOUT: lambda frame: self.blocks.add_layout(frame.payload),
            Kind.BLOCK: lambda frame: self.blocks.add(frame.sequence, frame.payload),
            Kind.EVENT: self._event,
            Kind.PREDICTIONS: self._predictions,
            Kind.END: self._end,
        }

    def take(self, frame: Frame) -> None:
        take = self.takers.get(frame.kind)
        if take is None:
            self.unknown[frame.kind] += 1
            return
        try:
            take(frame)
        except WrongTypeError as error:
            self.n_wrong += 1
            if len(self.wrong_notes) < 20:
                kind = Kind(frame.kind).name
                self.wrong_notes.append(f"byte {frame.offset}: {kind} frame left out: {error}")

    def _header(self, frame: Frame) -> None:
        self.log.header = parse_json(frame.payload)
        version = self.log.header.get("version")
        if version != VERSION:
            self.log.notes.append(
                f"the log has format version {str(version)[:20]}, this reader knows {VERSION}; "
                "what it does not know was left out"
            )

    def _meta(self, frame: Frame) -> None:
        facts = parse_json(frame.payload)
        sentences = texts(facts.pop("diagnostics", []))
        if len(self.diagnostics) < 1000:
            self.diagnostics.update(dict.fromkeys(sentences[:1000]))
        self.log.meta.update(facts)

    def _event(self, frame: Frame) -> None:
        if len(self.log.events) >= MAX_EVENTS:
            self.n_events_refused += 1
            return
        facts = parse_json(frame.payload)
        step, kind = whole(facts.pop("step", None)), text(facts.pop("kind", None))
        self.log.events.append(Event(step, kind, facts))

    def _predictions(self, frame: Frame) -> None:
        try:
            facts, y_true, y_score = decode_predictions(frame.payload)
        except (ValueError, LookupError, TypeError, RecursionError, struct.error) as error:
            raise WrongTypeError(f"expected labels and scores, found something else ({error})") from None
        given = {key: text(facts[key]) for key in ("kind", "split", "source") if key in facts}
        if y_score.ndim not in (1, 2):
            raise WrongTypeError(f"expected scores in one or two dimensions, found {y_score.ndim}")
        step, classes = whole(facts.get("step", 0)), texts(facts.get("classes", []))
        self.log.predictions = Predictions(y_true, y_score, step, classes, **given)

    def _end(self, frame: Frame) -> None:
        self.log.end = parse_json(frame.payload)

    def finish(self) -> None:
        log = self.log
        log.series = self.columns.series()
        log.parameters = self.blocks.parameters()
        log.meta["diagnostics"] = list(self.diagnostics)
        log.notes += self.wrong_notes
        n_more = self.n_wrong - len(self.wrong_notes)
        if n_more:
            log.notes.append(f"{n_more} more frames of a wrong type were left out")
        if self.unknown:
            kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(self.unknown.items()))
            log.notes.append(f"frames of unknown kinds, made by a later version, were left out: {kinds}")
        n_outside = self.columns.n_outside + self.blocks.n_outside
        notes = (
            Text("{n} rows of scalars that contradict themselves were left out", n=self.columns.n_bad),
            Text(
                "{n} blocks of parameter statistics without an intact layout were left out",
                n=self.blocks.n_bad,
            ),
            Text("{n} values at impossible steps were left out", n=n_outside),
            Text(
                "{n} series beyond the allowed number or length of name were left out",
                n=self.columns.n_names_refused,
            ),
            Text(
                "{n} events beyond the first {most} were left out", n=self.n_events_refused, most=MAX_EVENTS
            ),
            Text(
                "{n} frames could not be written while the run went on (disk full or failing)",
                n=_dropped(log.end),
            ),
        )
        log.notes += [note for note in notes if note.values["n"]]


def _dropped(end: Mapping[str, Any] | None) -> int:
    count = (end or {}).get("dropped_frames", 0)
    return count if isinstance(count, int) and not isinstance(count, bool) else 0
