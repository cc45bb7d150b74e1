"""`traindoctor import`, and reports on logs of other tools, as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.collectors.importers.samples import written

TABLE = "it;ce;held out\n" + "".join(f"{i};{2 / (1 + i)};{2.2 / (1 + i)}\n" for i in range(30))
TWO = "epoch,loss\n" + "".join(f"{i},{start / (1 + i)}\n" for start in (2, 3) for i in range(30))


def traindoctor(*arguments, cwd, stdin=""):
    command = [sys.executable, "-m", "traindoctor", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, input=stdin, check=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "two.csv").write_text(TWO)
    return tmp_path


def test_import_shows_what_was_read(folder):
    done = traindoctor("import", written("keras-history", folder / "k"), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[1:4] == ["format  Keras history", "status  unknown", "x axis  epochs"]
    assert any(line.startswith("loss/validation") and "val_loss" in line for line in lines)


def test_import_maps_columns_and_writes_a_run_log(folder):
    done = traindoctor(
        "import",
        "table.csv",
        "--map",
        "loss=ce,val_loss=held out",
        "--map",
        "step=it",
        "-o",
        "runs",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    written_to = done.stdout.splitlines()[-1]
    again = traindoctor("show", written_to, cwd=folder)
    assert "loss/validation" in again.stdout
    assert "held out" in again.stdout
    assert "two" not in traindoctor("list", "--runs", "runs", cwd=folder).stderr


def test_several_runs_are_listed_and_one_is_chosen(folder):
    done = traindoctor("import", "two.csv", cwd=folder)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", "1", "2"]
    assert "--run N" in done.stderr
    refused = traindoctor("report", "two.csv", "--format", "json", "-o", "-", cwd=folder)
    assert refused.returncode == 2
    assert "[several-runs]" in refused.stderr
    chosen = traindoctor("report", "two.csv", "--run", "2", "--format", "json", "-o", "-", cwd=folder)
    assert chosen.returncode == 0, chosen.stderr
    assert json.loads(chosen.stdout)["run"]["name"] == "two #2"


def test_report_on_a_strangers_log_stands_in_the_current_folder(folder):
    (folder / "here").mkdir()
    done = traindoctor(
        "report", "../table.csv", "--map", "loss=ce,step=it", "--format", "md", cwd=folder / "here"
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "here" / done.stdout.strip()).is_file()
    assert sorted(p.name for p in folder.iterdir()) == ["here", "table.csv", "two.csv"]


def test_standard_input(folder):
    done = traindoctor("import", "-", "--map", "loss=ce,step=it", cwd=folder, stdin=TABLE)
    assert done.returncode == 0, done.stderr
    assert "loss/train" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import",), "expected a PATH"),
        (("import", "absent.csv"), "found nothing at absent.csv"),
        (("import", "table.csv", "--map", "loss=absent,step=it"), "absent"),
        (("import", "table.csv", "--map", "loss"), "expected NAME=COLUMN"),
        (("import", "table.csv", "--as", "nope"), "found 'nope'"),
        (("import", "two.csv", "--run", "7"), "from 1 to 2"),
        (("report", "two.csv", "--run", "7"), "from 1 to 2"),
        (("report", "*.nothing"), "none that match"),
    ],
)
def test_wrong_use_is_one_sentence(folder, arguments, said):
    done = traindoctor(*arguments, cwd=folder)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_formats_are_listed(folder):
    done = traindoctor("import", "--formats", cwd=folder)
    assert "tensorboard" in done.stdout
    assert len(done.stdout.splitlines()) > 30
