"""The bytes of a run log (docs/run-log.md): frame header, checksum and payloads."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .run import Floats, Ints

VERSION = 1
SUFFIX = ".tdlog"
MAGIC = b"\x89TDF"
MAX_PAYLOAD = 1 << 26
"""A longer frame is damage: nothing the writer makes comes near 64 MiB."""

HEADER = struct.Struct("<4sB3xIIII")  # magic, kind, pad, stream, sequence, length, crc
_CRC_PART = struct.Struct("<B3xIII")
ROWS_HEAD = struct.Struct("<II")  # length of the names, number of rows
BLOCK_HEAD = struct.Struct("<Iq")  # layout id, step
_ARRAYS = struct.Struct("<I")  # length of the JSON part
ABSENT, FULL, SPARSE = 0, 1, 2
_SEPARATOR = "\x1f"


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


class Frame(NamedTuple):
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
    """CRC-32 over kind, stream, sequence, length and payload, masked by `mask_crc`."""
    return mask_crc(zlib.crc32(payload, zlib.crc32(_CRC_PART.pack(kind, stream, sequence, len(payload)))))


def mask_crc(crc: int) -> int:
    """Rotate and offset a CRC-32, as TFRecord files do: a run of zeros never carries its own checksum."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def encode_rows(
    steps: Ints, columns: Mapping[str, Floats], present: Mapping[str, NDArray[np.bool_]] | None = None
) -> bytes:
    """Scalar rows as a payload.

    Args:
        steps: shape (n,), optimizer steps.
        columns: name -> values, shape (n,).
        present: name -> shape (n,), False where the value was not recorded; a missing name means all were.
    """
    names = _SEPARATOR.join(name.replace(_SEPARATOR, " ") or "-" for name in columns).encode(errors="replace")
    parts = [ROWS_HEAD.pack(len(names), len(steps)), names, np.ascontiguousarray(steps, "<i8").tobytes()]
    for name, values in columns.items():
        mask = None if present is None else present.get(name)
        if mask is None or bool(mask.all()):
            parts += [bytes([FULL]), np.ascontiguousarray(values, "<f8").tobytes()]
        elif not bool(mask.any()):
            parts.append(bytes([ABSENT]))
        else:
            parts += [
                bytes([SPARSE]),
                np.packbits(mask).tobytes(),
                np.ascontiguousarray(values[mask], "<f8").tobytes(),
            ]
    return b"".join(parts)


def decode_rows(payload: bytes) -> Rows:
    """The inverse of `encode_rows`.

    Raises:
        ValueError, LookupError, struct.error: the payload is not one that `encode_rows` makes.
    """
    n_names, n = ROWS_HEAD.unpack_from(payload)
    at = ROWS_HEAD.size + n_names
    names = payload[ROWS_HEAD.size : at].decode().split(_SEPARATOR) if n_names else []
    steps = np.frombuffer(payload, "<i8", n, at).astype(np.int64)
    at += 8 * n
    columns: dict[str, tuple[Ints, Floats]] = {}
    for name in names:
        mode = payload[at]
        at += 1
        if mode == ABSENT:
            continue
        at_steps = steps
        if mode not in (FULL, SPARSE):
            raise ValueError(f"expected column mode 0, 1 or 2, found {mode}")
        if mode == SPARSE:
            mask = np.unpackbits(np.frombuffer(payload, np.uint8, (n + 7) // 8, at), count=n).astype(bool)
            at += (n + 7) // 8
            at_steps = steps[mask]
        values = np.frombuffer(payload, "<f8", len(at_steps), at).astype(np.float64)
        at += 8 * len(at_steps)
        columns[name] = (at_steps, values)
    return Rows(columns)


def encode_block(
    layout: int, step: int, values: NDArray[np.float32], present: NDArray[np.bool_] | None = None
) -> bytes:
    """Per-parameter statistics of one step as a payload; see `Block`."""
    shape = struct.pack("<II", *values.shape)
    mask = np.ones(values.shape, dtype=bool) if present is None else present
    return b"".join(
        [
            BLOCK_HEAD.pack(layout, step),
            shape,
            np.packbits(mask).tobytes(),
            np.ascontiguousarray(values, "<f4").tobytes(),
        ]
    )


def decode_block(payload: bytes) -> Block:
    """The inverse of `encode_block`."""
    layout, step = BLOCK_HEAD.unpack_from(payload)
    rows, columns = struct.unpack_from("<II", payload, BLOCK_HEAD.size)
    at = BLOCK_HEAD.size + 8
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
