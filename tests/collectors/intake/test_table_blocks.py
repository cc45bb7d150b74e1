"""Blocks of plain rows give what rows one by one give."""

from __future__ import annotations

import random

import numpy as np
import pytest

from traindoctor.collectors.importers.generic_table import GenericTable
from traindoctor.collectors.intake import table_blocks
from traindoctor.collectors.intake.assembly import runs_of
from traindoctor.collectors.intake.logbook import Logbook
from traindoctor.collectors.intake.source import Source

ODD = [
    "nan",
    "NaN",
    "inf",
    "-Infinity",
    "",
    " ",
    " 0.5 ",
    "1e-3",
    "-2",
    "7%",
    "text",
    "tensor(0.25)",
    "1_000",
    "0x1",
    "+nan",
    ".5",
]


def table(rng, n_rows, odd_share):
    lines = ["step,loss,val_loss,lr,note"]
    for step in range(n_rows):
        cells = [f"{rng.random():.6f}", "" if step % 7 else f"{rng.random():.4f}", "0.1", "a_b"]
        cells = [rng.choice(ODD) if rng.random() < odd_share else cell for cell in cells]
        lines.append(",".join([str(step), *cells]))
    kinds = [
        "",
        "# a comment",
        "warning: text",
        "1,2",
        "1,2,3,4,5,6,7",
        '5,"0.5",1,1,x',
        lines[0],
        "oops,0.5,1,1,x",
    ]
    for _ in range(int(n_rows * odd_share / 4)):
        lines.insert(rng.randrange(1, len(lines)), rng.choice(kinds))
    return "\n".join(lines) + "\n"


def read(path):
    log = Logbook()
    GenericTable().read(Source(path), log)
    return log, runs_of(log, source="", path="", stem="")


@pytest.mark.parametrize("odd_share", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_blocks_change_nothing(seed, odd_share, tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text(table(random.Random(seed), 400, odd_share))
    monkeypatch.setattr(table_blocks, "BLOCK", 10**9)
    slow, expected = read(path)
    monkeypatch.setattr(table_blocks, "BLOCK", 32)
    fast, found = read(path)
    assert fast.sentences() == slow.sentences()
    assert len(found) == len(expected)
    for run, other in zip(found, expected, strict=True):
        assert run.series.keys() == other.series.keys()
        for name, series in run.series.items():
            np.testing.assert_array_equal(series.steps, other.series[name].steps)
            np.testing.assert_array_equal(series.values, other.series[name].values)


def test_plain_rows_are_read_in_blocks(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text(table(random.Random(0), 400, 0.0))
    monkeypatch.setattr(table_blocks, "BLOCK", 32)
    poured = []
    monkeypatch.setattr(
        Logbook,
        "rows",
        lambda self, x, values, rows=Logbook.rows: (poured.append(len(x)), rows(self, x, values)),
    )
    read(tmp_path / "a.csv")
    assert sum(poured) >= 320
