"""Records of a `.wandb` file: LevelDB's log blocks, read past damage, and the protobuf messages in them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from typing import IO, Any

from ..intake.logbook import Logbook
from .protobuf_messages import BOOL, BYTES, DOUBLE, INT32, INT64, SINT64, Fields, message_classes

MAGIC = b":W&B\xe1\xbe"
BLOCK = 32768
_FILE_HEADER = 7
_HEADER = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
MAX_RECORD = 1 << 26
"""Bytes of a record that is put together (64 MiB)."""

_MESSAGES: dict[str, Fields] = {
    "Record": (
        ("history", 2, "History", False),
        ("config", 5, "Config", False),
        ("metric", 12, "Metric", False),
        ("run", 17, "RunRecord", False),
        ("exit", 18, "Exit", False),
    ),
    "History": (("item", 1, "Item", True), ("step", 2, "Step", False)),
    "Step": (("num", 1, INT64, False),),
    "Item": (
        ("key", 1, BYTES, False),
        ("nested_key", 2, BYTES, True),
        ("boolean", 4, BOOL, False),
        ("integer", 5, SINT64, False),
        ("number", 6, DOUBLE, False),
        ("json", 8, BYTES, False),
        ("value_json", 16, BYTES, False),
    ),
    "Config": (("update", 1, "Item", True),),
    "Metric": (("name", 1, BYTES, False), ("glob_name", 2, BYTES, False), ("step_metric", 4, BYTES, False)),
    "RunRecord": (
        ("run_id", 1, BYTES, False),
        ("project", 3, BYTES, False),
        ("config", 4, "Config", False),
        ("display_name", 8, BYTES, False),
    ),
    "Exit": (("exit_code", 1, INT32, False), ("runtime", 2, INT32, False)),
}


@cache
def record_class() -> Any:
    """The class of a whole record; parsed with `FromString`, which raises `DecodeError`."""
    return message_classes("traindoctor.wandb", _MESSAGES)["Record"]


def records(file: IO[bytes], log: Logbook, name: str) -> Iterator[bytes]:
    """The payload of every whole record, in file order.

    A damaged block costs the records that lie in it; reading goes on with the next block.
    """
    start, pending = 0, _Pending()
    while block := file.read(BLOCK):
        at = _FILE_HEADER if start == 0 else 0
        is_last = len(block) < BLOCK
        while at + _HEADER <= len(block):
            length = int.from_bytes(block[at + 4 : at + 6], "little")
            kind = block[at + 6]
            data = block[at + _HEADER : at + _HEADER + length]
            if kind == 0 and length == 0:
                if block[at:].strip(b"\0"):
                    log.note(f"{name}: a damaged block was left out from its damage on", byte=start + at)
                    pending.drop()
                break
            if len(data) < length and is_last:
                log.note(f"{name} ends within a record; everything before it was kept", byte=start + at)
                return
            stored = int.from_bytes(block[at : at + 4], "little")
            if len(data) < length or zlib.crc32(data, zlib.crc32(bytes((kind,)))) != stored:
                log.note(f"{name}: a damaged block was left out from its damage on", byte=start + at)
                pending.drop()
                break
            whole = pending.add(kind, data)
            if whole is not None:
                yield whole
            at += _HEADER + length
        start += len(block)
    if pending.parts:
        log.note(f"{name} ends within a record; everything before it was kept", byte=start)


class _Pending:
    """The pieces of a record that goes over several blocks."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def drop(self) -> None:
        self.parts, self._size = [], 0

    def add(self, kind: int, data: bytes) -> bytes | None:
        """One piece; the whole record once its last piece has come."""
        if kind == _FULL:
            self.drop()
            return data
        if kind == _FIRST:
            self.parts, self._size = [data], len(data)
            return None
        self._size += len(data)
        if not self.parts or kind not in (_MIDDLE, _LAST) or self._size > MAX_RECORD:
            self.drop()  # its beginning was lost
            return None
        self.parts.append(data)
        if kind == _MIDDLE:
            return None
        whole = b"".join(self.parts)
        self.drop()
        return whole
