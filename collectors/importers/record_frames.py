"""Frames of a TFRecord file: length, payload and two checksums each; damage is skipped and named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from traindoctor.text import Text

from ..intake.logbook import Logbook

HEADER = 12
"""Length u64 and its masked CRC32C u32."""

FOOTER = 4
MAX_RECORD = 1 << 26
"""Bytes of a record that is held (64 MiB); longer ones hold pictures or graphs and are skipped."""

_MAX_CLAIMED = 1 << 30
"""Bytes checked in vain: a file may be made of heads that each claim the rest of it."""

_CHUNK = 1 << 20
_MASK = 0xA282EAD8
_KNOWN_LENGTHS = 4096

_DAMAGED_LENGTH = Text("a frame with a damaged length")
_DAMAGED_PAYLOAD = Text("a frame with a damaged payload")
_TOO_LONG = Text("a frame that is too long")


def masked_crc(data: bytes) -> int:
    """The CRC32C of some bytes as TFRecord stores it: rotated by 15 bits, plus a constant."""
    crc = int(google_crc32c.value(data))
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def is_header(header: bytes) -> bool:
    """Whether 12 bytes are the head of a frame: the checksum of the length is right."""
    return len(header) == HEADER and masked_crc(header[:8]) == int.from_bytes(header[8:], "little")


class FrameReader:
    """The payloads of a TFRecord stream.

    A frame whose payload is damaged is left out; where the chain of lengths breaks, the next place with a
    right header is looked for. Nothing is taken whose checksum is wrong.
    """

    def __init__(self, file: IO[bytes], log: Logbook, name: str) -> None:
        self._file, self._log, self._name = file, log, name
        self._buffer = b""
        self._base = 0
        self._lengths: dict[bytes, int] = {}
        self._claimed = 0

    @property
    def n_bytes(self) -> int:
        """Bytes read so far."""
        return self._base + len(self._buffer)

    def payloads(self) -> Iterator[bytes]:
        """The payload of every whole frame, in file order."""
        known, crc32c = self._lengths, google_crc32c.value
        at = 0
        while True:
            buffer, end = self._buffer, len(self._buffer)
            while at + HEADER <= end:
                length = known.get(buffer[at : at + HEADER], -1)
                first = at + HEADER
                last = first + length
                if length < 0 or last + FOOTER > end:
                    break
                payload = buffer[first:last]
                crc = crc32c(payload)
                stored = buffer[last : last + FOOTER]
                if ((((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF).to_bytes(4, "little") != stored:
                    break
                at = last + FOOTER
                yield payload
            moved = self._slow_step(at)
            if moved < 0:
                return
            at = moved

    def _slow_step(self, at: int) -> int:
        """Handle what the fast path could not; the place to go on from, -1 at the end of the file."""
        at = self._refill(at, HEADER)
        header = self._buffer[at : at + HEADER]
        if not header:
            return -1
        if len(header) < HEADER:
            return self._torn(at)
        if not is_header(header):
            return self._resume_after(at, _DAMAGED_LENGTH)
        length = int.from_bytes(header[:8], "little")
        if length > MAX_RECORD:
            return self._skip_long(at, length)
        at = self._refill(at, HEADER + length + FOOTER)
        first, last = at + HEADER, at + HEADER + length
        self._claimed += length
        if self._claimed > _MAX_CLAIMED:
            self._log.note(
                f"{self._name} is damaged at too many places; reading stopped", byte=self._base + at
            )
            return -1
        if last + FOOTER > len(self._buffer):
            return self._resume_after(at, _TOO_LONG, torn=True)
        stored = int.from_bytes(self._buffer[last : last + FOOTER], "little")
        if masked_crc(self._buffer[first:last]) == stored:
            if len(self._lengths) >= _KNOWN_LENGTHS:
                self._lengths.clear()
            self._lengths[header] = length  # from now on the fast path takes frames of this length
            self._claimed -= length
            return at
        at = self._refill(at, HEADER + length + FOOTER + HEADER)
        after = at + HEADER + length + FOOTER
        if after == len(self._buffer) or is_header(self._buffer[after : after + HEADER]):
            self._damaged("a frame with a damaged payload was left out", self._base + at)
            return after
        return self._resume_after(at, _DAMAGED_PAYLOAD)

    def _refill(self, at: int, need: int) -> int:
        """Make `need` bytes available from `at` on, if the file has them; the new place of `at`."""
        if len(self._buffer) - at >= need:
            return at
        pieces = [self._buffer[at:]]
        have = len(pieces[0])
        while have < need:
            piece = self._file.read(max(_CHUNK, min(need - have, MAX_RECORD)))
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        self._base += at
        self._buffer = b"".join(pieces)
        return 0

    def _skip_long(self, at: int, length: int) -> int:
        """Pass over a record too long to hold, unread; its bytes stay unchecked."""
        left = HEADER + length + FOOTER - (len(self._buffer) - at)
        if left <= 0:
            self._note_long(at)
            return at + HEADER + length + FOOTER
        place, skipped = self._base + at, 0
        self._base, self._buffer = self._base + len(self._buffer), b""
        while left:
            piece = self._file.read(min(left, _CHUNK))
            if not piece:
                self._log.note(f"{self._name} ends within a record of {length} bytes", byte=place)
                return 0
            left -= len(piece)
            skipped += len(piece)
        self._base += skipped
        self._note_long(place - self._base)
        return 0

    def _note_long(self, at: int) -> None:
        self._log.note(f"records of more than {MAX_RECORD >> 20} MiB were skipped", byte=self._base + at)

    def _resume_after(self, at: int, what: str, *, torn: bool = False) -> int:
        """Look for the next frame after `at`; say what was lost, or that the file ends there."""
        began = self._base + at
        place = at + 1
        while True:
            found = _next_header(self._buffer, place)
            if found >= 0:
                self._damaged(f"{what}: bytes were skipped", began)
                return found
            place = max(place, len(self._buffer) - HEADER + 1)
            before = len(self._buffer) - place
            place = self._refill(place, before + 1)
            if len(self._buffer) - place <= before:
                break
        if torn:
            return self._torn_at(began)
        self._damaged(f"{what}, and no whole frame after it", began)
        return -1

    def _torn(self, at: int) -> int:
        return self._torn_at(self._base + at)

    def _torn_at(self, byte: int) -> int:
        self._log.note(f"{self._name} ends within a record; everything before it was kept", byte=byte)
        return -1

    def _damaged(self, sentence: str, byte: int) -> None:
        self._log.note(f"{self._name}: {sentence}", byte=byte)


def _next_header(buffer: bytes, start: int) -> int:
    """The first place from `start` on that holds a right header of a plausible length, -1 if none does."""
    data = np.frombuffer(buffer, np.uint8)
    for begin in range(start, data.size - HEADER + 1, _CHUNK):
        block = data[begin : begin + _CHUNK + HEADER - 1]
        # A length below 2^32 has four zero bytes at its end, and its checksum is practically never zero.
        zero = block[4:] == 0
        n = block.size - HEADER + 1
        plausible = zero[:n] & zero[1 : n + 1] & zero[2 : n + 2] & zero[3 : n + 3]
        plausible &= ~(zero[4 : n + 4] & zero[5 : n + 5] & zero[6 : n + 6] & zero[7 : n + 7])
        places = np.flatnonzero(plausible)
        for place in places[_have_right_checksum(block, places)]:
            at = begin + int(place)
            if int.from_bytes(buffer[at : at + 8], "little") <= MAX_RECORD:
                return at
    return -1


def _have_right_checksum(block: NDArray[np.uint8], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """`is_header` for many places at once, shape (n,): a file made to hold false ones must not take hours."""
    crc = np.full(places.size, 0xFFFFFFFF, np.uint32)
    for offset in range(8):
        crc = _CRC_TABLE[(crc ^ block[places + offset]) & 0xFF] ^ (crc >> np.uint32(8))
    crc = ~crc
    stored = np.zeros(places.size, np.uint32)
    for offset in range(4):
        stored |= block[places + 8 + offset].astype(np.uint32) << np.uint32(8 * offset)
    rotated = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    masked: NDArray[np.bool_] = rotated + np.uint32(_MASK) == stored
    return masked


def _crc_table() -> NDArray[np.uint32]:
    """CRC32C of every byte value, reflected polynomial 0x82F63B78."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1).astype(np.uint32)
    return table


_CRC_TABLE = _crc_table()
