"""The run log: frame format, writer and reader (docs/run-log.md). Standard library and numpy only."""

from __future__ import annotations

import json
import os
import secrets
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UnreadableLogError
from .run import Floats, Ints

VERSION = 1
SUFFIX = ".tdlog"
MAGIC = b"\x89TDF"
MAX_PAYLOAD = 1 << 26
"""A longer frame is damage: nothing the writer makes comes near 64 MiB."""

_HEADER = struct.Struct("<4sB3xIIII")  # magic, kind, pad, stream, sequence, length, crc
_CRC_PART = struct.Struct("<B3xIII")
_ROWS = struct.Struct("<HI")  # length of the names, number of rows
_BLOCK = struct.Struct("<Iq")  # layout id, step
_ARRAYS = struct.Struct("<I")  # length of the JSON part
_LAYOUT_EVERY = 64
_ABSENT, _FULL, _SPARSE = 0, 1, 2


class Kind(IntEnum):
    """What a frame holds. Unknown kinds are skipped, so a later version may add some."""

    HEADER = 1  # JSON: the log itself (first frame)
    META = 2  # JSON: facts about the run; later frames update earlier ones, key by key
    ROWS = 3  # scalars: named float64 columns over their steps
    LAYOUT = 4  # JSON: quantity and parameter names of the blocks
    BLOCK = 5  # per-parameter statistics of one step, float32
    EVENT = 6  # JSON: {"step", "kind", ...}
    PREDICTIONS = 7  # JSON + labels + scores
    END = 8  # JSON: how the process ended (absent when it was killed)


@dataclass(frozen=True)
class Frame:
    """One intact frame.

    Attributes:
        kind: see `Kind`; the raw number, which may be unknown.
        sequence: position in its stream, 0-based.
        offset: byte at which it starts.
        payload: its content, CRC-checked.
    """

    kind: int
    sequence: int
    offset: int
    payload: bytes


@dataclass(frozen=True, eq=False)
class Rows:
    """Named scalar columns. `columns[name]` is (steps, values): only the steps at which it was recorded."""

    columns: Mapping[str, tuple[Ints, Floats]]


@dataclass(frozen=True, eq=False)
class Block:
    """Per-parameter statistics of one step.

    Attributes:
        layout: id of the layout that names rows and columns.
        step: optimizer step.
        values: shape (n_quantities, n_parameters), float32; meaningless where `present` is False.
        present: same shape; False where the value was not recorded.
    """

    layout: int
    step: int
    values: NDArray[np.float32]
    present: NDArray[np.bool_]


def masked_crc(kind: int, stream: int, sequence: int, payload: bytes) -> int:
    """CRC-32 over kind, stream, sequence, length and payload, rotated and offset so that zeros never match."""
    crc = zlib.crc32(payload, zlib.crc32(_CRC_PART.pack(kind, stream, sequence, len(payload))))
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def encode_rows(steps: Ints, columns: Mapping[str, Floats], present: Mapping[str, NDArray[np.bool_]] | None = None) -> bytes:
    """Scalar rows as a payload.

    Args:
        steps: shape (n,), optimizer steps.
        columns: name -> values, shape (n,).
        present: name -> shape (n,), False where the value was not recorded; a missing name means all were.
    """
    names = "\x1f".join(columns).encode()
    parts = [_ROWS.pack(len(names), len(steps)), names, np.ascontiguousarray(steps, "<i8").tobytes()]
    for name, values in columns.items():
        mask = None if present is None else present.get(name)
        if mask is None or bool(mask.all()):
            parts += [bytes([_FULL]), np.ascontiguousarray(values, "<f8").tobytes()]
        elif not bool(mask.any()):
            parts.append(bytes([_ABSENT]))
        else:
            parts += [bytes([_SPARSE]), np.packbits(mask).tobytes(), np.ascontiguousarray(values[mask], "<f8").tobytes()]
    return b"".join(parts)


