"""Scalar columns: the fast decoder equals the obvious one, and order in the log decides."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from traindoctor.collectors.importers import columns as module
from traindoctor.collectors.importers.columns import MAX_STEP, Columns, decode_group
from traindoctor.runlog import decode_rows, encode_rows


def payload(steps, **values):
    return encode_rows(np.array(steps), {name: np.array(column, float) for name, column in values.items()})


def collected(*payloads):
    columns = Columns()
    for sequence, content in enumerate(payloads):
        columns.add(sequence, content)
    return columns, columns.series()


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_the_fast_decoder_equals_the_obvious_one(data):
    names = data.draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=4))
    payloads = []
    for _ in range(data.draw(st.integers(1, 5))):
        n = data.draw(st.integers(0, 20))
        steps = data.draw(hnp.arrays(np.int64, n))
        values = {name: data.draw(hnp.arrays(np.float64, n)) for name in names}
        present = {name: data.draw(hnp.arrays(bool, n)) for name in names}
        payloads.append(encode_rows(steps, values, present))
    fast = decode_group("\x1f".join(names).encode(), list(enumerate(payloads)))
    for name in names:
        parts = [decode_rows(p).columns.get(name, (np.zeros(0, int), np.zeros(0))) for p in payloads]
        assert fast[name].steps.tolist() == [step for steps, _ in parts for step in steps.tolist()]
        assert fast[name].values.tobytes() == b"".join(values.tobytes() for _, values in parts)
        assert fast[name].counts.tolist() == [len(steps) for steps, _ in parts]


def test_series_keep_their_own_steps_and_their_order_of_appearance():
    _, series = collected(
        payload([0, 1], b=[1, 2], a=[3, 4]), payload([5], c=[6]), payload([2], b=[7], a=[8])
    )
    assert list(series) == ["b", "a", "c"]
    assert series["a"].steps.tolist() == [0, 1, 2]
    assert series["c"].values.tolist() == [6]


def test_of_several_values_for_a_step_the_latest_in_the_log_stays():
    first, second = payload([0, 1, 2], a=[0, 1, 2]), payload([1, 2, 3], a=[10, np.nan, 30])
    _, series = collected(first, payload([1], a=[5], b=[5]), second)
    np.testing.assert_array_equal(series["a"].values, [0, 10, np.nan, 30])
    swapped = Columns()
    swapped.add(2, second)
    swapped.add(0, first)
    np.testing.assert_array_equal(swapped.series()["a"].values, [0, 10, np.nan, 30])


def test_batches_do_not_change_the_result(monkeypatch):
    payloads = [payload([i, i + 1], a=[i, -i]) for i in range(50)] + [payload([3], a=[99])]
    _, whole = collected(*payloads)
    monkeypatch.setattr(module, "_BATCH_BYTES", 100)
    _, batched = collected(*payloads)
    assert batched["a"].steps.tolist() == whole["a"].steps.tolist()
    assert batched["a"].values.tolist() == whole["a"].values.tolist()
    assert whole["a"].at(np.array([3])).tolist() == [99]


GOOD = payload([0, 1], a=[1, 2])
HOSTILE = {
    "empty": b"",
    "short": GOOD[:5],
    "cut": GOOD[:-1],
    "more rows than bytes": struct.pack("<II", 1, 2**32 - 1) + b"a" + bytes(64),
    "names beyond the end": struct.pack("<II", 2**32 - 1, 1) + b"a" + bytes(64),
    "unknown mode": GOOD[:25] + b"\x07" + GOOD[26:],
    "names that are no text": struct.pack("<II", 1, 0) + b"\xff\x01",
    "mask beyond the end": struct.pack("<II", 1, 1) + b"a" + bytes(8) + b"\x02",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_payload_that_contradicts_itself_costs_only_itself(name):
    columns, series = collected(GOOD, HOSTILE[name], payload([2], a=[3]))
    assert series["a"].values.tolist() == [1, 2, 3]
    assert columns.n_bad == 1


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_any_bytes_are_taken_without_an_error(content):
    collected(content, struct.pack("<II", 1, 1) + b"a" + content)


def test_impossible_steps_are_left_out():
    columns, series = collected(payload([-1, 0, MAX_STEP, MAX_STEP + 1], a=[1, 2, 3, 4]))
    assert series["a"].steps.tolist() == [0, MAX_STEP]
    assert columns.n_outside == 2


def test_a_flood_of_names_is_capped(monkeypatch):
    monkeypatch.setattr(module, "MAX_SERIES", 3)
    columns, series = collected(*(payload([0], **{f"n{i}": [1]}) for i in range(9)), payload([1], n1=[2]))
    assert list(series) == ["n0", "n1", "n2"]
    assert len(series["n1"]) == 2
    assert columns.n_names_refused == 6
