"""OpenMMLab JSON logs: both generations, iterations over the whole run, evaluations on the same axis."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.importers.readings import lines, points, run, runs, said, source_of
from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.errors import UnreadableLogError

HEAD = {"env_info": "sys.platform: linux\nPyTorch: 1.8.0\n", "seed": 3, "exp_name": "faster.py"}


def old(epoch: int, iteration: int, mode: str = "train", **more: Any) -> dict[str, Any]:
    return {"mode": mode, "epoch": epoch, "iter": iteration, "lr": 0.01, **more}


def test_iterations_count_on(tmp_path: Path) -> None:
    rows = [old(e, i, loss=1.0, loss_cls=0.5, acc=90.0) for e in (1, 2, 3) for i in (50, 100)]
    found = run(
        tmp_path, lines([HEAD, *rows, old(3, 117, "val", bbox_mAP=0.2, bbox_mAP_copypaste="0.2 0.3")])
    )
    assert [x for x, _ in points(found, "loss/train")] == [50, 100, 150, 200, 250, 300]
    assert points(found, "bbox_map/validation") == [(300, 0.2)]
    assert source_of(found, "bbox_map/validation") == "val/bbox_mAP"
    assert source_of(found, "accuracy/train") == "acc"
    assert found.info.environment == {"PyTorch": "1.8.0"}
    assert found.info.config["exp_name"] == "faster.py"


def test_runners_by_iteration_count_through(tmp_path: Path) -> None:
    rows = [old(e, i, loss=1.0) for e, i in ((1, 50), (1, 100), (2, 150), (2, 200), (3, 250))]
    found = run(tmp_path, lines([*rows, old(3, 500, "val", mIoU=0.3)]))
    assert [x for x, _ in points(found, "loss/train")] == [50, 100, 150, 200, 250]
    assert points(found, "miou/validation") == [(250, 0.3)]


def test_rates_of_several_optimizers_and_bare_nan(tmp_path: Path) -> None:
    rows = [{**old(1, i, loss=math.nan), "lr": {"g": 0.1, "d": 0.2}} for i in (50, 100)]
    found = run(tmp_path, lines(rows) + '{"mode": "tr')
    assert set(found.learning_rates()) == {"g", "d"}
    assert all(math.isnan(value) for _, value in points(found, "loss/train"))
    assert said(found, "the last line is cut")


def test_a_description_without_rows(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLogError, match="before the first log interval"):
        run(tmp_path, lines([HEAD]))


def new(step: int, epoch: int, **more: Any) -> dict[str, Any]:
    return {
        "lr": 0.01,
        "data_time": 0.1,
        "loss": 1.0,
        "time": 0.3,
        "epoch": epoch,
        "iter": step,
        "step": step,
        **more,
    }


def test_evaluations_by_epoch_stand_at_the_iteration(tmp_path: Path) -> None:
    rows = [new(50, 1), new(100, 1), {"coco/bbox_mAP": 0.3, "data_time": 0.1, "time": 0.2, "step": 1}]
    rows += [new(150, 2), new(200, 2), {"coco/bbox_mAP": 0.4, "data_time": 0.1, "time": 0.2, "step": 2}]
    found = run(tmp_path, lines(rows), "scalars.json")
    assert points(found, "coco_bbox_map/validation") == [(100, 0.3), (200, 0.4)]
    assert points(found, "time/step") == [(50, 0.3), (100, 0.3), (150, 0.3), (200, 0.3)]
    assert points(found, "val/time") == [(100, 0.2), (200, 0.2)]


def test_evaluations_by_iteration_stay(tmp_path: Path) -> None:
    rows = [new(50, 1), {"mIoU": 0.3, "time": 0.2, "data_time": 0.1, "step": 50}, new(100, 1)]
    assert points(run(tmp_path, lines(rows), "scalars.json"), "miou/validation") == [(50, 0.3)]


def test_a_test_alone(tmp_path: Path) -> None:
    found = run(tmp_path, lines([{"coco/bbox_mAP": 0.3, "data_time": 0.1, "time": 0.2, "step": 0}]), "x.json")
    assert points(found, "coco_bbox_map/validation") == [(0, 0.3)]
    assert said(found, "without training before them")


def test_appended_runs_are_split(tmp_path: Path) -> None:
    again = [{**new(50, 1), "loss": 0.5}, {**new(100, 1), "loss": 0.4}]
    found = runs(tmp_path, lines([new(50, 1), new(100, 1), *again]), "scalars.json")
    assert [len(points(r, "loss/train")) for r in found] == [2, 2]


def test_the_same_rows_in_two_files_are_one_run(tmp_path: Path) -> None:
    folder = tmp_path / "vis_data"
    folder.mkdir()
    for name in ("scalars.json", "20230101_000000.json"):
        (folder / name).write_text(lines([new(50, 1), new(100, 1)]))
    (folder / "note.json").write_text(json.dumps({"a": 1}))
    (found,) = load_runs(folder).runs
    assert len(points(found, "loss/train")) == 2
