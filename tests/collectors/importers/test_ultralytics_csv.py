"""Ultralytics tables: every header dialect, the added total, the bias rate, how the run ended."""

from __future__ import annotations

import math
from pathlib import Path

from tests.collectors.importers.readings import points, run, said, source_of

FILE = "results.csv"
HEADER = (
    "epoch,train/box_loss,train/cls_loss,train/dfl_loss,metrics/mAP50(B),metrics/mAP50-95(B),"
    "val/box_loss,val/cls_loss,val/dfl_loss,lr/pg0,lr/pg1,lr/pg2"
)


def table(n: int, first: int = 1, padding: int = 0) -> str:
    rows = [HEADER.split(",")]
    for e in range(first, first + n):
        rows.append(
            [str(v) for v in (e, 1.5, 0.5, 0.25, 0.1, 0.05, 1.0, 0.5, 0.5, 0.07 / (e + 1), 1e-3, 1e-3)]
        )
    return "".join(",".join(cell.rjust(padding) for cell in row) + "\n" for row in rows)


def test_the_parts_add_up_to_a_total(tmp_path: Path) -> None:
    found = run(tmp_path, table(2, padding=24), FILE)
    assert points(found, "loss/train") == [(1, 2.25), (2, 2.25)]
    assert points(found, "loss/validation") == [(1, 2.0), (2, 2.0)]
    assert points(found, "box_loss/train") == [(1, 1.5), (2, 1.5)]
    assert "added up" in found.info.series["loss/train"].note
    assert found.info.x_unit == "epochs"


def test_the_bias_rate_does_not_come_first(tmp_path: Path) -> None:
    found = run(tmp_path, table(3), FILE)
    assert next(iter(found.learning_rates())) != "bias"
    assert source_of(found, "lr/bias") == "lr/pg0"


def test_the_bias_rate_of_version_five_may_be_the_last(tmp_path: Path) -> None:
    text = (
        "epoch,train/box_loss,train/obj_loss,train/cls_loss,metrics/mAP_0.5:0.95,x/lr0,x/lr1,x/lr2\n"
        "0,.1,.02,.01,.2,.003,.003,.07\n1,.1,.02,.01,.2,.006,.006,.04\n"
    )
    found = run(tmp_path, text, FILE)
    assert source_of(found, "lr/bias") == "x/lr2"
    assert found.info.epochs == 2


def test_one_to_one_and_one_to_many_heads(tmp_path: Path) -> None:
    header = "epoch,train/box_om,train/cls_om,train/box_oo,train/cls_oo,metrics/mAP50(B)\n"
    text = header + "1,1,2,4,8,.5\n2,1,1,1,1,.6\n"
    found = run(tmp_path, text, FILE)
    assert points(found, "loss/train") == [(1, 15.0), (2, 4.0)]


def test_a_classifier_has_its_own_total(tmp_path: Path) -> None:
    text = "epoch,train/loss,metrics/accuracy_top1,val/loss,lr/pg0\n1,2,.3,2.1,.001\n2,nan,.3,nan,.001\n"
    found = run(tmp_path, text, FILE)
    assert points(found, "loss/train")[0] == (1, 2.0)
    assert math.isnan(points(found, "loss/train")[1][1])
    assert points(found, "accuracy/validation") == [(1, 0.3), (2, 0.3)]


def test_a_missing_part_makes_no_total(tmp_path: Path) -> None:
    text = "epoch,train/box_loss,train/cls_loss,metrics/mAP50(B)\n1,1,2,.5\n2,1,,.5\n"
    assert points(run(tmp_path, text, FILE), "loss/train") == [(1, 3.0)]


def test_the_end_is_told_by_the_arguments(tmp_path: Path) -> None:
    cut = run(tmp_path / "a", table(4), FILE, beside={"args.yaml": "epochs: 10\nbatch: 16\npatience: 100\n"})
    assert (cut.info.status, cut.info.batch_size) == ("unknown", 16)
    whole = run(tmp_path / "b", table(10), FILE, beside={"args.yaml": "epochs: 10\nclose_mosaic: 4\n"})
    assert whole.info.status == "finished"
    assert said(whole, "mosaic augmentation ends at epoch 7")
    early = run(tmp_path / "c", table(8), FILE, beside={"args.yaml": "epochs: 99\npatience: 5\n"})
    assert early.info.status == "finished"
    assert said(early, "stopped early at epoch 8")
    counted_from_zero = run(tmp_path / "d", table(10, first=0), FILE, beside={"args.yaml": "epochs: 10\n"})
    assert counted_from_zero.info.status == "finished"
