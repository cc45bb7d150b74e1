"""Scalar columns of a run log: many ROWS payloads to one array per series, without Python work per row."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from traindoctor.run import Floats, Ints, Series
from traindoctor.runlog_format import FULL, ROWS_HEAD, SPARSE, decode_rows

MAX_SERIES = 20_000
MAX_NAME = 1_000
MAX_STEP = 10**9
"""Values at steps outside 0..MAX_STEP are left out: no run is that long, and arrays may be made by step."""

_BATCH_BYTES = 1 << 25


@dataclass(frozen=True, eq=False)
class Chunk:
    """Part of one series.

    Attributes:
        steps: shape (n,), not necessarily increasing.
        values: shape (n,).
        sequences: shape (n_frames,), position in the log of each frame that contributed.
        counts: shape (n_frames,), values from each of those frames; they sum to n.
    """

    steps: Ints
    values: Floats
    sequences: Ints
    counts: Ints


@dataclass
class Columns:
    """Collects ROWS payloads; `series()` gives the result.

    Attributes:
        n_bad: payloads that were left out because they contradict themselves.
        n_outside: values left out because of an impossible step.
        n_names_refused: series left out because there were too many or their name was too long.
    """

    n_bad: int = 0
    n_outside: int = 0
    n_names_refused: int = 0
    _chunks: dict[str, list[Chunk]] = field(default_factory=dict[str, list[Chunk]])
    _waiting: dict[bytes, list[tuple[int, bytes]]] = field(
        default_factory=dict[bytes, list[tuple[int, bytes]]]
    )
    _waiting_bytes: int = 0

    def add(self, sequence: int, payload: bytes) -> None:
        """Take one payload; `sequence` decides which value of a step is the latest."""
        if len(payload) < ROWS_HEAD.size:
            self.n_bad += 1
            return
        n_names = ROWS_HEAD.unpack_from(payload)[0]
        names = payload[ROWS_HEAD.size : ROWS_HEAD.size + n_names]
        self._waiting.setdefault(names, []).append((sequence, payload))
        self._waiting_bytes += len(payload)
        if self._waiting_bytes > _BATCH_BYTES:
            self._decode_waiting()

    def series(self) -> dict[str, Series]:
        """Every series in the order of first appearance."""
        self._decode_waiting()
        shared: dict[tuple[int, ...], Ints] = {}
        out: dict[str, Series] = {}
        for name, chunks in self._chunks.items():
            steps, values, n_outside = joined(chunks, shared)
            self.n_outside += n_outside
            if len(steps):
                out[name] = Series(steps, values)
        return out

    def _decode_waiting(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        for names, frames in waiting.items():
            try:
                self._keep(decode_group(names, frames))
            except (ValueError, LookupError):
                self._decode_singly(frames)

    def _decode_singly(self, frames: Sequence[tuple[int, bytes]]) -> None:
        for sequence, payload in frames:
            try:
                rows = decode_rows(payload)
            except (ValueError, LookupError, struct.error):
                self.n_bad += 1
                continue
            position = np.array([sequence])
            self._keep(
                {name: Chunk(s, v, position, np.array([len(s)])) for name, (s, v) in rows.columns.items()}
            )

    def _keep(self, chunks: dict[str, Chunk]) -> None:
        for name, chunk in chunks.items():
            is_new = name not in self._chunks
            if is_new and (len(self._chunks) >= MAX_SERIES or len(name) > MAX_NAME):
                self.n_names_refused += 1
                continue
            self._chunks.setdefault(name, []).append(chunk)


def joined(chunks: Sequence[Chunk], shared: dict[tuple[int, ...], Ints]) -> tuple[Ints, Floats, int]:
    """One strictly increasing series; of several values for a step the latest one in the log stays.

    Args:
        chunks: its parts.
        shared: step vectors made for other series, so that columns over the same steps share theirs.

    Returns:
        Steps, values, and the number of values that had an impossible step.
    """
    key = tuple(id(chunk.steps) for chunk in chunks)
    values = chunks[0].values if len(chunks) == 1 else np.concatenate([chunk.values for chunk in chunks])
    if key in shared:
        return shared[key], values, 0
    steps = chunks[0].steps if len(chunks) == 1 else np.concatenate([chunk.steps for chunk in chunks])
    possible = (steps >= 0) & (steps <= MAX_STEP)
    if bool(possible.all()) and bool(np.all(steps[1:] > steps[:-1])):
        shared[key] = steps
        return steps, values, 0
    order = np.concatenate([np.repeat(chunk.sequences, chunk.counts) for chunk in chunks])
    steps, values, order = steps[possible], values[possible], order[possible]
    ranked = np.lexsort((order, steps))
    steps, values = steps[ranked], values[ranked]
    is_latest = np.append(steps[1:] != steps[:-1], True) if len(steps) else np.zeros(0, bool)
    return steps[is_latest], values[is_latest], int((~possible).sum())


def decode_group(names: bytes, frames: Sequence[tuple[int, bytes]]) -> dict[str, Chunk]:
    """Decode payloads with the same names at once; the fast twin of `decode_rows`.

    Raises:
        ValueError: at least one payload contradicts itself.
    """
    flat = np.frombuffer(b"".join(payload for _, payload in frames), np.uint8)
    sequences = np.array([sequence for sequence, _ in frames], np.int64)
    lengths = np.array([len(payload) for _, payload in frames], np.int64)
    ends = np.cumsum(lengths)
    at = ends - lengths
    n_rows = _gather(flat, at + 4, 4).view("<u4").ravel().astype(np.int64)
    at = at + ROWS_HEAD.size + len(names)
    _check(bool(np.all(at + 8 * n_rows <= ends)))
    steps = _gather(flat, _elements(at, n_rows, 8), 8).view("<i8").ravel()
    at = at + 8 * n_rows
    chunks: dict[str, Chunk] = {}
    for name in names.decode().split("\x1f") if names else []:
        _check(bool(np.all(at < ends)))
        present, at = _presence(flat, at, ends, n_rows)
        counts = n_rows if present is None else _sums(present, n_rows)
        _check(bool(np.all(at + 8 * counts <= ends)))
        values = _gather(flat, _elements(at, counts, 8), 8).view("<f8").ravel()
        at = at + 8 * counts
        chunks[name] = Chunk(steps if present is None else steps[present], values, sequences, counts)
    return chunks


def _presence(
    flat: NDArray[np.uint8], at: Ints, ends: Ints, n_rows: Ints
) -> tuple[NDArray[np.bool_] | None, Ints]:
    """Which rows of a column were recorded, shape (sum of n_rows,), None = all; where its values begin."""
    modes = flat[at]
    _check(bool(np.all(modes <= SPARSE)))
    at = at + 1
    if bool(np.all(modes == FULL)):
        return None, at
    present = np.repeat(modes == FULL, n_rows)
    sparse = np.flatnonzero(modes == SPARSE)
    if len(sparse):
        rows = n_rows[sparse]
        n_bytes = (rows + 7) // 8
        _check(bool(np.all(at[sparse] + n_bytes <= ends[sparse])))
        bits = np.unpackbits(flat[_elements(at[sparse], n_bytes, 1)])
        bits_begin = 8 * (np.cumsum(n_bytes) - n_bytes)
        rows_begin = (np.cumsum(n_rows) - n_rows)[sparse]
        present[_elements(rows_begin, rows, 1)] = bits[_elements(bits_begin, rows, 1)]
        at[sparse] += n_bytes
    return present, at


def _elements(begin: Ints, counts: Ints, width: int) -> Ints:
    """`begin[0], begin[0]+width, …` (counts[0] of them), then the same for `begin[1]` and so on."""
    before = np.cumsum(counts) - counts
    return np.repeat(begin - width * before, counts) + width * np.arange(int(counts.sum()))


def _gather(flat: NDArray[np.uint8], offsets: Ints, width: int) -> NDArray[np.uint8]:
    """The `width` bytes at each offset, shape (n, width)."""
    found: NDArray[np.uint8] = flat[offsets[:, None] + np.arange(width)]
    return found


def _sums(present: NDArray[np.bool_], counts: Ints) -> Ints:
    """Number of True in each of the consecutive stretches of `present`."""
    total = np.concatenate([[0], np.cumsum(present)])
    after = np.cumsum(counts)
    sums: Ints = total[after] - total[after - counts]
    return sums


def _check(is_sound: bool) -> None:
    if not is_sound:
        raise ValueError("expected a payload of the stated length")
