import json
import math

import pytest

from traindoctor.collectors.importers.discovery import load_run, load_runs

RUN = {
    "experiment": {"name": "sweep"},
    "status": "COMPLETED",
    "heartbeat": "2026-01-01T00:01:00",
    "start_time": "2026-01-01T00:00:00.500000",
    "stop_time": "2026-01-01T00:01:00.500000",
}


def make(folder, metrics, config=None, **changes):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({**RUN, **changes}, indent=2))
    (folder / "config.json").write_text(json.dumps(config or {"seed": 1}))
    if metrics is not None:
        (folder / "metrics.json").write_text(json.dumps(metrics, indent=2))
    return folder


def series(values, first=0, seconds=1):
    return {
        "steps": list(range(first, first + len(values))),
        "timestamps": [f"2026-01-01T00:00:{seconds * i:02d}.5" for i in range(len(values))],
        "values": values,
    }


def test_a_run_from_its_folder_or_its_file(tmp_path):
    folder = make(tmp_path / "runs" / "7", {"training.loss": series([1.0, math.nan, -1.0], 1)})
    for place in (folder, folder / "metrics.json", tmp_path / "runs"):
        run = load_run(place)
        assert run.name == "sweep/7"
        assert list(run.series["loss/train"].steps) == [1, 2, 3]
        assert math.isnan(run.series["loss/train"].values[1])
        assert (run.info.status, run.info.seconds, run.info.config["seed"]) == ("finished", 60.0, 1)


@pytest.mark.parametrize("metrics", [{}, None])
def test_a_failed_run_without_metrics_is_a_run_without_series(tmp_path, metrics):
    trace = ["Traceback\n", "ValueError: no data\n"]
    run = load_run(make(tmp_path / "8", metrics, status="FAILED", fail_trace=trace))
    assert not run.series
    assert run.info.status == "failed"
    assert "no metrics were logged" in run.info.diagnostics
    assert any("ValueError: no data" in note for note in run.info.diagnostics)


@pytest.mark.parametrize(
    ("status", "ours"), [("RUNNING", "running"), ("INTERRUPTED", "killed"), ("QUEUED", "unknown")]
)
def test_status(tmp_path, status, ours):
    assert load_run(make(tmp_path / "1", {"loss": series([2.0, 1.0])}, status=status)).info.status == ours


def test_numpy_scalars_are_unpacked(tmp_path):
    packed = [{"dtype": "float64", "py/object": "numpy.float64", "value": v} for v in (2.0, 1.0)]
    run = load_run(make(tmp_path / "1", {"loss": series(packed)}))
    assert list(run.series["loss/train"].values) == [2.0, 1.0]


def test_as_many_steps_as_planned_epochs_are_epochs(tmp_path):
    run = load_run(make(tmp_path / "1", {"loss": series([3.0, 2.0, 1.0], 1)}, config={"epochs": 3}))
    assert run.info.x_unit == "epochs"


def test_validation_over_epochs_is_put_on_the_steps(tmp_path):
    metrics = {"train.loss": series([1.0] * 50), "val.loss": series([2.0] * 4, seconds=12)}
    metrics["val.loss"]["timestamps"] = [f"2026-01-01T00:00:{t}.7" for t in (11, 23, 35, 47)]
    run = load_run(make(tmp_path / "1", metrics))
    assert list(run.series["loss/validation"].steps) == [11, 23, 35, 47]


def test_runs_of_an_observer_are_told_apart(tmp_path):
    for name in ("1", "2"):
        make(tmp_path / "runs" / name, {"loss": series([2.0, 1.0])})
    assert [run.name for run in load_runs(tmp_path).runs] == ["sweep/1", "sweep/2"]


def test_unequal_lengths_are_noted(tmp_path):
    metrics = {"loss": {**series([3.0, 2.0, 1.0]), "steps": [0, 1]}}
    run = load_run(make(tmp_path / "1", metrics))
    assert list(run.series["loss/train"].values) == [3.0, 2.0]
    assert any("2 steps but 3 values" in note for note in run.info.diagnostics)
