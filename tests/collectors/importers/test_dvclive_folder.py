import math

import pytest

from traindoctor.collectors.importers.discovery import load_run, load_runs
from traindoctor.errors import UnreadableLogError


def put(folder, path, *rows):
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))


def curve(name, values, step=1):
    return [("step", name), *((step * i, value) for i, value in enumerate(values))]


@pytest.mark.parametrize("place", ["plots/metrics", "scalars", "plots/scalars"])
def test_current_and_older_layouts(tmp_path, place):
    folder = tmp_path / "dvclive"
    put(folder, f"{place}/train/loss.tsv", *curve("loss", [3.0, "nan", 1.0]))
    put(folder, f"{place}/val/loss.tsv", *curve("loss", [4.0, 2.0]))
    (folder / "metrics.json").write_text('{"step": 2}')
    (run,) = load_runs(tmp_path).runs
    assert run.info.source == "DVCLive folder"
    assert run.name == "dvclive"
    assert math.isnan(run.series["loss/train"].values[1])
    assert list(run.series["loss/validation"].values) == [4.0, 2.0]


def test_the_oldest_layout_with_a_clock(tmp_path):
    folder = tmp_path / "dvclive"
    rows = [("timestamp", "step", "loss"), (1600000000000, 0, 2.0), (1600000001000, 1, 1.0)]
    put(folder, "loss.tsv", *rows)
    assert list(load_run(folder).series["loss/train"].values) == [2.0, 1.0]


def test_the_trainers_steps_are_log_calls(tmp_path):
    folder = tmp_path / "dvclive"
    put(folder, "plots/metrics/loss.tsv", *curve("loss", [3.0, 2.0, 1.0]))
    put(folder, "plots/metrics/epoch.tsv", *curve("epoch", [0.1, 0.2, 0.3]))
    put(folder, "plots/metrics/learning_rate.tsv", *curve("learning_rate", [0.1, 0.1, 0.1]))
    put(folder, "plots/metrics/train/loss.tsv", ("step", "loss"), (3, 2.0))
    put(folder, "plots/metrics/train/runtime.tsv", ("step", "runtime"), (3, 60.0))
    (folder / "params.yaml").write_text("logging_steps: 50\nlearning_rate: 0.1\nseed: 42\n")
    run = load_run(folder)
    assert run.info.x_unit == "log rows"
    assert any("one per 50 optimizer steps" in note for note in run.info.diagnostics)
    assert list(run.series["loss/train"].values) == [3.0, 2.0, 1.0]
    assert run.info.config["seed"] == 42


def test_tables_of_something_else_make_no_dvclive_folder(tmp_path):
    put(tmp_path, "plots/metrics/confusion.tsv", ("actual", "predicted"), (1, 0), (0, 1))
    with pytest.raises(UnreadableLogError):
        load_run(tmp_path)


def test_a_folder_without_values_is_refused(tmp_path):
    put(tmp_path / "dvclive", "plots/metrics/loss.tsv", ("step", "loss"))
    with pytest.raises(UnreadableLogError, match="nothing was logged"):
        load_run(tmp_path / "dvclive")
