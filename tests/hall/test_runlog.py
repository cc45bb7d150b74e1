"""The run log: what is written comes back, and damage costs only what it touched."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.logs import frames_of, header, intact_payloads, write_small_log
from traindoctor.errors import UnreadableLogError
from traindoctor.runlog import (
    MAGIC,
    MAX_PAYLOAD,
    Kind,
    LogReader,
    LogWriter,
    decode_block,
    decode_predictions,
    decode_rows,
    encode_block,
    encode_predictions,
    encode_rows,
    masked_crc,
)
from traindoctor.runlog_format import HEADER

FLOATS = st.floats(width=64, allow_nan=True, allow_infinity=True)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_small_log(tmp_path / "small.tdlog", 9, end={"exit_code": 0}).path


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_rows_come_back_bit_for_bit(data):
    n = data.draw(st.integers(0, 40))
    steps = data.draw(hnp.arrays(np.int64, n, elements=st.integers(-(2**62), 2**62)))
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x1f")
    text = st.text(letters, min_size=1, max_size=20)
    names = data.draw(st.lists(text, max_size=6, unique=True))
    columns = {name: data.draw(hnp.arrays(np.float64, n, elements=FLOATS)) for name in names}
    present = {name: data.draw(hnp.arrays(bool, n)) for name in names if data.draw(st.booleans())}
    rows = decode_rows(encode_rows(steps, columns, present)).columns
    for name in names:
        mask = present.get(name, np.ones(n, bool))
        if n and not mask.any():
            assert name not in rows
            continue
        got_steps, got_values = rows[name]
        assert got_steps.tolist() == steps[mask].tolist()
        assert got_values.tobytes() == columns[name][mask].tobytes()


def test_names_that_would_break_the_payload_are_made_harmless():
    steps = np.array([1])
    names = {"a\x1fb": np.array([1.0]), "": np.array([2.0]), "\ud800": np.array([3.0])}
    columns = decode_rows(encode_rows(steps, names)).columns
    assert {name: values.item() for name, (_, values) in columns.items()} == {"a b": 1.0, "-": 2.0, "?": 3.0}


TABLES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))


@given(TABLES, st.integers(0, 2**62), st.data())
@settings(max_examples=60, deadline=None)
def test_blocks_come_back_bit_for_bit(values, step, data):
    present = data.draw(hnp.arrays(bool, values.shape))
    block = decode_block(encode_block(5, step, values, present))
    assert (block.layout, block.step) == (5, step)
    assert block.values.tobytes() == values.tobytes()
    assert block.present.tolist() == present.tolist()


@pytest.mark.parametrize("scores", [np.array([[0.5, -1.0], [np.nan, 3.0]]), np.array([0.25, 0.75])])
def test_predictions_come_back(scores):
    facts, y_true, y_score = decode_predictions(encode_predictions({"step": 3}, np.array([1, 0]), scores))
    assert facts == {"step": 3}
    assert y_true.tolist() == [1, 0]
    np.testing.assert_array_equal(y_score, scores)


def test_frames_are_numbered_and_lie_end_to_end(small):
    reader = LogReader(small)
    frames = list(reader)
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    ends = [frame.offset + HEADER.size + len(frame.payload) for frame in frames]
    assert [0, *ends] == [*(frame.offset for frame in frames), small.stat().st_size]
    assert (frames[0].kind, frames[-1].kind) == (Kind.HEADER, Kind.END)
    assert reader.damage == []


def test_a_layout_stands_before_the_first_two_blocks_and_then_every_64th(tmp_path):
    writer = LogWriter(tmp_path / "a.tdlog", header())
    for step in range(130):
        writer.append_block(["q"], ["p"], step, np.zeros((1, 1), np.float32))
    writer.close({})
    kinds = [frame.kind for frame in frames_of(tmp_path / "a.tdlog")]
    before = [kinds[:i].count(Kind.BLOCK) for i, kind in enumerate(kinds) if kind == Kind.LAYOUT]
    assert before == [0, 1, 64, 128]


def test_truncated_at_every_byte_the_frames_before_it_remain(small, tmp_path):
    data, whole = small.read_bytes(), frames_of(small)
    for length in range(len(data)):
        expected = {f.sequence: f.payload for f in whole if f.offset + HEADER.size + len(f.payload) <= length}
        assert intact_payloads(data[:length], tmp_path / "cut") == expected, length


def test_every_flipped_bit_costs_at_most_the_frame_it_is_in(small, tmp_path):
    data, whole = small.read_bytes(), frames_of(small)
    truth = {frame.sequence: frame.payload for frame in whole}
    for byte in range(len(data)):
        hit = max(frame.sequence for frame in whole if frame.offset <= byte)
        damaged = bytearray(data)
        damaged[byte] ^= 1 << (byte % 8)
        left = intact_payloads(bytes(damaged), tmp_path / "flipped")
        assert left.items() <= truth.items(), byte
        assert set(truth) - set(left) <= {hit}, byte


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_forges_nothing_and_loses_little(small, tmp_path, seed):
    data, whole = small.read_bytes(), frames_of(small)
    truth = {frame.sequence: frame.payload for frame in whole}
    rng = random.Random(seed)
    begin = rng.randrange(len(data))
    end = min(len(data), begin + rng.randrange(1, 400))
    length = end - begin
    filling = rng.choice([bytes(length), rng.randbytes(length), MAGIC * length])[:length]
    ends = {f.sequence: f.offset + HEADER.size + len(f.payload) for f in whole}
    touched = {f.sequence for f in whole if f.offset < end and begin < ends[f.sequence]}
    left = intact_payloads(data[:begin] + filling + data[end:], tmp_path / "damaged")
    assert left.items() <= truth.items()
    assert set(truth) - set(left) <= touched


def test_a_tail_of_zeros_is_damage_and_never_a_frame(small, tmp_path):
    path = tmp_path / "zeros"
    path.write_bytes(small.read_bytes() + bytes(4096))
    reader = LogReader(path)
    assert len(list(reader)) == len(frames_of(small))
    assert reader.damage == [f"the last 4096 bytes (from byte {small.stat().st_size}) are torn or damaged"]
    assert masked_crc(0, 0, 0, b"") != 0


def test_a_file_of_zeros_is_refused(tmp_path):
    (tmp_path / "z.tdlog").write_bytes(bytes(1 << 16))
    with pytest.raises(UnreadableLogError, match="is not a traindoctor run log"):
        frames_of(tmp_path / "z.tdlog")


def test_swapped_and_doubled_frames_are_read_once(small, tmp_path):
    data, whole = small.read_bytes(), frames_of(small)
    cuts = [frame.offset for frame in whole] + [len(data)]
    pieces = [data[a:b] for a, b in pairwise(cuts)]
    pieces[3], pieces[5] = pieces[5], pieces[3]
    path = tmp_path / "mixed"
    path.write_bytes(b"".join([*pieces, pieces[2], pieces[2]]))
    reader = LogReader(path)
    got = {frame.sequence: frame.payload for frame in reader}
    assert got == {frame.sequence: frame.payload for frame in whole}
    assert reader.damage == ["2 frames appear twice; the copies were left out"]


def test_frames_of_another_log_are_left_out(small, tmp_path):
    other = write_small_log(tmp_path / "other.tdlog", 3).path
    path = tmp_path / "both"
    path.write_bytes(small.read_bytes() + other.read_bytes())
    reader = LogReader(path)
    assert [f.payload for f in reader] == [f.payload for f in frames_of(small)]
    assert reader.damage == [f"{len(frames_of(other))} frames of another log were left out"]


def test_a_hole_is_counted(small, tmp_path):
    data, whole = small.read_bytes(), frames_of(small)
    path = tmp_path / "hole"
    path.write_bytes(data[: whole[2].offset] + data[whole[4].offset :])
    reader = LogReader(path)
    assert len(list(reader)) == len(whole) - 2
    assert reader.damage == [f"2 of {len(whole)} frames are missing"]


def test_the_tail_alone_can_be_read(small):
    whole = frames_of(small)
    reader = LogReader(small, start=whole[4].offset + 1)
    assert [f.sequence for f in reader] == [f.sequence for f in whole[5:]]
    assert reader.damage == []


def test_promised_lengths_do_not_make_reading_slow(tmp_path):
    # Every header is a bomb: it promises a frame up to the end of the file; they must not all be checked.
    n, path = 40_000, tmp_path / "bombs"
    bombs = [HEADER.pack(MAGIC, 3, 1, i, HEADER.size * (n - i - 1), 0) for i in range(n)]
    good = write_small_log(tmp_path / "good.tdlog", 3).path
    path.write_bytes(good.read_bytes() + b"".join(bombs))
    reader = LogReader(path)
    assert [f.payload for f in reader] == [f.payload for f in frames_of(good)]
    assert any("too much of the file is damaged" in sentence for sentence in reader.damage)


def test_a_frame_that_no_reader_takes_is_not_written(tmp_path):
    writer = LogWriter(tmp_path / "a.tdlog", header())
    writer.append(Kind.ROWS, b"")
    writer.append(Kind.PREDICTIONS, bytes(MAX_PAYLOAD + 1))
    writer.close({})
    assert writer.dropped == 2
    assert [f.kind for f in frames_of(tmp_path / "a.tdlog")] == [Kind.HEADER, Kind.END]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused_at_once(tmp_path, make):
    path = tmp_path / "odd.tdlog"
    make(path)
    with pytest.raises(UnreadableLogError, match=r"no regular file|cannot read"):
        frames_of(path)


def test_an_existing_file_is_never_written_to(small):
    before = small.read_bytes()
    with pytest.raises(FileExistsError):
        LogWriter(small, header())
    assert small.read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_drops_frames_counts_them_and_recovers(tmp_path):
    writer = LogWriter(tmp_path / "a.tdlog", header())
    writer.flush()
    healthy = os.dup(writer._fd)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._fd)
    writer.append(Kind.ROWS, encode_rows(np.array([0]), {"loss/train": np.array([1.0])}))
    assert not writer.flush()
    assert writer.dropped == 1
    assert "No space left on device" in writer.last_error
    os.dup2(healthy, writer._fd)
    writer.append(Kind.ROWS, encode_rows(np.array([1]), {"loss/train": np.array([2.0])}))
    assert writer.flush()
    writer.close({"exit_code": 0})
    os.close(full)
    os.close(healthy)
    reader = LogReader(tmp_path / "a.tdlog")
    assert [f.kind for f in reader] == [Kind.HEADER, Kind.ROWS, Kind.END]
    assert reader.damage == ["1 of 4 frames are missing"]


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:7])))
    path = write_small_log(tmp_path / "short.tdlog", 3, end={}).path
    monkeypatch.undo()
    reader = LogReader(path)
    assert [f.sequence for f in reader] == list(range(len(frames_of(path))))
    assert reader.damage == []


def test_a_forked_child_writes_nothing(tmp_path):
    writer = LogWriter(tmp_path / "a.tdlog", header())
    writer.append_json(Kind.EVENT, {"step": 0, "kind": "note"})
    child = os.fork()
    if child == 0:
        writer.append_json(Kind.EVENT, {"step": 1, "kind": "note"})
        writer.flush()
        writer.close({"exit_code": 9})
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "a.tdlog").stat().st_size == 0
    writer.close({"exit_code": 0})
    assert [f.kind for f in frames_of(tmp_path / "a.tdlog")] == [Kind.HEADER, Kind.EVENT, Kind.END]


def test_closing_twice_writes_one_end(tmp_path):
    writer = LogWriter(tmp_path / "a.tdlog", header())
    writer.close({"exit_code": 0})
    writer.close({"exit_code": 1})
    writer.sync()
    assert [f.kind for f in frames_of(tmp_path / "a.tdlog")] == [Kind.HEADER, Kind.END]


KILLED_WRITER = """
import sys
from pathlib import Path
import numpy as np
from traindoctor.runlog import Kind, LogWriter, encode_rows
writer = LogWriter(Path(sys.argv[1]), {})
for step in range(10**9):
    writer.append(Kind.ROWS, encode_rows(np.array([step]), {"loss/train": np.array([step / 3])}))
    writer.flush()
    sys.stdout.write(f"{step}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("n_acknowledged", [1, 57, 400])
def test_sigkill_keeps_every_acknowledged_frame(tmp_path, n_acknowledged):
    path = tmp_path / "killed.tdlog"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_WRITER, path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(n_acknowledged):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")
        last = max([last, *(int(line) for line in rest[:-1])])
    rows = [decode_rows(f.payload).columns["loss/train"] for f in frames_of(path) if f.kind == Kind.ROWS]
    steps = [int(steps[0]) for steps, _ in rows]
    assert steps == list(range(len(steps)))
    assert len(steps) >= last + 1
    assert all(values[0] == step / 3 for (_, values), step in zip(rows, steps, strict=True))


def test_a_reader_of_a_growing_log_sees_a_growing_prefix(tmp_path):
    writer = LogWriter(tmp_path / "live.tdlog", header())
    seen: list[int] = []
    for step in range(20):
        writer.append(Kind.ROWS, encode_rows(np.array([step]), {"loss/train": np.array([1.0])}))
        writer.flush()
        now = [f.sequence for f in LogReader(tmp_path / "live.tdlog")]
        assert now[: len(seen)] == seen
        assert len(now) == step + 2
        seen = now
    writer.close({})


def test_the_layout_id_is_the_crc_of_its_frame(small):
    layouts = {zlib.crc32(f.payload) for f in frames_of(small) if f.kind == Kind.LAYOUT}
    blocks = {decode_block(f.payload).layout for f in frames_of(small) if f.kind == Kind.BLOCK}
    assert blocks == layouts
