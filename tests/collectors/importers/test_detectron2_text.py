"""detectron2 log.txt: event lines, and results as copypaste lines."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

import math

from tests.collectors.importers.text_samples import points, run_in

EVENT = "[01/02 03:04:05] d2.utils.events INFO:  eta: 1:02:03  iter: {i}  total_loss: {t}  loss_cls: 0.5  time: 0.5  data_time: 0.1  lr: 0.02  max_mem: 9M"


def test_results_stand_at_the_iteration_before_them(tmp_path):
    rows = [EVENT.format(i=i, t=i / 10) for i in (19, 39, 59)]
    rows[2:2] = [
        "x INFO: copypaste: Task: bbox",
        "x INFO: copypaste: AP,AP50,APs",
        "x INFO: copypaste: 11.5,23.25,nan",
    ]
    run = run_in(tmp_path, "\n".join(rows), "log.txt")
    assert points(run, "loss/train") == {19: 1.9, 39: 3.9, 59: 5.9}
    assert points(run, "bbox_ap50/validation") == {39: 23.25}
    assert math.isnan(points(run, "bbox_aps/validation")[39])


def test_a_nan_loss_is_kept(tmp_path):
    run = run_in(tmp_path, "\n".join(EVENT.format(i=i, t="nan") for i in (19, 39, 59)), "log.txt")
    assert all(map(math.isnan, run.series["loss/train"].values))
