"""OpenMMLab text logs: old and new forms, evaluations brought to the axis of the iterations."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

from tests.collectors.importers.text_samples import points, run_in, runs_in

OLD = "2026-01-02 03:04:05,123 - mmdet - INFO - Epoch [{e}][{b}/100]\tlr: 1.0e-02, eta: 1 day, 1:02:03, time: 0.5, data_time: 0.1, memory: 9, loss_cls: 0.5, loss: {t}, grad_norm: nan"
OLD_VAL = "2026-01-02 03:04:05,123 - mmdet - INFO - Epoch(val) [{e}][20]\tbbox_mAP: 0.{e}, bbox_mAP_copypaste: 0.1 0.2"
NEW = "2026/01/02 03:04:05 - mmengine - INFO - Epoch(train)  [{e}][{b:>4}/100]  base_lr: 1.0e-02 lr: 1.0e-02  eta: 1:02:03  time: 0.5  data_time: 0.1  memory: 9  loss: {t}"
NEW_VAL = "2026/01/02 03:04:05 - mmengine - INFO - Epoch(val) [{e}][20/20]    coco/bbox_mAP: 0.{e}  data_time: 0.1  time: 0.5"
PROGRESS = "2026/01/02 03:04:05 - mmengine - INFO - Epoch(val)  [{e}][10/20]    eta: 0:00:05  time: 0.5  data_time: 0.1  memory: 9"


def log(train, *after, epochs=(1, 2, 3)):
    rows = []
    for e in epochs:
        rows += [train.format(e=e, b=b, t=9 - e - b / 100) for b in (50, 100)]
        rows += [text.format(e=e) for text in after]
    return "\n".join(rows)


def test_old_form(tmp_path):
    run = run_in(tmp_path, log(OLD, OLD_VAL))
    assert list(run.series["loss/train"].steps) == [50, 100, 150, 200, 250, 300]
    assert points(run, "bbox_map/validation") == {100: 0.1, 200: 0.2, 300: 0.3}
    assert "eta" not in run.series


def test_new_form(tmp_path):
    run = run_in(tmp_path, log(NEW, PROGRESS, NEW_VAL))
    assert list(run.series["loss/train"].steps) == [50, 100, 150, 200, 250, 300]
    assert points(run, "coco_bbox_map/validation") == {100: 0.1, 200: 0.2, 300: 0.3}


def test_iterations_of_the_run(tmp_path):
    rows = [
        f"2026/01/02 03:04:05 - mmengine - INFO - Iter(train) [{i:>5}/80000]  lr: 1.0e-02  time: 0.5  loss: {9 - i / 100}"
        for i in (50, 100, 150)
    ]
    rows += ["2026/01/02 03:04:05 - mmengine - INFO - Iter(val) [500/500]    aAcc: 82.5  time: 0.5"]
    run = run_in(tmp_path, "\n".join(rows))
    assert points(run, "loss/train") == {50: 8.5, 100: 8.0, 150: 7.5}
    assert list(run.series["a_acc/validation"].steps) == [150]


def test_a_relaunch_is_a_run_of_its_own(tmp_path):
    assert len(runs_in(tmp_path, log(OLD) + "\n" + log(OLD).replace("loss: ", "loss: 1"))) == 2
