"""Opening untrusted files: caps, decompression, encodings, lines."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os

import pytest
import zstandard

from traindoctor.collectors.intake import source as source_module
from traindoctor.collectors.intake.source import Source
from traindoctor.errors import RunNotFoundError, UnreadableLogError

TEXT = b"step,loss\n1,0.5\n2,0.4\n"
PACKERS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


def written(tmp_path, data, name="log.txt"):
    path = tmp_path / name
    path.write_bytes(data)
    return Source(path)


def lines(source):
    return list(source.lines())


@pytest.mark.parametrize("packer", PACKERS)
def test_compression_is_found_by_content(tmp_path, packer):
    source = written(tmp_path, PACKERS[packer](TEXT), "log")
    assert source.head() == TEXT
    assert lines(source) == [(1, "step,loss"), (2, "1,0.5"), (3, "2,0.4")]
    assert source.damage == []


@pytest.mark.parametrize("packer", ["gzip", "xz", "zstd"])
def test_torn_compressed_stream_keeps_what_came_before(tmp_path, packer):
    data = b"".join(b"%d,%f\n" % (i, (i * 7919) % 1000 / 3) for i in range(150_000))
    packed = PACKERS[packer](data)
    source = written(tmp_path, packed[: len(packed) // 2])
    kept = [text for _, text in source.lines()]
    whole = data.decode().splitlines()
    assert len(kept) > 100
    assert kept[:-1] == whole[: len(kept) - 1]
    assert packer == "zstd" or source.damage


def test_several_zstd_frames_follow_each_other(tmp_path):
    pack = PACKERS["zstd"]
    assert written(tmp_path, pack(b"a\n") + pack(b"b\n")).text() == "a\nb\n"


def test_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "RATIO_FREE", 1 << 20)
    source = written(tmp_path, gzip.compress(b"\0" * (1 << 24)))
    with pytest.raises(UnreadableLogError, match="more than 200 times"):
        list(source.lines())


def test_carriage_returns_escape_codes_and_bad_bytes(tmp_path):
    source = written(tmp_path, b"\x1b[32ma 1\x1b[0m\rb 2\r\nc \xff 3\n\nlast")
    assert lines(source) == [(1, "a 1"), (1, "b 2"), (2, "c \N{REPLACEMENT CHARACTER} 3"), (4, "last")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(tmp_path, encoding):
    source = written(tmp_path, "größe 1\nzwei\n".encode(encoding))
    assert lines(source) == [(1, "größe 1"), (2, "zwei")]
    assert source.head_text() == "größe 1\nzwei\n"


def test_long_line_is_cut_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "MAX_LINE", 1000)
    source = written(tmp_path, b"x" * (3 << 20) + b"\nafter\n")
    found = lines(source)
    assert all(len(text) <= (1 << 20) + 1000 for _, text in found)
    assert found[-1][1] == "after"
    assert "was cut" in source.damage[0]


def test_refusals_say_what_was_found(tmp_path):
    with pytest.raises(RunNotFoundError, match="found nothing at"):
        Source(tmp_path / "absent")
    with pytest.raises(UnreadableLogError, match="found a folder"):
        Source(tmp_path)
    with pytest.raises(UnreadableLogError, match="0 bytes"):
        written(tmp_path, b"")
    with pytest.raises(UnreadableLogError, match="git lfs pull"):
        written(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")


def test_fifo_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UnreadableLogError, match="FIFO"):
        Source(tmp_path / "fifo")


def test_json_accepts_nan_and_names_the_place_of_an_error(tmp_path):
    assert written(tmp_path, b'{"a": NaN, "b": Infinity}').json()["b"] == float("inf")
    with pytest.raises(UnreadableLogError, match="line 2, column"):
        written(tmp_path, b'{"a": 1,\n nope}').json()
    with pytest.raises(UnreadableLogError, match="cannot be read"):
        written(tmp_path, b"[" * 200_000).json()


def test_document_longer_than_the_cap_is_refused(tmp_path):
    with pytest.raises(UnreadableLogError, match="must be held whole"):
        written(tmp_path, b"a" * 100).text(most=99)


def test_progress_counts_bytes_on_disk(tmp_path):
    seen = []
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(TEXT * 1000))
    list(Source(path, progress=seen.append).lines())
    assert seen[-1] == path.stat().st_size


def test_head_is_cut_at_a_line(tmp_path):
    source = written(tmp_path, b"0123456789\n" * 10_000)
    assert set(source.head_text().split("\n")) == {"0123456789"}
