"""Per-parameter statistics of a run log: BLOCK payloads to one series per quantity and parameter."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from traindoctor.run import Ints, Series

from .columns import MAX_NAME, Chunk, joined

MAX_TABLE = 2_000_000
"""Quantities times parameters of one layout: more is refused."""

_HEAD = struct.Struct("<IqII")  # layout id, step, quantities, parameters
_BODY = _HEAD.size


@dataclass
class Blocks:
    """Collects LAYOUT and BLOCK payloads; `parameters()` gives the result.

    Attributes:
        n_bad: blocks that were left out: their layout is lost, or they contradict it.
        n_outside: values left out because of an impossible step.
    """

    n_bad: int = 0
    n_outside: int = 0
    _layouts: dict[int, tuple[list[str], list[str]]] = field(
        default_factory=dict[int, tuple[list[str], list[str]]]
    )
    _waiting: dict[tuple[int, int, int, int], list[tuple[int, bytes]]] = field(
        default_factory=dict[tuple[int, int, int, int], list[tuple[int, bytes]]]
    )

    def add_layout(self, payload: bytes) -> None:
        """Take the names of the blocks that carry this payload's CRC-32 as their layout id."""
        layout = zlib.crc32(payload)
        if layout in self._layouts:
            return
        try:
            found: Any = json.loads(payload)
            names = found["quantities"], found["parameters"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return
        if all(_is_names(part) for part in names) and len(names[0]) * len(names[1]) <= MAX_TABLE:
            self._layouts[layout] = names

    def add(self, sequence: int, payload: bytes) -> None:
        """Take one block; its layout may come later in the log."""
        if len(payload) < _BODY:
            self.n_bad += 1
            return
        layout, _, rows, columns = _HEAD.unpack_from(payload)
        self._waiting.setdefault((layout, rows, columns, len(payload)), []).append((sequence, payload))

    def parameters(self) -> dict[str, dict[str, Series]]:
        """Quantity -> parameter -> series, only what was recorded."""
        chunks: dict[tuple[str, str], list[Chunk]] = {}
        for (layout, *shape, length), frames in self._waiting.items():
            quantities, names = self._layouts.get(layout, ([], []))
            n = len(quantities) * len(names)
            if n and shape == [len(quantities), len(names)] and length == _BODY + (n + 7) // 8 + 4 * n:
                _split(quantities, names, frames, chunks)
            else:
                self.n_bad += len(frames)
        out: dict[str, dict[str, Series]] = {}
        shared: dict[tuple[int, ...], Ints] = {}
        for (quantity, parameter), parts in chunks.items():
            steps, values, n_outside = joined(parts, shared)
            self.n_outside += n_outside
            if len(steps):
                out.setdefault(quantity, {})[parameter] = Series(steps, values)
        return out


def _split(
    quantities: list[str],
    parameters: list[str],
    frames: list[tuple[int, bytes]],
    chunks: dict[tuple[str, str], list[Chunk]],
) -> None:
    """Append each series' part of blocks of one layout to `chunks`."""
    n = len(quantities) * len(parameters)
    n_mask = (n + 7) // 8
    table = np.frombuffer(b"".join(payload for _, payload in frames), np.uint8).reshape(len(frames), -1)
    sequences = np.array([sequence for sequence, _ in frames], np.int64)
    steps = np.ascontiguousarray(table[:, 4:12]).view("<i8").ravel().astype(np.int64)
    present = np.unpackbits(table[:, _BODY : _BODY + n_mask], axis=1, count=n) == 1
    values = np.ascontiguousarray(table[:, _BODY + n_mask :]).view("<f4").astype(np.float64).T.copy()
    ones = np.ones(len(frames), np.int64)
    n_present = present.sum(axis=0)
    for index in np.flatnonzero(n_present):
        key = quantities[index // len(parameters)], parameters[index % len(parameters)]
        if n_present[index] == len(frames):
            chunk = Chunk(steps, values[index], sequences, ones)
        else:
            seen = present[:, index]
            chunk = Chunk(steps[seen], values[index][seen], sequences[seen], ones[seen])
        chunks.setdefault(key, []).append(chunk)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and len(name) <= MAX_NAME for name in value)
