"""detectron2 metrics: training and AP rows on one axis, relaunches, NaN of absent classes."""

from __future__ import annotations

import math
from pathlib import Path

from tests.collectors.importers.readings import lines, points, run, runs, source_of

FILE = "metrics.json"


def test_rows_and_evaluations(tmp_path: Path) -> None:
    rows = [
        {
            "iteration": 19,
            "total_loss": 2.0,
            "loss_cls": 1.0,
            "lr": 0.01,
            "time": 0.5,
            "fast_rcnn/cls_accuracy": 0.3,
        },
        {"iteration": 39, "total_loss": 1.5, "loss_cls": 0.8, "lr": 0.01, "time": 0.5, "data_time": 0.1},
        {"iteration": 39, "bbox/AP": 12.0, "bbox/AP-cat": math.nan, "validation_loss": 1.9},
    ]
    found = run(tmp_path, lines(rows), FILE)
    assert points(found, "loss/train") == [(19, 2.0), (39, 1.5)]
    assert points(found, "loss/validation") == [(39, 1.9)]
    assert points(found, "bbox_ap/validation") == [(39, 12.0)]
    assert math.isnan(points(found, "bbox_ap_cat/validation")[0][1])
    assert found.info.series["fast_rcnn_cls_accuracy/train"].split == "train"
    assert source_of(found, "time/step") == "time"


def test_a_relaunch_that_repeats_the_first_iteration(tmp_path: Path) -> None:
    rows = [{"iteration": i, "lr": 0.1, "total_loss": 1.0} for i in (19, 19, 39)]
    first, second = runs(tmp_path, lines(rows), FILE)
    assert [x for x, _ in points(first, "loss/train")] == [19]
    assert [x for x, _ in points(second, "loss/train")] == [19, 39]
