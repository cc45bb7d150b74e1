import json
import math

import pytest

from traindoctor.collectors.importers.discovery import load_run, load_runs
from traindoctor.errors import UnreadableLogError

HEADER = "Wall time,Step,Value\n"


def rows(values, step=10):
    return HEADER + "".join(f"{1.7e9 + i},{step * i},{value}\n" for i, value in enumerate(values))


def test_run_and_tag_stand_in_the_name(tmp_path):
    (tmp_path / "run-version_0-tag-train_loss.csv").write_text(rows([3.0, "NaN", 1.0]))
    run = load_run(tmp_path / "run-version_0-tag-train_loss.csv")
    assert run.name == "version_0"
    assert list(run.series["loss/train"].steps) == [0, 10, 20]
    assert math.isnan(run.series["loss/train"].values[1])


def test_downloads_of_a_folder_are_joined_by_run(tmp_path):
    for run, last in (("a", 1.0), ("b", 0.5)):
        for tag, first in (("train_loss", 3.0), ("val_loss", 4.0)):
            (tmp_path / f"run-{run}-tag-{tag}.csv").write_text(rows([first, 2.0, last]))
    found = load_runs(tmp_path).runs
    assert [run.name for run in found] == ["a", "b"]
    for run in found:
        assert run.series["loss/train"].values[0] == 3.0
        assert run.series["loss/validation"].values[0] == 4.0


def test_a_thousand_points_are_a_sample(tmp_path):
    (tmp_path / "loss.csv").write_text(rows([1.0 / (i + 1) for i in range(1000)], step=7))
    assert any("1000 points" in note for note in load_run(tmp_path / "loss.csv").info.diagnostics)


def test_the_json_download(tmp_path):
    triples = [[1.7e9 + i, 5 * i, 1.0 / (i + 1)] for i in range(6)]
    (tmp_path / "run-x-tag-loss.json").write_text(json.dumps(triples))
    assert list(load_run(tmp_path / "run-x-tag-loss.json").series["loss/train"].steps) == [
        0,
        5,
        10,
        15,
        20,
        25,
    ]


def test_a_download_without_points_is_refused(tmp_path):
    (tmp_path / "run-x-tag-loss.csv").write_text(HEADER)
    with pytest.raises(UnreadableLogError, match="without a single point"):
        load_run(tmp_path / "run-x-tag-loss.csv")
