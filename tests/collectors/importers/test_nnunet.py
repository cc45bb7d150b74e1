"""nnU-Net: one value per line, negative losses, lists of Dice values, several files of one fold."""

from __future__ import annotations

import pytest

from tests.collectors.importers.text_samples import points, run_in
from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.errors import TraindoctorError

EPOCH = """2026-01-02 03:04:05.123456:
epoch:  {e}
2026-01-02 03:04:05.123456: train loss : {t}
2026-01-02 03:04:05.123456: validation loss: -0.5
2026-01-02 03:04:05.123456: Average global foreground Dice: [0.25, {dice}]
2026-01-02 03:04:05.123456: lr: 0.01
2026-01-02 03:04:05.123456: This epoch took 9.5 s
"""


def log(epochs, dice="0.75"):
    return "".join(EPOCH.format(e=e, t=-e / 100, dice=dice) for e in epochs)


def test_values_belong_to_the_epoch_before_them(tmp_path):
    run = run_in(tmp_path, log((37, 38, 39)), "training_log_2026.txt")
    assert points(run, "loss/train") == {37: -0.37, 38: -0.38, 39: -0.39}
    assert points(run, "dice/validation") == {37: 0.5, 38: 0.5, 39: 0.5}
    assert run.info.x_unit == "epochs"


def test_a_class_that_no_case_holds_is_left_out_of_the_mean(tmp_path):
    run = run_in(tmp_path, log((1, 2, 3), "nan"), "training_log_2026.txt")
    assert points(run, "dice/validation")[2] == 0.25


def test_files_of_a_folder_are_one_fold(tmp_path):
    for name, epochs in (("training_log_2026_1.txt", (0, 1, 2)), ("training_log_2026_2.txt", (2, 3, 4))):
        (tmp_path / name).write_text("nnUNet\n" + log(epochs))
    (run,) = load_runs(tmp_path).runs
    assert list(run.series["loss/train"].steps) == [0, 1, 2, 3, 4]


def test_a_crash_in_the_first_epoch_leaves_no_curve(tmp_path):
    path = tmp_path / "training_log_2026.txt"
    path.write_text("nnUNet\nepoch:  0\nTraceback (most recent call last):\nRuntimeError: x\n")
    with pytest.raises(TraindoctorError, match="train loss"):
        load_runs(path)
