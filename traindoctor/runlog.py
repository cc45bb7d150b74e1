"""The run log: its writer, and the names of its reader and format (docs/run-log.md)."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .runlog_format import (
    HEADER,
    MAGIC,
    MAX_PAYLOAD,
    SUFFIX,
    VERSION,
    Block,
    Frame,
    Kind,
    Rows,
    decode_block,
    decode_predictions,
    decode_rows,
    encode_block,
    encode_predictions,
    encode_rows,
    masked_crc,
)
from .runlog_reader import LogReader

__all__ = [
    "MAGIC",
    "MAX_PAYLOAD",
    "SUFFIX",
    "VERSION",
    "Block",
    "Frame",
    "Kind",
    "LogReader",
    "LogWriter",
    "Rows",
    "decode_block",
    "decode_predictions",
    "decode_rows",
    "encode_block",
    "encode_predictions",
    "encode_rows",
    "masked_crc",
]

_LAYOUT_EVERY = 64
_O_CLOEXEC = getattr(os, "O_CLOEXEC", 0)


class LogWriter:
    """Appends frames to a file of its own: one `write` per flush, never a read, a seek or a lock.

    Writing never raises: a full or failing disk drops the pending frames, counts them in `dropped`,
    keeps the sentence in `last_error`, and the next flush tries again. A forked child writes nothing.
    Not safe to use from two threads at once, except `sync`.

    Args:
        path: a file that does not exist yet.
        header: JSON values about the process; `version` and `stream` are added.

    Raises:
        OSError: the file could not be created (before any training step).
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | _O_CLOEXEC | getattr(os, "O_BINARY", 0)
        self.path = path
        self.dropped = 0
        self.last_error = ""
        self._fd = os.open(path, flags, 0o644)
        self._pid = os.getpid()
        self._stream = int.from_bytes(os.urandom(4), "little")
        self._sequence = 0
        self._pending: list[bytes] = []
        self._layouts: dict[int, tuple[bytes, int]] = {}
        self._header = {"version": VERSION, "stream": self._stream, **header}
        self._has_begun = False
        self.append_json(Kind.HEADER, self._header)

    def append(self, kind: Kind, payload: bytes) -> None:
        """Queue one frame; it reaches the file at the next `flush`. One no reader would take is dropped."""
        if not 0 < len(payload) <= MAX_PAYLOAD:
            self.dropped += 1
            self.last_error = f"a frame of {len(payload)} bytes is outside 1..{MAX_PAYLOAD}"
            return
        crc = masked_crc(kind, self._stream, self._sequence, payload)
        head = HEADER.pack(MAGIC, kind, self._stream, self._sequence, len(payload), crc)
        self._pending += [head, payload]
        self._sequence += 1

    def append_json(self, kind: Kind, value: Mapping[str, Any]) -> None:
        """Queue a frame of JSON; values json cannot express become their text."""
        self.append(kind, json.dumps(value, default=str, separators=(",", ":")).encode())

    def append_block(
        self,
        quantities: Sequence[str],
        parameters: Sequence[str],
        step: int,
        values: NDArray[np.float32],
        present: NDArray[np.bool_] | None = None,
    ) -> None:
        """Queue per-parameter statistics of one step.

        The layout stands before the first two blocks and then before every 64th, so one damaged place never
        costs the names of all blocks.
        """
        names = {"quantities": list(quantities), "parameters": list(parameters)}
        text = json.dumps(names, separators=(",", ":")).encode()
        layout = zlib.crc32(text)
        _, uses = self._layouts.get(layout, (text, 0))
        if uses == 1 or uses % _LAYOUT_EVERY == 0:
            self.append(Kind.LAYOUT, text)
        self._layouts[layout] = (text, uses + 1)
        self.append(Kind.BLOCK, encode_block(layout, step, values, present))

    def flush(self) -> bool:
        """Write what is queued with one system call; False when it could not be written."""
        if os.getpid() != self._pid:
            self._pending.clear()
        if not self._pending:
            return True
        frames, self._pending = len(self._pending) // 2, [b"".join(self._pending)]
        data = memoryview(self._pending.pop())
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            self.dropped += frames
            self.last_error = f"{error.strerror} while writing {self.path}"
            if not self._has_begun:  # a log without its header is nobody's
                self.append_json(Kind.HEADER, self._header)
            return False
        self._has_begun = True
        return True

    def sync(self) -> None:
        """Ask the kernel to put the file on disk; for a background thread, errors are ignored."""
        try:
            getattr(os, "fdatasync", os.fsync)(self._fd)
        except (OSError, ValueError):  # ValueError: closed in the meantime
            return

    def close(self, end: Mapping[str, Any]) -> None:
        """Write the END frame and close. Safe to call twice and in a forked child."""
        if self._fd < 0 or os.getpid() != self._pid:
            return
        self.append_json(Kind.END, {**end, "dropped_frames": self.dropped})
        self.flush()
        fd, self._fd = self._fd, -1
        try:
            os.close(fd)
        except OSError as error:  # network disks report a failed write only here
            self.last_error = f"{error.strerror} while closing {self.path}"
