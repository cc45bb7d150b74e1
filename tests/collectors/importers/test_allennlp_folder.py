import json

import pytest

from traindoctor.collectors.importers.discovery import load_run, load_runs
from traindoctor.errors import UnreadableLogError


def epoch(number, **changes):
    return {
        "best_epoch": 0, "peak_worker_0_memory_MB": 900.0, "training_duration": "1 day, 0:00:10.5",
        "training_start_epoch": 0, "training_epochs": number, "epoch": number,
        "training_accuracy": 0.1 * number, "training_loss": 3.0 - number,
        "validation_accuracy": 0.05 * number, "validation_loss": 3.5 - number,
        "best_validation_loss": 0.1, **changes,
    }  # fmt: skip


def make(folder, n=3):
    folder.mkdir()
    for number in range(n):
        (folder / f"metrics_epoch_{number}.json").write_text(json.dumps(epoch(number)))
    (folder / "config.json").write_text(json.dumps({"trainer": {"num_epochs": n}}))
    return folder


def test_the_epochs_of_a_folder_are_one_run(tmp_path):
    run = load_run(make(tmp_path / "model", 12))
    assert list(run.series["loss/train"].steps) == list(range(12))
    assert list(run.series["loss/validation"].values) == [3.5 - i for i in range(12)]
    assert not any("best" in name or "duration" in name for name in run.series)
    assert (run.info.x_unit, run.info.status, run.info.seconds) == ("epochs", "unknown", 86410.0)


def test_the_summary_tells_that_it_finished(tmp_path):
    folder = make(tmp_path / "model")
    (folder / "metrics.json").write_text(json.dumps({"best_epoch": 2, "test_loss": 1.0}))
    assert [run.info.status for run in load_runs(folder).runs] == ["finished"]


def test_a_damaged_epoch_is_noted(tmp_path):
    folder = make(tmp_path / "model")
    (folder / "metrics_epoch_1.json").write_text('{"training_loss": 2.')
    run = load_run(folder)
    assert list(run.series["loss/train"].steps) == [0, 2]
    assert any("metrics_epoch_1.json" in note for note in run.info.diagnostics)


def test_one_epoch_alone_says_so(tmp_path):
    folder = make(tmp_path / "model")
    run = load_run(folder / "metrics_epoch_2.json")
    assert any("one epoch" in note for note in run.info.diagnostics)


def test_files_without_metrics_are_refused(tmp_path):
    folder = make(tmp_path / "model")
    for path in folder.glob("metrics_epoch_*"):
        path.write_text('{"training_epochs": 1, "training_loss": null}')
    with pytest.raises(UnreadableLogError, match="expected metrics"):
        load_run(folder)
