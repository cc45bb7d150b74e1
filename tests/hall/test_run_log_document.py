"""docs/run-log.md tells the truth: its byte tables and examples are those of the code."""

from __future__ import annotations

import dataclasses
import doctest
import re
from pathlib import Path

import numpy as np

from traindoctor.run import RunInfo
from traindoctor.runlog import MAGIC, MAX_PAYLOAD, VERSION, Kind, encode_rows, masked_crc
from traindoctor.runlog_format import HEADER

DOCUMENT = Path(__file__).parents[2] / "docs" / "run-log.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def hex_blocks() -> list[bytes]:
    lines = re.findall(r"((?:^[0-9a-f]{2}(?: [0-9a-f]{2})+\n)+)", TEXT, re.MULTILINE)
    return [bytes.fromhex(block.replace("\n", " ")) for block in lines]


def test_the_python_example_runs():
    assert doctest.testfile(str(DOCUMENT), module_relative=False).failed == 0
    assert doctest.testfile(str(DOCUMENT), module_relative=False).attempted >= 5


def test_the_frame_example_is_what_the_writer_makes():
    payload = b'{"exit_code":0}'
    crc = masked_crc(Kind.END, 0x01020304, 5, payload)
    frame = HEADER.pack(MAGIC, Kind.END, 0x01020304, 5, len(payload), crc) + payload
    assert hex_blocks()[0] == frame
    assert f"0x{crc:08X}" in TEXT


def test_the_rows_example_is_what_the_writer_makes():
    columns = {"loss/train": np.array([1.5, 1.25, 1.0]), "lr/0": np.full(3, 0.1)}
    rows = encode_rows(np.arange(3), columns, {"lr/0": np.array([True, False, True])})
    assert hex_blocks()[1] == rows


def test_numbers_and_kinds_are_the_codes():
    assert f"format version is **{VERSION}**" in TEXT.replace("\n", " ")
    assert f"{MAX_PAYLOAD:,}".replace(",", " ") in TEXT
    assert MAGIC.hex(" ") in TEXT
    for kind in Kind:
        assert f"| {kind.value} | {kind.name} |" in TEXT


def test_every_fact_that_a_log_may_carry_is_named():
    own = {"status", "source", "path"}
    for field in dataclasses.fields(RunInfo):
        assert field.name in own or f"`{field.name}`" in TEXT, field.name
