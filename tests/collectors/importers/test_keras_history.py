"""Keras histories: CSV with and without an index, JSON of three kinds, the long form, one bare column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.collectors.importers.readings import points, run, runs, said

CURVE = [(0, 1.0), (1, 0.5)]


@pytest.mark.parametrize(
    "text",
    [
        "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.1,1.0,NA,NA\n1,0.2,0.5,0.2,0.7\n",
        ",loss,accuracy,val_loss,val_accuracy\n0,1.0,0.1,,\n1,0.5,0.2,0.7,0.2\n",
        "loss,accuracy,val_loss,val_accuracy\n1.0,0.1,,\n0.5,0.2,0.7,0.2\n",
        "epoch,set,loss,accuracy\n0,train,1.0,0.1\n1,train,0.5,0.2\n1,val,0.7,0.2\n",
        json.dumps({"loss": [1.0, 0.5], "accuracy": [0.1, 0.2],
                    "val_loss": [None, 0.7], "val_accuracy": [None, 0.2]}),
        json.dumps({"loss": {"0": 1.0, "1": 0.5}, "accuracy": {"0": 0.1, "1": 0.2},
                    "val_loss": {"0": None, "1": 0.7}, "val_accuracy": {"0": None, "1": 0.2}}),
        json.dumps({"params": {"epochs": 2}, "epoch": [0, 1],
                    "history": {"loss": [1.0, 0.5], "accuracy": [0.1, 0.2], "val_loss": [None, 0.7],
                                "val_accuracy": [None, 0.2]}}),
    ],
    ids=["csvlogger", "index", "bare", "long", "json", "pandas json", "history object"],
)  # fmt: skip
def test_all_forms_read_the_same(tmp_path: Path, text: str) -> None:
    found = run(tmp_path, text, "history.json" if text.startswith("{") else "history.csv")
    assert found.info.source == "Keras history"
    assert points(found, "loss/train") == CURVE
    assert points(found, "accuracy/train") == [(0, 0.1), (1, 0.2)]
    assert points(found, "loss/validation") == [(1, 0.7)]
    assert points(found, "accuracy/validation") == [(1, 0.2)]
    assert found.info.x_unit == "epochs"


def test_a_column_without_a_name_keeps_its_first_value(tmp_path: Path) -> None:
    text = "".join(f"{value:.18e}\n" for value in (0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1))
    found = run(tmp_path, text, "history.csv")
    assert points(found, "loss/train")[0] == (0, 0.7)
    assert len(points(found, "loss/train")) == 7
    assert said(found, "no header")


def test_appended_runs(tmp_path: Path) -> None:
    once = "epoch,loss,val_loss\n0,1,1\n1,.9,.9\n"
    assert len(runs(tmp_path, once + once.replace(".9", ".8"), "training.log")) == 2


def test_a_table_of_models_is_no_history(tmp_path: Path) -> None:
    text = "model,loss,val_loss\nresnet,0.3,0.4\nvit,0.2,0.3\n"
    with pytest.raises(Exception, match="one row per run"):
        run(tmp_path, text, "results.csv")
