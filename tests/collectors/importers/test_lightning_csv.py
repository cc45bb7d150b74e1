"""Lightning tables: sparse rows, twins, hparams, torn ends, look-alikes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.collectors.importers.readings import points, run, said, source_of

FILE = "version_3/metrics.csv"


def test_sparse_rows_of_new_versions(tmp_path: Path) -> None:
    text = (
        "epoch,lr-Adam,step,test_acc,train_loss,val_loss\n,0.1,9,,,\n0,,9,,2.0,\n0,,19,,,1.5\n1,,20,0.5,,\n"
    )
    found = run(tmp_path, text, FILE)
    assert found.info.source == "Lightning CSVLogger metrics.csv"
    assert points(found, "loss/train") == [(9, 2.0)]
    assert points(found, "loss/validation") == [(19, 1.5)]
    assert source_of(found, "lr/adam") == "lr-Adam"
    assert found.info.x_unit == "optimizer steps"


def test_old_column_order(tmp_path: Path) -> None:
    found = run(tmp_path, "train_loss,train_acc,epoch,step\n1.0,0.1,0,49\n0.9,0.2,0,99\n", FILE)
    assert points(found, "loss/train") == [(49, 1.0), (99, 0.9)]
    assert points(found, "accuracy/train") == [(49, 0.1), (99, 0.2)]


def test_twins_stay_apart(tmp_path: Path) -> None:
    text = "epoch,step,train_loss_epoch,train_loss_step\n0,9,,3.0\n0,19,,2.0\n0,19,2.5,\n"
    found = run(tmp_path, text, FILE)
    assert points(found, "loss/train") == [(9, 3.0), (19, 2.0)]
    assert points(found, "train_loss_epoch") == [(19, 2.5)]


def test_recorded_nan_is_not_a_missing_cell(tmp_path: Path) -> None:
    found = run(tmp_path, "epoch,step,train_loss,val_loss\n0,49,nan,\n0,99,,inf\n", FILE)
    ((step, value),) = points(found, "loss/train")
    assert step == 49
    assert math.isnan(value)
    assert points(found, "loss/validation") == [(99, math.inf)]


def test_hyperparameters_with_python_tags(tmp_path: Path) -> None:
    yaml = "batch_size: 32\nlr: 1e-3\noptimizer: !!python/name:torch.optim.adam.Adam ''\napi_key: abc\n"
    text = "epoch,step,train_loss\n0,9,1.0\n"
    found = run(tmp_path, text, FILE, beside={"hparams.yaml": yaml})
    assert found.info.batch_size == 32
    assert found.info.config["lr"] == 1e-3
    assert found.info.config["optimizer"] == "torch.optim.adam.Adam"
    assert found.info.config["api_key"] == "[redacted]"


@pytest.mark.parametrize("yaml", ["{}\n", "[" * 10_000, "a: &a [*a, *a]\n", "\0", "a: b: c:"])
def test_useless_hyperparameters(tmp_path: Path, yaml: str) -> None:
    found = run(tmp_path, "epoch,step,train_loss\n0,9,1.0\n", FILE, beside={"hparams.yaml": yaml})
    assert points(found, "loss/train") == [(9, 1.0)]


def test_a_cut_row_is_left_out(tmp_path: Path) -> None:
    found = run(tmp_path, "epoch,step,train_loss,val_loss\n0,49,0.5123,\n0,99,0.41", FILE)
    assert points(found, "loss/train") == [(49, 0.5123)]
    assert said(found, "the last row is cut")


def test_a_step_inside_the_epoch_is_not_lightnings(tmp_path: Path) -> None:
    rows = "".join(f"{e},{s},{1 / (1 + e)}\n" for e in range(3) for s in (0, 10, 20))
    found = run(tmp_path, "epoch,step,loss\n" + rows, "metrics.csv")
    assert [x for x, _ in points(found, "loss/train")] == [0, 10, 20, 30, 40, 50, 60, 70, 80]
    assert said(found, "begins again in every `epoch`")