def decode_rows(payload: bytes) -> Rows:
    """The inverse of `encode_rows`."""
    n_names, n = _ROWS.unpack_from(payload)
    at = _ROWS.size + n_names
    names = payload[_ROWS.size : at].decode().split("\x1f")
    steps = np.frombuffer(payload, "<i8", n, at).astype(np.int64)
    at += 8 * n
    columns: dict[str, tuple[Ints, Floats]] = {}
    for name in names:
        mode = payload[at]
        at += 1
        if mode == _ABSENT:
            continue
        at_steps = steps
        if mode == _SPARSE:
            mask = np.unpackbits(np.frombuffer(payload, np.uint8, (n + 7) // 8, at), count=n).astype(bool)
            at += (n + 7) // 8
            at_steps = steps[mask]
        values = np.frombuffer(payload, "<f8", len(at_steps), at).astype(np.float64)
        at += 8 * len(at_steps)
        columns[name] = (at_steps, values)
    return Rows(columns)


def encode_block(layout: int, step: int, values: NDArray[np.float32], present: NDArray[np.bool_] | None = None) -> bytes:
    """Per-parameter statistics of one step as a payload; see `Block`."""
    shape = struct.pack("<II", *values.shape)
    mask = np.ones(values.shape, dtype=bool) if present is None else present
    return b"".join(
        [_BLOCK.pack(layout, step), shape, np.packbits(mask).tobytes(), np.ascontiguousarray(values, "<f4").tobytes()]
    )


def decode_block(payload: bytes) -> Block:
    """The inverse of `encode_block`."""
    layout, step = _BLOCK.unpack_from(payload)
    rows, columns = struct.unpack_from("<II", payload, _BLOCK.size)
    at = _BLOCK.size + 8
    n = rows * columns
    mask = np.unpackbits(np.frombuffer(payload, np.uint8, (n + 7) // 8, at), count=n).astype(bool)
    values = np.frombuffer(payload, "<f4", n, at + (n + 7) // 8).astype(np.float32)
    return Block(layout, step, values.reshape(rows, columns), mask.reshape(rows, columns))


def encode_predictions(facts: Mapping[str, Any], y_true: Ints, y_score: Floats) -> bytes:
    """Labels and scores as a payload; `facts` holds the other fields of `traindoctor.run.Predictions`."""
    text = json.dumps({**facts, "shape": list(y_score.shape)}).encode()
    scores = np.ascontiguousarray(y_score, "<f4").tobytes()
    return b"".join([_ARRAYS.pack(len(text)), text, np.ascontiguousarray(y_true, "<i8").tobytes(), scores])


def decode_predictions(payload: bytes) -> tuple[dict[str, Any], Ints, Floats]:
    """The inverse of `encode_predictions`: facts, labels (n,), scores (n,) or (n, n_classes)."""
    (length,) = _ARRAYS.unpack_from(payload)
    at = _ARRAYS.size + length
    facts: dict[str, Any] = json.loads(payload[_ARRAYS.size : at])
    shape = tuple(facts.pop("shape"))
    y_true = np.frombuffer(payload, "<i8", shape[0], at).astype(np.int64)
    count = int(np.prod(shape))
    scores = np.frombuffer(payload, "<f4", count, at + 8 * shape[0]).astype(np.float64)
    return facts, y_true, scores.reshape(shape)


class LogWriter:
    """Appends frames to a file of its own: one `write` per flush, never a read, a seek or a lock.

    Writing never raises: a full or failing disk drops the pending frames, counts them in `dropped`,
    keeps the sentence in `last_error`, and the next flush tries again. A forked child writes nothing.

    Args:
        path: a file that does not exist yet.
        header: JSON values about the process; `version` and `stream` are added.

    Raises:
        OSError: the file could not be created (before any training step).
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self.path = path
        self.dropped = 0
        self.last_error = ""
        self._fd = os.open(path, flags, 0o644)
        self._pid = os.getpid()
        self._stream = secrets.randbits(32)
        self._sequence = 0
        self._pending: list[bytes] = []
        self._layouts: dict[int, tuple[bytes, int]] = {}
        self.append_json(Kind.HEADER, {"version": VERSION, "stream": self._stream, **header})

    def append(self, kind: Kind, payload: bytes) -> None:
        """Queue one frame; it reaches the file at the next `flush`."""
        crc = masked_crc(kind, self._stream, self._sequence, payload)
        head = _HEADER.pack(MAGIC, kind, self._stream, self._sequence, len(payload), crc)
        self._pending += [head, payload]
        self._sequence += 1

    def append_json(self, kind: Kind, value: Mapping[str, Any]) -> None:
        """Queue a frame of JSON; values json cannot express become their text."""
        self.append(kind, json.dumps(value, default=str, separators=(",", ":")).encode())

    def append_block(
        self, quantities: Sequence[str], parameters: Sequence[str], step: int,
        values: NDArray[np.float32], present: NDArray[np.bool_] | None = None,
    ) -> None:
        """Queue per-parameter statistics of one step; the layout is repeated now and then, so a lost one costs little."""
        text = json.dumps({"quantities": list(quantities), "parameters": list(parameters)}, separators=(",", ":")).encode()
        layout = zlib.crc32(text)
        _, uses = self._layouts.get(layout, (text, 0))
        if uses % _LAYOUT_EVERY == 0:
            self.append(Kind.LAYOUT, text)
        self._layouts[layout] = (text, uses + 1)
        self.append(Kind.BLOCK, encode_block(layout, step, values, present))

    def flush(self) -> bool:
        """Write what is queued with one system call; False when it could not be written."""
        if not self._pending or os.getpid() != self._pid:
            return True
        frames, self._pending = len(self._pending) // 2, [b"".join(self._pending)]
        data = memoryview(self._pending.pop())
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self.dropped += frames
            self.last_error = f"{error.strerror} while writing {self.path}"
            return False
        return True

    def sync(self) -> None:
        """Ask the kernel to put the file on disk; for a background thread, errors are ignored."""
        try:
            os.fdatasync(self._fd)
        except OSError:
            return

    def close(self, end: Mapping[str, Any]) -> None:
        """Write the END frame and close. Safe to call twice and in a forked child."""
        if self._fd < 0 or os.getpid() != self._pid:
            return
        self.append_json(Kind.END, {**end, "dropped_frames": self.dropped})
        self.flush()
        os.close(self._fd)
        self._fd = -1


@dataclass
class LogReader:
    """Reads a run log, damaged or not.

    Iterating yields every intact frame once; bytes in between are skipped up to the next magic.

    Attributes:
        path: the file.
        damage: after iteration, one sentence per damaged place, with byte offsets (at most 100).
        n_damaged: after iteration, number of damaged places.

    Raises:
        UnreadableLogError: on iteration, when the file cannot be opened or holds no intact frame.
    """

    path: Path
    damage: list[str] = field(default_factory=list[str])
    n_damaged: int = 0

    def __iter__(self) -> Iterator[Frame]:
        seen: set[int] = set()
        stream: int | None = None
        try:
            if not self.path.is_file():
                raise UnreadableLogError(f"expected a run log, found no regular file at {self.path}")
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                at = 0
                while at < size:
                    found = _read_frame(file, at)
                    if found is None:
                        after = _next_magic(file, at + 1, size)
                        self._note(f"bytes {at}..{after - 1} are damaged" if after < size else f"the last {size - at} bytes (from byte {at}) are torn or damaged")
                        at = after
                        continue
                    kind, owner, sequence, payload = found
                    stream = owner if stream is None else stream
                    if owner != stream:
                        self._note(f"byte {at}: a frame of another log; it was left out")
                    elif sequence in seen:
                        self._note(f"byte {at}: frame {sequence} appears twice; the second was left out")
                    else:
                        seen.add(sequence)
                        yield Frame(kind, sequence, at, payload)
                    at += _HEADER.size + len(payload)
        except OSError as error:
            raise UnreadableLogError(f"cannot read {self.path}: {error.strerror}") from error
        if not seen:
            raise UnreadableLogError(
                f"{self.path} is not a traindoctor run log: expected frames that start with {MAGIC!r}, "
                f"found none in {size} bytes"
            )
        missing = max(seen) + 1 - len(seen)
        if missing:
            self._note(f"{missing} of {max(seen) + 1} frames are missing")

    def _note(self, sentence: str) -> None:
        self.n_damaged += 1
        if len(self.damage) < 100:
            self.damage.append(sentence)


def _read_frame(file: Any, at: int) -> tuple[int, int, int, bytes] | None:
    file.seek(at)
    head = file.read(_HEADER.size)
    if len(head) < _HEADER.size or head[:4] != MAGIC:
        return None
    _, kind, stream, sequence, length, crc = _HEADER.unpack(head)
    if not 0 < length <= MAX_PAYLOAD:
        return None
    payload: bytes = file.read(length)
    if len(payload) < length or masked_crc(kind, stream, sequence, payload) != crc:
        return None
    return kind, stream, sequence, payload


def _next_magic(file: Any, start: int, size: int) -> int:
    """Offset of the next magic at or after `start`, `size` when there is none. Bounded memory."""
    chunk = 1 << 20
    while start < size:
        file.seek(start)
        data = file.read(chunk)
        found = data.find(MAGIC)
        if found >= 0:
            return int(start + found)
        start += max(1, len(data) - len(MAGIC) + 1)
    return size
