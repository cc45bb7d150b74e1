"""R4, R5, R19: logs that are cut, damaged or still growing are read as far as they are whole."""

import random
import threading
import time

import numpy as np
import pytest

from tests.logs import frames_of, header, intact_payloads, write_small_log
from tests.reliability.sizes import size
from traindoctor.errors import UnreadableLogError
from traindoctor.runlog import Kind, LogReader, LogWriter, encode_rows
from traindoctor.runlog_format import HEADER


@pytest.fixture
def small(tmp_path):
    return write_small_log(tmp_path / "small.tdlog", 30, end={"exit_code": 0}).path


@pytest.fixture
def other(tmp_path):
    return write_small_log(tmp_path / "other.tdlog", 9, end={"exit_code": 0}).path


def test_r4_cut_at_every_byte_an_exact_prefix_remains(small, tmp_path):
    data, frames = small.read_bytes(), frames_of(small)
    ends = [frame.offset + HEADER.size + len(frame.payload) for frame in frames]
    whole = [frame.payload for frame in frames]
    for length in range(0, len(data) + 1, size(3, 1)):
        n_whole = sum(end <= length for end in ends)
        found = intact_payloads(data[:length], tmp_path / "cut.tdlog")
        assert list(found.values()) == whole[:n_whole]


def flip(rng, data, other):
    places = [rng.randrange(len(data)) for _ in range(rng.choice([1, 1, 2, 8]))]
    for place in places:
        data[place] ^= 1 << rng.randrange(8)
    return data, [(place, place + 1) for place in places]


def zeros(rng, data, other):
    begin = rng.randrange(len(data))
    end = min(len(data), begin + rng.choice([1, 16, 512, 4096]))
    data[begin:end] = bytes(end - begin)
    return data, [(begin, end)]


def noise(rng, data, other):
    begin = rng.randrange(len(data))
    end = min(len(data), begin + rng.choice([1, 16, 512]))
    data[begin:end] = rng.randbytes(end - begin)
    return data, [(begin, end)]


def swap(rng, data, other):
    length = rng.choice([1, 64, 256])
    a, b = sorted(rng.sample(range(len(data) - length), 2))
    if b - a < length:
        return data, []
    data[a : a + length], data[b : b + length] = data[b : b + length], data[a : a + length]
    return data, [(a, a + length), (b, b + length)]


def remove(rng, data, other):
    begin = rng.randrange(len(data))
    end = min(len(data), begin + rng.choice([1, 64, 600]))
    del data[begin:end]
    return data, [(begin, end)]


def double(rng, data, other):
    begin = rng.randrange(len(data))
    end = min(len(data), begin + rng.choice([64, 600, 4096]))
    data[end:end] = data[begin:end]
    return data, [(end - 1, end + 1)]


def insert_another(rng, data, other):
    place = rng.randrange(FIRST_FRAME, len(data))
    data[place:place] = other
    return data, [(place - 1, place + 1)]


def append_another(rng, data, other):
    return data + other, []


# A piece of another log that destroys the very first frame makes that log the one that is read.
FIRST_FRAME = 400

DAMAGES = (flip, flip, zeros, noise, swap, remove, double, insert_another, append_another)


def test_r5_damage_forges_nothing_and_costs_what_it_touched(small, other, tmp_path):
    whole, foreign = small.read_bytes(), other.read_bytes()
    frames = frames_of(small)
    assert frames[0].offset + HEADER.size + len(frames[0].payload) < FIRST_FRAME
    truth = {frame.sequence: frame.payload for frame in frames}
    spans = [(f.offset, f.offset + HEADER.size + len(f.payload)) for f in frames]
    rng = random.Random(size(5, None))
    lost_beyond = 0
    for _ in range(size(5_000, 100_000)):
        damage = rng.choice(DAMAGES)
        data, touched = damage(rng, bytearray(whole), foreign)
        found = intact_payloads(bytes(data), tmp_path / "damaged.tdlog")
        forged = [sequence for sequence, payload in found.items() if truth.get(sequence) != payload]
        assert not forged, damage.__name__
        hit = sum(any(a < end and begin < b for a, b in touched) for begin, end in spans)
        lost = len(truth) - len(found)
        lost_beyond = max(lost_beyond, lost - hit)
        assert lost <= hit + 2, (damage.__name__, touched)
    assert lost_beyond <= 2


def test_r19_a_reader_of_a_living_log_sees_a_growing_prefix(tmp_path):
    path = tmp_path / "live.tdlog"
    written = 0
    stop = threading.Event()
    writer = LogWriter(path, header())

    def write():
        nonlocal written
        rng = random.Random(0)
        while not stop.is_set():
            for _ in range(rng.choice([1, 3, 40])):
                values = {f"series{n}": np.array([written / 3]) for n in range(rng.choice([1, 50]))}
                writer.append(Kind.ROWS, encode_rows(np.array([written]), values))
                written += 1
            writer.flush()
        writer.close({})

    thread = threading.Thread(target=write)
    thread.start()
    n_seen, growth = 0, 0
    try:
        for _ in range(size(200, 10_000)):
            before = written
            while written == before:  # both threads shall have their turn
                time.sleep(0)
            try:
                reader = LogReader(path, start=max(0, path.stat().st_size - 50_000))
                sequences = [frame.sequence for frame in reader]
            except UnreadableLogError:  # nothing whole yet
                continue
            if sequences:
                assert sequences == list(range(sequences[0], sequences[-1] + 1))
                assert sequences[-1] + 1 >= n_seen
                growth += sequences[-1] + 1 > n_seen
                n_seen = sequences[-1] + 1
    finally:
        stop.set()
        thread.join()
    assert growth > 5
    assert len(frames_of(path)) == written + 2
