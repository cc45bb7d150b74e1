import json
import math

import pytest

from traindoctor.collectors.importers.discovery import load_run
from traindoctor.errors import UnreadableLogError


def stat(mean, num=1):
    return {"num": num, "mean": mean, "std": 0.0}


def put(tmp_path, rows, name="stats.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tick(i, **stats):
    return {"Progress/tick": stat(i), "Progress/kimg": stat(4.0 * i + 0.015), "timestamp": 1.7e9 + i, **stats}


def test_x_counts_images(tmp_path):
    run = load_run(put(tmp_path, [tick(i, **{"Loss/loss": stat(5.0 - i, 900)}) for i in range(4)]))
    assert list(run.series["loss/train"].steps) == [15, 4015, 8015, 12015]
    assert list(run.series["loss/train"].values) == [5.0, 4.0, 3.0, 2.0]
    assert (run.info.x_unit, run.info.loss_role) == ("samples", "progress")


def test_two_players_are_no_progress(tmp_path):
    rows = [tick(i, **{"Loss/G/loss": stat(1.0), "Loss/D/loss": stat(1.3)}) for i in range(4)]
    run = load_run(put(tmp_path, rows))
    assert run.info.loss_role == "gan"
    assert "loss/train" not in run.series


def test_an_empty_statistic_is_missing_and_a_recorded_nan_is_not(tmp_path):
    empty, broken = stat(math.nan, 0), stat(math.nan, 64)
    run = load_run(
        put(tmp_path, [tick(0, a=stat(1.0)), tick(1, a=empty), tick(2, a=broken), tick(3, a=stat(2.0))])
    )
    assert list(run.series["a"].steps) == [15, 8015, 12015]
    assert math.isnan(run.series["a"].values[1])
    assert any("without a sample" in note for note in run.info.diagnostics)


def test_metrics_of_snapshots_are_taken_along(tmp_path):
    metric = [
        {
            "results": {"fid50k_full": v},
            "metric": "fid50k_full",
            "snapshot_pkl": f"network-snapshot-{k:06d}.pkl",
        }
        for k, v in ((0, 300.0), (8, 1e57))
    ]
    put(tmp_path, metric, "metric-fid50k_full.jsonl")
    path = put(tmp_path, [tick(i, **{"Loss/G/loss": stat(1.0), "Loss/D/loss": stat(1.3)}) for i in range(4)])
    run = load_run(path)
    assert list(run.series["fid50k_full/validation"].steps) == [0, 8000]
    assert run.info.series["fid50k_full/validation"].better == "lower"
    assert any("beyond 1e15" in note for note in run.info.diagnostics)


def test_settings_stand_beside_it(tmp_path):
    (tmp_path / "training_options.json").write_text('{"batch_size": 32, "seed": 0}')
    path = put(tmp_path, [tick(i, **{"Loss/loss": stat(1.0)}) for i in range(4)])
    assert load_run(path).info.batch_size == 32


def test_without_a_whole_tick_it_is_refused(tmp_path):
    rows = [{**tick(0), "Progress/kimg": stat(math.nan)}] * 3
    with pytest.raises(UnreadableLogError, match="expected ticks"):
        load_run(put(tmp_path, rows))
