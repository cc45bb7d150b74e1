"""YOLO text tables: 15 columns, the old F1 column, epochs without evaluation, forks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collectors.importers.readings import points, run, said
from traindoctor.errors import UnreadableLogError

FILE = "results.txt"


def rows(tail: str, n: int = 3, between: str = "") -> str:
    return "".join(f"   {e}/2   5.7G  0.08 0.02 0.01 0.11 {between} 31  640 {tail}\n" for e in range(n))


def test_fifteen_columns(tmp_path: Path) -> None:
    text = rows("0.5 0.4 0.3 0.2 0.07 0.02 nan")
    found = run(tmp_path, text, FILE, beside={"opt.yaml": "batch_size: 16\n", "hyp.yaml": "lr0: 0.01\n"})
    assert points(found, "loss/train") == [(0, 0.11), (1, 0.11), (2, 0.11)]
    assert points(found, "box_loss/validation") == [(0, 0.07), (1, 0.07), (2, 0.07)]
    assert found.info.series["map_0_5_0_95/validation"].source_name == "metrics/mAP_0.5:0.95"
    assert [value != value for _, value in points(found, "loss/validation")] == [True] * 3
    assert (found.info.status, found.info.batch_size) == ("finished", 16)


def test_the_old_f1_column(tmp_path: Path) -> None:
    found = run(tmp_path, rows("0.5 0.6 0.3 0.54 0.07 0.02 0.01"), FILE)
    assert points(found, "f1/validation")[0] == (0, 0.54)
    assert said(found, "taken as F1")


def test_epochs_without_evaluation_are_missing(tmp_path: Path) -> None:
    found = run(tmp_path, rows("0 0 0 0 0 0 0"), FILE)
    assert found.get("loss/validation") is None
    assert said(found, "were not evaluated")


def test_forks_are_refused_with_a_way_out(tmp_path: Path) -> None:
    text = rows("0.5 0.4 0.3 0.2 0.07 0.02 0.01 0.03", between="0.09")
    with pytest.raises(UnreadableLogError, match=r"found 17.*--map"):
        run(tmp_path, text, FILE)
    found = run(tmp_path, text, FILE, columns={"epoch": "column 1", "loss": "column 6"})
    assert points(found, "loss/train") == [(0, 0.11), (1, 0.11), (2, 0.11)]


def test_a_cut_row_is_left_out(tmp_path: Path) -> None:
    found = run(tmp_path, rows("0.5 0.4 0.3 0.2 0.07 0.02 0.01")[:-4], FILE)
    assert [x for x, _ in points(found, "loss/train")] == [0, 1]
