"""A growing run log: what was added to a few series since one looked last."""

from __future__ import annotations

import struct
from collections.abc import Collection
from pathlib import Path

from traindoctor.errors import UnreadableLogError
from traindoctor.runlog import SUFFIX, Kind, LogReader
from traindoctor.runlog_format import HEADER, decode_rows

Points = list[tuple[int, float]]


class LiveLog:
    """Follows the log of a run while another process writes it; of several ranks the lowest one's.

    Reads each byte once. A frame that is not whole yet is left for the next look.
    """

    def __init__(self, folder: Path, names: Collection[str]) -> None:
        self._folder = folder
        self._names = frozenset(names)
        self._file: Path | None = None
        self._read = 0

    def new(self) -> dict[str, Points]:
        """The (step, value) pairs added to each of the series, in log order; {} when nothing was."""
        if self._file is None:
            files = sorted(self._folder.glob(f"*{SUFFIX}"))
            if not files:
                return {}
            self._file = files[0]
        found: dict[str, Points] = {}
        try:
            if self._file.stat().st_size <= self._read:
                return {}
            for frame in LogReader(self._file, start=self._read):
                self._read = frame.offset + HEADER.size + len(frame.payload)
                if frame.kind == Kind.ROWS:
                    self._take(frame.payload, found)
        except (UnreadableLogError, OSError):  # nothing whole since the last look
            pass
        return found

    def _take(self, payload: bytes, found: dict[str, Points]) -> None:
        try:
            columns = decode_rows(payload).columns
        except (ValueError, LookupError, struct.error):
            return
        for name in self._names.intersection(columns):
            steps, values = columns[name]
            found.setdefault(name, []).extend(
                (int(step), float(value)) for step, value in zip(steps, values, strict=True)
            )
