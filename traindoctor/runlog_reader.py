"""Reads a run log, whole or damaged, and says what is missing (docs/run-log.md). Standard library only."""

from __future__ import annotations

import os
import stat
import zlib
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .errors import UnreadableLogError
from .runlog_format import HEADER, MAGIC, MAX_PAYLOAD, SUFFIX, Frame, mask_crc

_CHUNK = 1 << 22


@dataclass
class LogReader:
    """Reads a run log, damaged or not, in bounded memory and time.

    Iterating yields every intact frame once, in file order; bytes in between are skipped up to the next
    magic.

    Attributes:
        path: the file.
        start: byte to begin at; above 0 only the tail is read, and what is missing before it is no damage.
        damage: after iteration, one sentence per damaged place, with byte offsets (at most 100).
        n_damaged: after iteration, number of damaged places.

    Raises:
        UnreadableLogError: on iteration, when the file cannot be opened, is no regular file or holds no
            intact frame.
    """

    path: Path
    start: int = 0
    damage: list[str] = field(default_factory=list[str])
    n_damaged: int = 0

    def __iter__(self) -> Iterator[Frame]:
        ledger = _Ledger()
        try:
            with _open_regular(self.path) as file:
                size = os.fstat(file.fileno()).st_size
                for frame, stream in self._intact(_Window(file, size), size):
                    if ledger.accept(stream, frame.sequence, whole=self.start == 0):
                        yield frame
        except OSError as error:
            raise UnreadableLogError(f"cannot read {self.path}: {error.strerror}") from error
        for sentence in ledger.sentences(whole=self.start == 0):
            self._note(sentence)
        if ledger.stream is None:
            raise UnreadableLogError(
                f"{self.path} is not a traindoctor run log: expected frames that start with {MAGIC!r}, "
                f"found none that is intact in {size} bytes; choose a {SUFFIX} file that traindoctor wrote"
            )

    def _intact(self, window: _Window, size: int) -> Iterator[tuple[Frame, int]]:
        at, wasted, damaged_from = self.start, 0, -1
        while at < size:
            found = window.frame_at(at)
            if found is not None:
                self._note_place(damaged_from, at, size)
                damaged_from = -1
                yield found
                at += HEADER.size + len(found[0].payload)
                continue
            # A hostile file may promise a long frame at every byte; checking them all would take forever.
            wasted += window.promised
            if wasted > 4 * size + MAX_PAYLOAD:
                self._note(f"too much of the file is damaged; reading stopped at byte {at} of {size}")
                return
            damaged_from = at if damaged_from < 0 else damaged_from
            at = window.next_magic(at + 1)
        self._note_place(damaged_from, size, size)

    def _note_place(self, begin: int, end: int, size: int) -> None:
        if begin < 0 or begin == self.start > 0:
            return
        if end < size:
            self._note(f"bytes {begin}..{end - 1} are damaged")
        else:
            self._note(f"the last {size - begin} bytes (from byte {begin}) are torn or damaged")

    def _note(self, sentence: str) -> None:
        self.n_damaged += 1
        if len(self.damage) < 100:
            self.damage.append(sentence)


def _open_regular(path: Path) -> BinaryIO:
    # O_NONBLOCK: opening a FIFO must not wait for a writer before fstat can refuse it.
    flags = (getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
    fd = os.open(path, sum(flags, os.O_RDONLY))
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnreadableLogError(f"expected a run log, found no regular file at {path}")
    return open(fd, "rb", buffering=0)


class _Window:
    """The part of the file that is in memory: a few MiB, or one frame when that is longer."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.promised = 0
        self._file = file
        self._size = size
        self._base = 0
        self._data = b""

    def frame_at(self, at: int) -> tuple[Frame, int] | None:
        """The intact frame that begins at byte `at` and its stream; else None.

        `promised` is then the number of bytes that were checked in vain.
        """
        self.promised = 0
        here = self._load(at, HEADER.size)
        if here < 0:
            return None
        magic, kind, stream, sequence, length, crc = HEADER.unpack_from(self._data, here)
        if magic != MAGIC or not 0 < length <= MAX_PAYLOAD:
            return None
        here = self._load(at, HEADER.size + length)
        if here < 0:
            return None
        begin = here + HEADER.size
        payload = self._data[begin : begin + length]
        if mask_crc(zlib.crc32(payload, zlib.crc32(self._data[here + 4 : here + 20]))) != crc:
            self.promised = length
            return None
        return Frame(kind, sequence, at, payload), stream

    def next_magic(self, start: int) -> int:
        """Offset of the next magic at or after `start`; the size of the file when there is none."""
        while self._load(start, len(MAGIC)) >= 0:
            found = self._data.find(MAGIC, start - self._base)
            if found >= 0:
                return self._base + found
            start = max(start + 1, self._base + len(self._data) - len(MAGIC) + 1)
        return self._size

    def _load(self, at: int, count: int) -> int:
        """Index in the data of byte `at`, `count` bytes from there being loaded; -1 if the file is short."""
        here = at - self._base
        if here >= 0 and here + count <= len(self._data):
            return here
        if at + count > self._size:
            return -1
        self._file.seek(at)
        self._data, self._base = b"", at
        parts: list[bytes] = []
        missing = min(max(count, _CHUNK), self._size - at)
        while missing > 0 and (part := self._file.read(missing)):
            parts.append(part)
            missing -= len(part)
        self._data = b"".join(parts)
        return 0 if len(self._data) >= count else -1


class _Ledger:
    """Which frames have been seen, so that copies and frames of other logs are left out."""

    def __init__(self) -> None:
        self.stream: int | None = None
        self._next = 0
        self._gaps: list[range] = []
        self._late: set[int] = set()
        self._copies = 0
        self._foreign = 0

    def accept(self, stream: int, sequence: int, *, whole: bool) -> bool:
        """Whether a frame belongs to this log and is new."""
        if self.stream is None:
            self.stream = stream
            self._next = 0 if whole else sequence
        if stream != self.stream:
            self._foreign += 1
            return False
        if sequence >= self._next:
            if sequence > self._next:
                self._gaps.append(range(self._next, sequence))
            self._next = sequence + 1
            return True
        position = bisect(self._gaps, sequence, key=lambda gap: gap.start) - 1
        if position >= 0 and sequence in self._gaps[position] and sequence not in self._late:
            self._late.add(sequence)
            return True
        self._copies += 1
        return False

    def sentences(self, *, whole: bool) -> Iterator[str]:
        """What was left out or is missing."""
        if self._foreign:
            yield f"{self._foreign} frames of another log were left out"
        if self._copies:
            yield f"{self._copies} frames appear twice; the copies were left out"
        missing = sum(map(len, self._gaps)) - len(self._late)
        if missing and whole:
            yield f"{missing} of {self._next} frames are missing"
