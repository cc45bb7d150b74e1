"""Tables of single tools with a row per epoch or evaluation: timm, bearpaw, flair, skorch, AlgoPerf."""

from __future__ import annotations

import json
import math
from pathlib import Path

from tests.collectors.importers.readings import points, run, said


def test_timm(tmp_path: Path) -> None:
    text = "epoch,train_loss,eval_loss,eval_top1,lr\n0,6.9,6.8,0.5,0.001\n1,6.5,6.0,5.5,0.002\n"
    args = "epochs: 2\nbatch_size: 128\nnum_classes: 1000\n"
    found = run(tmp_path, text, "summary.csv", beside={"args.yaml": args})
    assert found.info.source == "timm summary.csv"
    assert points(found, "loss/validation") == [(0, 6.8), (1, 6.0)]
    assert points(found, "accuracy/validation") == [(0, 0.005), (1, 0.055)]
    assert (found.info.batch_size, found.info.n_classes, found.info.status) == (128, 1000, "finished")


HEADER = "Learning Rate\tTrain Loss\tValid Loss\tTrain Acc.\tValid Acc.\t\n"


def test_bearpaw(tmp_path: Path) -> None:
    found = run(tmp_path, HEADER + "0.1\t4.1\t3.5\t10.0\t18.0\t\n0.1\t3.1\t3.0\t20.0\t28.0\t\n", "log.txt")
    assert found.info.source == "bearpaw log.txt"
    assert points(found, "loss/validation") == [(0, 3.5), (1, 3.0)]
    assert points(found, "accuracy/train") == [(0, 0.1), (1, 0.2)]
    assert said(found, "the number of the row")


def test_bearpaw_cut(tmp_path: Path) -> None:
    rows = "0.1\t4.1\t3.5\t10.0\t18.0\t\n" * 3
    found = run(tmp_path, HEADER + rows + "0.1\t3.1\t3.0\t2", "log.txt")
    assert len(points(found, "accuracy/train")) == 3


FLAIR = "EPOCH\tTIMESTAMP\tBAD_EPOCHS\tLEARNING_RATE\tTRAIN_LOSS\tDEV_LOSS\tDEV_F1\n"


def test_flair(tmp_path: Path) -> None:
    found = run(
        tmp_path, FLAIR + "1\t18:20:01\t0\t0.1\t3.5\t3.1\t0.2\n2\t18:21:01\t0\t0.1\t3.0\t_\t0.3\n", "loss.tsv"
    )
    assert points(found, "loss/train") == [(1, 3.5), (2, 3.0)]
    assert points(found, "loss/validation") == [(1, 3.1)]


def test_flair_with_shifted_fields(tmp_path: Path) -> None:
    rows = "".join(f"{e}\t18:20:01\t0\t0.1\t3.5\t_\t9.0\t0.9\n" for e in (1, 2))
    found = run(tmp_path, FLAIR + rows, "loss.tsv")
    assert points(found, "loss/train") == [(1, 3.5), (2, 3.5)]
    assert found.get("loss/validation") is None
    assert said(found, "8 fields under 7 names")


def test_skorch(tmp_path: Path) -> None:
    batch = {"train_loss": 1.0, "train_batch_size": 32}
    rows = [
        {"batches": [batch] * 3, "epoch": e, "train_loss": 1.0 / e, "valid_loss": 2.0, "valid_acc": 0.5,
         "dur": 0.5, "train_loss_best": True}
        for e in (1, 2)
    ]  # fmt: skip
    found = run(tmp_path, json.dumps(rows), "history.json")
    assert found.info.source == "skorch history.json"
    assert points(found, "loss/train") == [(1, 1.0), (2, 0.5)]
    assert (found.info.batch_size, found.info.seconds) == (32, 1.0)
    assert "train_loss_best" not in found.series


def test_algoperf(tmp_path: Path) -> None:
    text = (
        "global_step,grad_norm,loss,train/loss,validation/loss,validation/wer,accumulated_submission_time\n"
        "0,0.5,inf,,,,\n1,,,2.2,2.3,0.9,5\n1,0.5,2.0,,,,\n2,,,,,,\n"
    )
    found = run(tmp_path, text, "measurements.csv", beside={"hparams.json": '{"learning_rate": 4.2}'})
    assert found.info.source == "AlgoPerf measurements.csv"
    assert points(found, "loss/train") == [(0, math.inf), (1, 2.0)]
    assert points(found, "train/loss") == [(1, 2.2)]
    assert found.info.series["wer/validation"].better == "lower"
    assert found.info.config["learning_rate"] == 4.2
