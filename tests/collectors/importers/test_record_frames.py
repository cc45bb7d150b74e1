import io
import random

import pytest

from tests.collectors.importers.event_files import frame
from traindoctor.collectors.importers.record_frames import MAX_RECORD, FrameReader
from traindoctor.collectors.intake.logbook import Logbook

PAYLOADS = [b"payload %03d " % i + b"x" * (i % 7) for i in range(60)]
WHOLE = b"".join(map(frame, PAYLOADS))


def read(data):
    log = Logbook()
    return list(FrameReader(io.BytesIO(data), log, "run").payloads()), log.sentences()


def test_whole_file_gives_every_payload_and_no_note():
    assert read(WHOLE) == (PAYLOADS, [])


def test_cut_at_any_byte_keeps_exactly_the_frames_before():
    edges, at = [0], 0
    for payload in PAYLOADS[:12]:
        at += len(frame(payload))
        edges.append(at)
    for end in range(edges[-1] + 1):
        found, notes = read(WHOLE[:end])
        n_whole = sum(edge <= end for edge in edges) - 1
        assert found == PAYLOADS[:n_whole]
        assert bool(notes) == (end not in edges)
        if notes:
            assert "ends within a record" in notes[0]
            assert f"byte {edges[n_whole]}" in notes[0]


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_cost_their_frames_and_forge_none(seed):
    chance = random.Random(seed)
    data = bytearray(WHOLE)
    hit = set()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
        hit.add(at)
    found, notes = read(bytes(data))
    assert len(found) >= len(PAYLOADS) - len(hit)
    assert found == [payload for payload in PAYLOADS if payload in found]
    assert notes


@pytest.mark.parametrize("length", [1, 11, 37, 400])
@pytest.mark.parametrize("kind", ["zeros", "removed", "noise"])
def test_a_damaged_block_costs_what_it_covers_and_two_frames(kind, length):
    for start in range(0, 1000, 53):
        noise = random.Random(start).randbytes(length)
        block = {"zeros": b"\0" * length, "removed": b"", "noise": noise}[kind]
        found, _ = read(WHOLE[:start] + block + WHOLE[start + length :])
        smallest = min(len(frame(payload)) for payload in PAYLOADS)
        assert len(found) >= len(PAYLOADS) - length // smallest - 2
        assert found == [payload for payload in PAYLOADS if payload in found]


def test_damage_is_named_with_its_byte():
    at = len(frame(PAYLOADS[0]))
    data = bytearray(WHOLE)
    data[at + 14] ^= 1
    found, notes = read(bytes(data))
    assert found == PAYLOADS[:1] + PAYLOADS[2:]
    assert notes == [f"run: a frame with a damaged payload was left out (at byte {at})"]


def test_a_length_bomb_is_not_believed():
    data = WHOLE + (2**62).to_bytes(8, "little") + b"\1\2\3\4" + WHOLE
    found, notes = read(data)
    assert found == PAYLOADS * 2
    assert len(notes) == 1


def test_a_record_that_is_too_long_is_passed_over():
    long = frame(b"\0" * (MAX_RECORD + 1))
    found, notes = read(WHOLE + long + WHOLE)
    assert found == PAYLOADS * 2
    assert "records of more than 64 MiB were skipped" in notes[0]


def test_zeros_at_the_end_are_no_frames():
    found, notes = read(WHOLE + b"\0" * 5_000_000)
    assert found == PAYLOADS
    assert len(notes) == 1


def test_frames_over_the_edges_of_the_buffer_are_whole():
    payloads = [random.Random(i).randbytes(50_000 + i) for i in range(60)]
    assert read(b"".join(map(frame, payloads))) == (payloads, [])


def test_a_false_head_on_every_byte_is_seen_through():
    false = ((1).to_bytes(8, "little") + b"\xff\xff\xff\xff") * 200_000
    found, notes = read(WHOLE + false + WHOLE)
    assert found == PAYLOADS * 2
    assert len(notes) == 1
