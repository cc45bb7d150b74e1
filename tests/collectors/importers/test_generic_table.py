"""Tables of unknown tools: what counts, what is measured, who the row is about, and the column map."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.collectors.importers.readings import points, run, runs, said
from traindoctor.collectors.importers.generic_table import GenericTable
from traindoctor.errors import UnreadableLogError, UsageError

PLAIN = "epoch,train_loss,val_loss\n1,2.0,2.1\n2,1.5,1.7\n"
TWO = [(1, 2.0), (2, 1.5)]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", " | "),
        PLAIN.replace(",", "   "),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "# " + PLAIN,
        PLAIN.replace(",", ";").replace(".", ","),
        '"epoch","train_loss","val_loss"\n"1","2.0","2.1"\n"2","1.5","1.7"\n',
        "Epoch,Train Loss,Val Loss\nEpoch 1,2.0,2.1\nEpoch 2,1.5,1.7\n",
        "epoch,train_loss,val_loss\n1/9,2.0,2.1\n2/9,1.5,1.7\n",
        "epoch,train_loss,val_loss\n1,tensor(2.0),2.1\n2,tensor(1.5),1.7\n",
        "step,metric,value\n1,train_loss,2.0\n1,val_loss,2.1\n2,train_loss,1.5\n2,val_loss,1.7\n",
        '{"epoch":1,"train_loss":2.0,"val_loss":2.1}\n{"epoch":2,"train_loss":1.5,"val_loss":1.7}\n',
        '{"epoch":1,"train":{"loss":2.0},"val":{"loss":2.1}}\n{"epoch":2,"train":{"loss":1.5},"val":{"loss":1.7}}\n',
        json.dumps(
            [
                {"epoch": 1, "train_loss": 2.0, "val_loss": 2.1},
                {"epoch": 2, "train_loss": 1.5, "val_loss": 1.7},
            ]
        ),
        json.dumps(
            {"epoch_1": {"train_loss": 2.0, "val_loss": 2.1}, "epoch_2": {"train_loss": 1.5, "val_loss": 1.7}}
        ),
        json.dumps({"epoch": [1, 2], "train_loss": [2.0, 1.5], "val_loss": [2.1, 1.7]}),
        json.dumps({"train": {"loss": [2.0, 1.5]}, "val": {"loss": [2.1, 1.7]}, "epoch": [1, 2]}),
    ],
)
def test_all_forms_read_the_same(tmp_path: Path, text: str) -> None:
    found = run(tmp_path, text, "x.log")
    assert points(found, "loss/train") == TWO
    assert points(found, "loss/validation") == [(1, 2.1), (2, 1.7)]


def test_utf16(tmp_path: Path) -> None:
    assert points(run(tmp_path, PLAIN.encode("utf-16")), "loss/train") == TWO


def test_steps_come_before_epochs(tmp_path: Path) -> None:
    found = run(tmp_path, "epoch,global_step,loss\n0,10,2.0\n0,20,1.9\n1,30,1.8\n")
    assert [x for x, _ in points(found, "loss/train")] == [10, 20, 30]
    assert found.info.x_unit == "optimizer steps"


def test_batches_are_counted_on_over_the_epochs(tmp_path: Path) -> None:
    text = "epoch,batch,loss\n" + "".join(f"{e},{b},1.0\n" for e in (1, 2, 3) for b in range(4))
    found = run(tmp_path, text)
    assert [x for x, _ in points(found, "loss/train")] == list(range(12))


def test_other_columns_that_count_are_named(tmp_path: Path) -> None:
    found = run(tmp_path, "step,iteration,loss\n1,10,1.0\n2,20,0.9\n")
    assert [x for x, _ in points(found, "loss/train")] == [1, 2]
    assert said(found, "`iteration` could be it too")


def test_no_count_at_all(tmp_path: Path) -> None:
    found = run(tmp_path, "train_loss,val_loss\n1,1.1\n.9,1.0\n")
    assert points(found, "loss/train") == [(0, 1.0), (1, 0.9)]
    assert found.info.x_unit == "log rows"
    assert said(found, "no column counts")


def test_evaluations_without_a_step_stand_behind_the_last_row(tmp_path: Path) -> None:
    found = run(tmp_path, "epoch,step,train_loss,val_loss\n0,10,1,\n0,20,.9,\n0,,,1.0\n1,30,.8,\n1,,,.9\n")
    assert points(found, "loss/validation") == [(20, 1.0), (30, 0.9)]


def test_runs_told_by_a_column(tmp_path: Path) -> None:
    text = "seed,step,loss\n" + "".join(f"{seed},{x},{seed}\n" for x in range(4) for seed in (1, 2))
    first, second = runs(tmp_path, text)
    assert (first.name, second.name) == ("seed 1", "seed 2")
    assert points(first, "loss/train") == [(x, 1.0) for x in range(4)]


def test_lists_of_different_lengths_are_spread(tmp_path: Path) -> None:
    found = run(tmp_path, json.dumps({"train_loss": [4, 3, 2, 1], "val_loss": [3.5, 1.5]}), "x.json")
    assert points(found, "loss/validation") == [(1, 3.5), (3, 1.5)]
    assert said(found, "spread evenly")


def test_nan_that_only_fills_is_missing(tmp_path: Path) -> None:
    text = "epoch,train_loss,val_loss\n" + "".join(
        f"{e},1.0,{'nan' if e % 5 else '2.0'}\n" for e in range(21)
    )
    found = run(tmp_path, text)
    assert [x for x, _ in points(found, "loss/validation")] == [0, 5, 10, 15, 20]
    assert said(found, "not measured")


def test_nan_that_stays_was_recorded(tmp_path: Path) -> None:
    text = "epoch,train_loss,val_loss\n" + "".join(
        f"{e},1.0,{'nan' if e > 4 else '2.0'}\n" for e in range(21)
    )
    assert len(points(run(tmp_path, text), "loss/validation")) == 21


def test_damaged_rows_are_named(tmp_path: Path) -> None:
    found = run(tmp_path, "epoch,loss\n1,1.0\nSaving model\n2,0.9\n4,0.7,9,9\n5,0.6\n")
    assert points(found, "loss/train") == [(1, 1.0), (2, 0.9), (5, 0.6)]
    assert said(found, "lines of text")
    assert said(found, "more cells than the 2 names")


def test_junk_between_json_lines(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        'hello\n{"step":1,"loss":2}\nwarning\n{"step":2,"loss":NaN}{"step":3,"loss":1}\n{"ste',
        "x.jsonl",
    )
    assert [x for x, _ in points(found, "loss/train")] == [1, 2, 3]
    assert said(found, "no JSON object")
    assert said(found, "the last line is cut")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("model,lr,accuracy,loss\nresnet,0.1,0.9,0.3\nvit,0.01,0.8,0.4\n", "one row per run"),
        ("length,width,species\n5.1,3.5,setosa\n4.9,3.0,setosa\n", "fewer than 3 rows name a"),
    ],
)
def test_tables_without_a_curve_are_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UnreadableLogError, match=why):
        run(tmp_path, text)


def test_a_map_names_the_columns(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        "a,b,c,d\n1,2.0,3,4\n2,1.5,3,4\n",
        columns={"loss": "b", "step": "a", "dice/validation": "c"},
    )
    assert points(found, "loss/train") == TWO
    assert points(found, "dice/validation") == [(1, 3.0), (2, 3.0)]
    assert found.info.x_unit == "optimizer steps"


def test_a_map_reaches_into_json_lines(tmp_path: Path) -> None:
    text = '{"i":1,"j":{"k":2.0}}\n{"i":2,"j":{"k":1.5}}\n'
    found = run(tmp_path, text, columns={"val_loss": "j/k", "epoch": "i"})
    assert points(found, "loss/validation") == TWO
    assert found.info.x_unit == "epochs"


def test_a_wrong_column_is_named_with_its_neighbours(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="near it are `train_loss`"):
        run(tmp_path, PLAIN, columns={"loss": "train_los"})


def test_an_unknown_short_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found 'foo'"):
        GenericTable({"foo": "b"})


def test_a_table_that_no_name_tells_is_refused_with_its_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n2,3\n")
    from traindoctor.collectors.intake.logbook import Logbook
    from traindoctor.collectors.intake.source import Source

    with pytest.raises(UnreadableLogError, match=r"`a`, `b`.*--map loss=COLUMN"):
        GenericTable().read(Source(tmp_path / "x.csv"), Logbook())
