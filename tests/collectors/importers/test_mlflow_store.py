import math
import sqlite3

import pytest

from traindoctor.collectors.importers.discovery import load_run, load_runs
from traindoctor.errors import UnreadableLogError

META = "artifact_uri: x\nend_time: 1700000060000\nexperiment_id: '0'\nrun_id: 00aa\nrun_name: calm-owl-1\n"
META += "start_time: 1700000000000\nstatus: {}\n"


def make(folder, status=3, **metrics):
    (folder / "metrics").mkdir(parents=True)
    (folder / "meta.yaml").write_text(META.format(status))
    for name, lines in metrics.items():
        path = folder / "metrics" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
    (folder / "params").mkdir()
    (folder / "params" / "lr").write_text("0.01")
    return folder


def curve(values, step=1):
    return [f"{1700000000000 + 1000 * i} {value} {step * i}" for i, value in enumerate(values)]


def test_a_run_with_its_facts(tmp_path):
    run = load_run(
        make(tmp_path / "0" / "00aa", train__loss=curve([3.0, "nan", 1.0], 10), val_loss=curve([2.0]))
    )
    assert run.name == "calm-owl-1"
    assert list(run.series["loss/train"].steps) == [0, 10, 20]
    assert math.isnan(run.series["loss/train"].values[1])
    assert (run.info.status, run.info.seconds, run.info.config["lr"]) == ("finished", 60.0, 0.01)


@pytest.mark.parametrize(
    ("status", "ours"), [(1, "running"), (4, "failed"), (5, "killed"), ("FINISHED", "finished")]
)
def test_status(tmp_path, status, ours):
    assert load_run(make(tmp_path / "r", status, loss=curve([1.0, 0.5]))).info.status == ours


def test_every_run_of_a_root_is_found_and_models_are_said_to_repeat_them(tmp_path):
    for name in ("00aa", "00bb"):
        make(tmp_path / "mlruns" / "0" / name, loss=curve([2.0, 1.0]))
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("experiment_id: '0'\nname: Default\n")
    model = tmp_path / "mlruns" / "0" / "models" / "m-00aabbccdd"
    (model / "metrics").mkdir(parents=True)
    (model / "meta.yaml").write_text("model_id: m-00aabbccdd\n")
    (model / "metrics" / "loss").write_text("1700000000000 2.0 0 00aa\n")
    found = load_runs(tmp_path / "mlruns")
    assert len(found.runs) == 2
    assert any("repeat the metrics of their runs" in sentence for sentence in found.refused)


def test_values_without_a_step_are_numbered(tmp_path):
    lines = [f"{1700000000 + i} {3.0 - i}" for i in range(3)]
    run = load_run(make(tmp_path / "r", loss=lines))
    assert list(run.series["loss/train"].values) == [3.0, 2.0, 1.0]
    assert run.info.x_unit == "log rows"


def test_damaged_lines_are_left_out(tmp_path):
    run = load_run(make(tmp_path / "r", loss=[*curve([3.0, 2.0]), "garbage", "1700000009000 1.0"]))
    assert any("not `time value step`" in note for note in run.info.diagnostics)


def test_machine_metrics_are_left_out(tmp_path):
    run = load_run(make(tmp_path / "r", loss=curve([3.0, 2.0]), system__cpu=curve([9.0] * 50)))
    assert set(run.series) == {"loss/train"}


def test_final_figures_are_called_so(tmp_path):
    run = load_run(make(tmp_path / "r", loss=curve([3.0]), accuracy=curve([0.5])))
    assert any("no curve" in note for note in run.info.diagnostics)


def test_a_run_without_metrics_is_a_run_without_series(tmp_path):
    run = load_run(make(tmp_path / "r", 4))
    assert not run.series
    assert run.info.status == "failed"
    assert "no metrics were logged" in run.info.diagnostics


def database(path, n=4):
    with sqlite3.connect(path) as db:
        db.executescript(
            """
            CREATE TABLE experiments (experiment_id INTEGER, name TEXT);
            CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time INTEGER, end_time INTEGER,
                               lifecycle_stage TEXT);
            CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
            CREATE TABLE metrics (key TEXT, value FLOAT, timestamp INTEGER, run_uuid TEXT, step INTEGER,
                                  is_nan BOOLEAN);
            INSERT INTO runs VALUES ('aa', 'first', 'FINISHED', 1000, 5000, 'active'),
                                    ('bb', 'gone', 'FINISHED', 1000, 5000, 'deleted'),
                                    ('cc', 'second', 'FAILED', 1000, 2000, 'active');
            INSERT INTO params VALUES ('lr', '0.5', 'aa');
            """
        )
        for run in ("aa", "bb", "cc"):
            for i in range(n):
                value = (4.0 if run == "aa" else 8.0) - i
                db.execute("INSERT INTO metrics VALUES ('loss', ?, ?, ?, ?, ?)", (value, i, run, i, i == 2))
    db.close()
    return path


def test_a_database_holds_its_runs(tmp_path):
    first, second = load_runs(database(tmp_path / "mlflow.db")).runs
    assert (first.name, first.info.status, first.info.config["lr"]) == ("first", "finished", 0.5)
    assert (second.name, second.info.status) == ("second", "failed")
    assert list(first.series["loss/train"].steps) == [0, 1, 2, 3]
    assert math.isnan(first.series["loss/train"].values[2])


def test_a_database_without_metrics_is_refused(tmp_path):
    with pytest.raises(UnreadableLogError, match="without metrics"):
        load_run(database(tmp_path / "mlflow.db", n=0))


def test_nothing_is_written_beside_a_database(tmp_path):
    load_runs(database(tmp_path / "mlflow.db"))
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_damaged_database_is_an_error_of_ours(tmp_path):
    path = database(tmp_path / "mlflow.db")
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 7):
        data[at] ^= 0x5A
    path.write_bytes(bytes(data))
    with pytest.raises(UnreadableLogError):
        load_runs(path)


def test_a_column_that_computes_is_never_run(tmp_path):
    path = database(tmp_path / "mlflow.db")
    with sqlite3.connect(path) as db:
        db.executescript(
            """
            ALTER TABLE runs DROP COLUMN name;
            ALTER TABLE runs ADD COLUMN name TEXT AS (hex(zeroblob(400000000)));
            """
        )
    db.close()
    assert [run.name for run in load_runs(path).runs] == ["aa", "cc"]
