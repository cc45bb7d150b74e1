"""One untrusted file: opened with caps, decompressed, read as bytes, lines or JSON."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from traindoctor.errors import RunNotFoundError, UnreadableLogError

from .torn_json import salvaged

HEAD = 1 << 16
MAX_LINE = 1 << 24
MAX_JSON = 1 << 28
"""Bytes of a document that must be held whole (256 MiB)."""

MAX_RATIO = 200
"""Decompressed over compressed bytes: text logs reach 5-30, bombs 1000."""

RATIO_FREE = 1 << 27
"""Decompressed bytes before the ratio counts (128 MiB)."""

_CHUNK = 1 << 20
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)?|[@-Z\\-_])")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_LFS = b"version https://git-lfs.github.com/spec/"
_DECODE_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError, zstandard.ZstdError)


class Source:
    """One file of unknown origin.

    Attributes:
        path: where it lies on this machine.
        name: what to call it in messages; differs from `path` for standard input and remote files.
        size: bytes on disk.
        damage: sentences about what broke while reading: a torn compressed stream, a cut line.
        progress: called with the number of bytes read from disk so far.

    Raises:
        RunNotFoundError: there is nothing at `path`.
        UnreadableLogError: it is a folder, FIFO or device, empty, a Git LFS pointer, or not permitted.
    """

    def __init__(self, path: Path, name: str = "", progress: Callable[[int], None] | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        self.damage: list[str] = []
        self.progress = progress
        self._head: bytes | None = None
        self.size = self._size()
        with self._raw() as file:
            self._magic = file.read(6)
        if self.head().startswith(_LFS):
            raise UnreadableLogError(
                f"{self.name} is a Git LFS pointer of {self.size} bytes, not the file itself; "
                "fetch it with: git lfs pull"
            )

    def _size(self) -> int:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise RunNotFoundError(f"expected a file, found nothing at {self.name}") from None
        except (OSError, ValueError) as error:
            raise UnreadableLogError(f"cannot read {self.name}: {_reason(error)}") from None
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a FIFO, socket or device"
            raise UnreadableLogError(f"expected a regular file, found {kind} at {self.name}")
        if not found.st_size:
            raise UnreadableLogError(f"{self.name} is empty (0 bytes): nothing was logged to it")
        return found.st_size

    @property
    def suffix(self) -> str:
        """Suffix of the name without a compression suffix, lower case, with its dot."""
        path = Path(self.name)
        return Path(path.stem).suffix.lower() if path.suffix in COMPRESSION_SUFFIXES else path.suffix.lower()

    def head(self) -> bytes:
        """The first 64 KiB, decompressed; to recognise a format by."""
        if self._head is None:
            with self.open() as file:
                self._head = file.read(HEAD)
        return self._head

    def windows(self) -> Iterator[Source]:
        """The same file with other 64 KiB for a head: what follows the first, then further on, then the end.

        Text logs may begin with whole source files and shell traces; a format is then recognised by these.
        """
        offsets = [HEAD << step for step in range(8) if HEAD << step < self.size]
        if offsets and not self._magic.startswith(_COMPRESSED):
            offsets.append(self.size - HEAD)
        for offset in offsets:
            with self.open() as file:
                left = offset
                while left > 0 and (skipped := len(file.read(min(left, _CHUNK)))):
                    left -= skipped
                data = file.read(HEAD)
            if data:
                shifted = Source(self.path, self.name)
                shifted._head = data.partition(b"\n")[2] or data
                yield shifted

    def head_text(self) -> str:
        """The head as text, without a last line that the cut may have torn (unless it is the only one)."""
        text = _decoder(self.head()).decode(self.head(), final=len(self.head()) < HEAD)
        whole = text.rpartition("\n")[0]
        return _ANSI.sub("", text if not whole or len(self.head()) < HEAD else whole).replace("\r\n", "\n")

    def open(self) -> IO[bytes]:
        """The bytes from the beginning, decompressed. A stream that breaks ends there; see `damage`."""
        raw = self._raw()
        return io.BufferedReader(_Bounded(self, raw, _decompressed(raw, self._magic)), _CHUNK)

    def lines(self) -> Iterator[tuple[int, str]]:
        r"""Line number (1-based, counting `\n`) and text of every line.

        Carriage returns split a line too (progress bars), with the same number. Escape codes are removed,
        undecodable bytes replaced, lines cut at 16 MiB. Empty lines are left out.
        """
        number, rest = 1, ""
        with self.open() as file:
            decoder = _decoder(self.head())
            while chunk := file.read(_CHUNK):
                text = rest + decoder.decode(chunk)
                whole = text.split("\n")
                rest = whole.pop()
                if "\r" in text or "\x1b" in text:
                    for at, line in enumerate(whole, number):
                        yield from _parts(at, line)
                else:
                    yield from [entry for entry in enumerate(whole, number) if entry[1]]
                number += len(whole)
                if len(rest) > MAX_LINE:
                    self._damaged(f"line {number} is longer than 16 MiB and was cut")
                    yield from _parts(number, rest[:MAX_LINE])
                    rest = ""
            yield from _parts(number, rest + decoder.decode(b"", final=True))

    def is_cut(self) -> bool:
        """Whether the data broke off or the last line has no line end: its last value may be incomplete.

        Only known once the file has been read to its end; of a compressed file only the stream is judged.
        """
        if self.damage or self._is_compressed():
            return bool(self.damage)
        with self._raw() as file:
            file.seek(max(0, self.size - 2))
            return not any(end in file.read() for end in (b"\n", b"\r"))

    def text(self, most: int = MAX_JSON) -> str:
        """The whole file as text.

        Raises:
            UnreadableLogError: it is longer than `most` bytes.
        """
        with self.open() as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise UnreadableLogError(
                f"{self.name} is one document of more than {most >> 20} MiB, which must be held whole; "
                "split it or export fewer rows"
            )
        return _decoder(data[:4]).decode(data, final=True)

    def json(self) -> Any:
        """The whole file as one JSON value; `NaN` and `Infinity` are accepted.

        Of a document whose end is missing, what stands before is returned; see `damage`.

        Raises:
            UnreadableLogError: it is too long, too deep, or no JSON; the message names line and column.
        """
        text = self.text()
        try:
            return parse_json(text, self.name)
        except UnreadableLogError:
            found = salvaged(text)
            if not found:
                raise
            self._damaged("the document is cut: what stands before its end was read")
            return found

    def beside(self, name: str) -> Source | None:
        """A companion file in the same folder, None when it is absent or unreadable."""
        try:
            return Source(self.path.parent / name, name)
        except (RunNotFoundError, UnreadableLogError):
            return None

    def _is_compressed(self) -> bool:
        return any(self._magic.startswith(magic) for magic in _MAGICS)

    def _raw(self) -> IO[bytes]:
        try:
            # Non-blocking, so that a FIFO put in the file's place cannot hang the reader.
            handle = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except (OSError, ValueError) as error:
            raise UnreadableLogError(f"cannot read {self.name}: {_reason(error)}") from None
        return os.fdopen(handle, "rb")

    def _damaged(self, sentence: str) -> None:
        if sentence not in self.damage:
            self.damage.append(sentence)


COMPRESSION_SUFFIXES = (".gz", ".zst", ".bz2", ".xz")
_MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")


class _Bounded(io.RawIOBase):
    """A decompressed stream with a cap on its ratio, that ends where it breaks."""

    def __init__(self, source: Source, raw: IO[bytes], stream: Any) -> None:
        self._source, self._raw, self._stream = source, raw, stream
        self._read = 0
        self._compressed = stream is not raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read1(len(buffer))  # `read` would lose what came before a break
        except _DECODE_ERRORS as error:
            self._source._damaged(  # pyright: ignore[reportPrivateUsage]
                f"the data break off after {self._read} bytes: {_reason(error)}"
            )
            return 0
        self._read += len(data)
        if self._compressed and self._read > RATIO_FREE and self._read > MAX_RATIO * self._source.size:
            raise UnreadableLogError(
                f"{self._source.name} unpacks to more than {MAX_RATIO} times its {self._source.size} bytes, "
                "which no training log does; unpack it yourself if you trust it"
            )
        if self._source.progress is not None:
            self._source.progress(self._raw.tell())
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        self._raw.close()
        super().close()


def parse_json(text: str, where: str) -> Any:
    """A JSON value; `NaN` and `Infinity` are accepted.

    Raises:
        UnreadableLogError: it is no JSON or nested too deeply; `where` is named in the message.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableLogError(
            f"expected JSON in {where}, found {text[error.pos : error.pos + 20]!r} at line {error.lineno}, "
            f"column {error.colno}: {error.msg}"
        ) from None
    except (RecursionError, ValueError) as error:
        raise UnreadableLogError(f"the JSON in {where} cannot be read: {_reason(error)}") from None


def _decompressed(raw: IO[bytes], magic: bytes) -> Any:
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)
    if magic.startswith(_MAGICS[1]):
        return bz2.BZ2File(raw)
    if magic.startswith(_MAGICS[2]):
        return lzma.LZMAFile(raw)
    if magic.startswith(_MAGICS[3]):
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(raw, read_across_frames=True)
    return raw


def _decoder(head: bytes) -> codecs.IncrementalDecoder:
    encoding = "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    return codecs.getincrementaldecoder(encoding)(errors="replace")


def _parts(number: int, line: str) -> Iterator[tuple[int, str]]:
    if "\x1b" in line:
        line = _ANSI.sub("", line)
    if "\r" not in line:
        if line:
            yield number, line
        return
    for part in line.split("\r"):
        if part:
            yield number, part


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
