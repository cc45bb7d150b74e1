"""A run as a table: nothing recorded is lost, nothing unrecorded appears."""

from __future__ import annotations

import csv
import os
import sys

import numpy as np
import pandas as pd
import pytest

from traindoctor.errors import MissingDependencyError, UsageError
from traindoctor.export import export_run, to_frame
from traindoctor.run import Run, Series


def series(steps, values):
    return Series(np.array(steps), np.array(values, float))


@pytest.fixture
def run():
    return Run(
        "id",
        "name",
        {"loss/train": series([0, 1, 2], [1.5, np.nan, np.inf]), "=cmd()": series([0, 2], [0.1, -np.inf])},
        {"weight_norm": {"fc1.weight": series([0], [2.0])}},
    )


def rows(frame):
    columns = (frame[name].tolist() for name in ("series", "step", "value", "unit"))
    return [(name, step, str(value), unit) for name, step, value, unit in zip(*columns, strict=True)]


EXPECTED = [
    ("loss/train", 0, "1.5", "loss units"),
    ("loss/train", 1, "nan", "loss units"),
    ("loss/train", 2, "inf", "loss units"),
    ("=cmd()", 0, "0.1", ""),
    ("=cmd()", 2, "-inf", ""),
    ("weight_norm/fc1.weight", 0, "2.0", "weight units"),
]


def test_the_long_table_has_one_row_per_recorded_value(run):
    frame = to_frame(run)
    assert rows(frame) == EXPECTED
    assert (frame["step"].dtype, frame["value"].dtype) == (np.int64, np.float64)


def test_the_wide_table_tells_nan_from_not_recorded(run):
    frame = to_frame(run, wide=True)
    assert frame.index.tolist() == [0, 1, 2]
    loss, command = frame["loss/train"], frame["=cmd()"]
    assert loss.array._mask.tolist() == [False, False, False]
    assert np.isnan(loss.array._data[1])
    assert command.array._mask.tolist() == [False, True, False]
    assert frame["weight_norm/fc1.weight"].isna().tolist() == [False, True, True]


def test_a_name_that_stands_for_two_series_keeps_both():
    run = Run("i", "n", {"weight_norm/a": series([0], [1])}, {"weight_norm": {"a": series([0], [2])}})
    assert to_frame(run)["value"].tolist() == [1.0, 2.0]
    assert to_frame(run)["series"].tolist() == ["weight_norm/a"] * 2


@pytest.mark.parametrize("wide", [False, True])
def test_an_empty_run_is_an_empty_table(wide, tmp_path):
    assert len(to_frame(Run("i", "n"), wide=wide)) == 0
    for name in ("a.csv", "a.parquet"):
        export_run(Run("i", "n"), tmp_path / name)
    assert (tmp_path / "a.csv").read_text() == "series,step,value,unit\n"


def test_parquet_comes_back_bit_for_bit(run, tmp_path):
    export_run(run, tmp_path / "a.parquet")
    frame = pd.read_parquet(tmp_path / "a.parquet")
    assert rows(frame) == EXPECTED
    import pyarrow.parquet as pq

    assert pq.read_table(tmp_path / "a.parquet")["value"].null_count == 0


def test_csv_comes_back_and_names_are_no_formulas(run, tmp_path):
    assert export_run(run, tmp_path / "a.csv") == tmp_path / "a.csv"
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == ["series", "step", "value", "unit"]
    assert found[1:] == [[("'" if s[0] == "=" else "") + s, str(step), v, u] for s, step, v, u in EXPECTED]


@pytest.mark.parametrize("name", ["=1", "+1", "-1", "@x", "\t=1", "a,b", 'a"b', "a\nb", "é"])
def test_any_name_survives_csv(name, tmp_path):
    export_run(Run("i", "n", {name: series([0], [0.1 + 0.2])}), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        _, row = list(csv.reader(file))
    assert row[0].removeprefix("'") == name
    assert row[0][0] not in "=+-@\t"
    assert float(row[2]) == 0.1 + 0.2


def test_an_unknown_format_is_refused(run, tmp_path):
    with pytest.raises(UsageError, match=r"expected one of the formats csv, parquet, found 'xlsx'"):
        export_run(run, tmp_path / "a.xlsx")
    export_run(run, tmp_path / "b.txt", "csv")
    assert (tmp_path / "b.txt").exists()


def test_without_pyarrow_the_message_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"traindoctor\[parquet\]"):
        export_run(run, tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_failed_export_leaves_the_old_file_and_no_other(run, tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UsageError, match=r"cannot write .*: No space left on device; choose another path"):
        export_run(run, tmp_path / name)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "old")]


def test_a_folder_that_does_not_exist_is_named(run, tmp_path):
    with pytest.raises(UsageError, match=r"cannot write .*nowhere"):
        export_run(run, tmp_path / "nowhere" / "a.csv")
