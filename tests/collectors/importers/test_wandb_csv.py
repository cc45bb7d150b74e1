import math

import pytest

from traindoctor.collectors.importers.discovery import load_run, load_runs
from traindoctor.errors import UnreadableLogError


def put(tmp_path, text):
    path = tmp_path / "export.csv"
    path.write_text(text)
    return path


CHART = '"Step","big - lr 3 - train/loss","big - lr 3 - train/loss__MIN","big - lr 3 - train/loss__MAX",'
CHART += '"small - train/loss","small - train/loss__MIN","small - train/loss__MAX"\n'


def test_a_chart_holds_a_run_per_column(tmp_path):
    rows = '"0","2.5","2.5","2.5","3.5","3.5","3.5"\n"10","NaN","1","2","3","3","3"\n'
    rows += '"20","1.5","1","2","","",""\n'
    first, second = load_runs(put(tmp_path, CHART + rows)).runs
    assert (first.name, second.name) == ("big - lr 3", "small")
    assert list(first.series["loss/train"].steps) == [0, 10, 20]
    assert math.isnan(first.series["loss/train"].values[1])
    assert list(second.series["loss/train"].values) == [3.5, 3.0]
    assert list(first.series) == ["loss/train"]


@pytest.mark.parametrize(
    ("axis", "unit"),
    [
        ("Step", "steps"),
        ("trainer/global_step", "optimizer steps"),
        ("train/epoch", "epochs"),
        ("Relative Time (Process)", "seconds"),
    ],
)
def test_a_charts_axis_is_named(tmp_path, axis, unit):
    text = f'"{axis}","a - loss","a - loss__MIN","a - loss__MAX"\n' + "".join(
        f"{i},{9 - i},1,9\n" for i in range(6)
    )
    assert load_run(put(tmp_path, text)).info.x_unit == unit


def test_a_history_is_read_over_the_logged_iteration(tmp_path):
    rows = [
        "loss,_step,iter,_runtime,Sample,_timestamp",
        "3.0,0,0,1.5,,1700000000",
        "2.0,1,10,2.5,,1700000001",
        "1.0,2,20,3.5,,1700000002",
        ",3,,4.5,\"{'_type': 'html-file', 'size': 277}\",1700000003",
    ]
    run = load_run(put(tmp_path, "\n".join(rows) + "\n"))
    assert list(run.series["loss/train"].steps) == [0, 10, 20]
    assert list(run.series["_step"].values) == [0, 1, 2]
    assert (run.info.x_unit, run.info.seconds) == ("optimizer steps", 3.5)


def test_two_rows_of_one_iteration_are_not_called_a_resume(tmp_path):
    rows = ["val/loss,loss,_step,iter,_runtime,_timestamp", "2.5,,0,0,1,1", ",2.0,1,0,2,2", ",1.0,2,5,3,3"]
    run = load_run(put(tmp_path, "\n".join(rows) + "\n"))
    assert list(run.series["_step"].values) == [0, 2]
    assert not any("logged again" in note for note in run.info.diagnostics)


def test_a_sampled_history_says_so(tmp_path):
    rows = "".join(f"{7 * i},{i},1700000000,{1 / (i + 1)}\n" for i in range(500))
    run = load_run(put(tmp_path, "_step,_runtime,_timestamp,loss\n" + rows))
    assert run.info.x_unit == "steps"
    assert any("sample" in note for note in run.info.diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        "Name,State,Notes,User,Tags,Created,Runtime,Sweep,loss\nrun-1,finished,-,me,,2024,3600,,0.5\n",
        ",summary,config,name\n0,\"{'loss': 0.5}\",\"{'lr': 0.1}\",run-1\n",
    ],
)
def test_a_table_of_runs_is_no_history(tmp_path, text):
    with pytest.raises(UnreadableLogError, match="table of runs"):
        load_run(put(tmp_path, text))
