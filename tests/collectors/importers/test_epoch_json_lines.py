"""Epoch lines of the reference trainers: rates, COCO lists, restarts, what is not theirs."""

from __future__ import annotations

from pathlib import Path

from tests.collectors.importers.readings import lines, points, run, runs, said

FILE = "log.txt"


def test_a_detector_with_coco_lists(tmp_path: Path) -> None:
    rows = [
        {"train_lr": 1e-4, "train_loss": 3.0, "test_loss": 2.0, "test_coco_eval_bbox": [0.1] * 12, "epoch": e}
        for e in range(3)
    ]
    found = run(tmp_path, lines(rows), FILE)
    assert points(found, "loss/train") == [(0, 3.0), (1, 3.0), (2, 3.0)]
    assert points(found, "bbox_AP/validation") == [(0, 0.1), (1, 0.1), (2, 0.1)]
    assert points(found, "loss/validation") == [(0, 2.0), (1, 2.0), (2, 2.0)]


def test_pretraining_without_a_test(tmp_path: Path) -> None:
    rows = [{"train_loss": 0.9, "train_lr": 1e-4, "train_wd": 0.04, "epoch": e} for e in range(3)]
    found = run(tmp_path, lines(rows) + '{"train_loss": 0.8, "tra', FILE)
    assert found.info.source == "DeiT/MAE/DINO/DETR log.txt"
    assert set(found.learning_rates()) == {"0"}
    assert said(found, "the last line is cut")


def test_the_lowest_rate_has_its_own_name(tmp_path: Path) -> None:
    rows = [{"train_loss": 0.9, "train_lr": 1e-3, "train_min_lr": 1e-6, "epoch": e} for e in range(3)]
    found = run(tmp_path, lines(rows), FILE)
    assert {group: float(s.values[0]) for group, s in found.learning_rates().items()} == {
        "0": 1e-3,
        "min": 1e-6,
    }


def test_appended_runs_are_split(tmp_path: Path) -> None:
    rows = [{"train_loss": 0.9, "train_lr": 1e-4, "epoch": e} for e in (0, 1, 2, 0, 1)]
    assert [len(points(r, "loss/train")) for r in runs(tmp_path, lines(rows), FILE)] == [3, 2]


def test_lines_with_a_step_belong_to_others(tmp_path: Path) -> None:
    rows = [{"train_loss": 0.9, "epoch": 0, "step": s} for s in (10, 20, 30)]
    found = run(tmp_path, lines(rows), "x.jsonl")
    assert [x for x, _ in points(found, "loss/train")] == [10, 20, 30]
