import json
import math
import sqlite3

import pytest

from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.errors import UnreadableLogError

CHOICES = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}})
PLAIN = json.dumps({"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}})


def database(path, reports=True):
    with sqlite3.connect(path) as db:
        db.executescript(
            """
            CREATE TABLE studies (study_id INTEGER, study_name TEXT);
            CREATE TABLE study_directions (study_id INTEGER, direction TEXT, objective INTEGER);
            CREATE TABLE trials (trial_id INTEGER, number INTEGER, study_id INTEGER, state TEXT);
            CREATE TABLE trial_params (trial_id INTEGER, param_name TEXT, param_value FLOAT,
                                       distribution_json TEXT);
            CREATE TABLE trial_values (trial_id INTEGER, objective INTEGER, value FLOAT, value_type TEXT);
            CREATE TABLE trial_intermediate_values (trial_id INTEGER, step INTEGER, intermediate_value FLOAT,
                                                    intermediate_value_type TEXT);
            INSERT INTO studies VALUES (1, 'demo');
            INSERT INTO study_directions VALUES (1, 'MAXIMIZE', 0);
            INSERT INTO trials VALUES (5, 0, 1, 'COMPLETE'), (6, 1, 1, 'PRUNED'), (7, 2, 1, 'FAIL');
            INSERT INTO trial_values VALUES (5, 0, 0.9, 'FINITE');
            """
        )
        db.execute("INSERT INTO trial_params VALUES (5, 'opt', 1.0, ?)", (CHOICES,))
        db.execute("INSERT INTO trial_params VALUES (5, 'lr', 0.25, ?)", (PLAIN,))
        for trial, step, value, kind in (
            (5, 1, None, "NAN"), (5, 0, 0.5, "FINITE"), (5, 2, 0.9, "FINITE"), (6, 0, None, "INF_NEG"),
        ) if reports else ():  # fmt: skip
            db.execute(
                "INSERT INTO trial_intermediate_values VALUES (?, ?, ?, ?)", (trial, step, value, kind)
            )
    db.close()
    return path


def test_every_trial_that_reported_is_a_run(tmp_path):
    first, second = load_runs(database(tmp_path / "study.db")).runs
    found = first.series["objective/validation"]
    assert (first.name, first.info.status, second.info.status) == ("demo trial 0", "finished", "killed")
    assert list(found.steps) == [0, 1, 2]
    assert found.values[0] == 0.5
    assert math.isnan(found.values[1])
    assert dict(first.info.config) == {"opt": "sgd", "lr": 0.25}
    assert list(second.series["objective/validation"].values) == [-math.inf]
    assert first.info.series["objective/validation"].better == "higher"
    assert first.info.loss_role != "progress"
    notes = " ".join(first.info.diagnostics)
    assert "3 trials (1 complete, 1 pruned, 1 fail), best value 0.9" in notes
    assert "1 of 3 trials reported no values" in notes


def test_final_figures_alone_are_no_curve(tmp_path):
    with pytest.raises(UnreadableLogError, match=r"1 Optuna studies with 3 trials.*no curve"):
        load_runs(database(tmp_path / "study.db", reports=False))


def journal(path, operations):
    rows = [{"op_code": code, "worker_id": "w", **rest} for code, rest in operations]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_journal(tmp_path):
    operations = [
        (0, {"study_name": "demo", "directions": [1]}),
        (4, {"study_id": 0}),
        (5, {"trial_id": 0, "param_name": "opt", "param_value_internal": 1, "distribution": CHOICES}),
        *((7, {"trial_id": 0, "step": s, "intermediate_value": 1.0 / (s + 1)}) for s in range(4)),
        (6, {"trial_id": 0, "state": 1, "values": [0.25]}),
        (4, {"study_id": 0}),
        (7, {"trial_id": 1, "step": 0, "intermediate_value": math.nan}),
        (7, {"trial_id": 9, "step": 0, "intermediate_value": 1.0}),
    ]
    first, second = load_runs(journal(tmp_path / "journal.log", operations)).runs
    assert list(first.series["objective/validation"].values) == [1.0, 0.5, 1.0 / 3, 0.25]
    assert (first.info.status, second.info.status) == ("finished", "running")
    assert first.info.config["opt"] == "sgd"
    assert first.info.series["objective/validation"].better == "lower"
    assert any("unknown trials" in note for note in first.info.diagnostics)


def test_a_deleted_study_keeps_the_numbers_of_the_others(tmp_path):
    operations = [
        (0, {"study_name": "gone", "directions": [1]}),
        (4, {"study_id": 0}),
        (1, {"study_id": 0}),
        (0, {"study_name": "kept", "directions": [1]}),
        (4, {"study_id": 1}),
        (7, {"trial_id": 1, "step": 0, "intermediate_value": 2.0}),
    ]
    (run,) = load_runs(journal(tmp_path / "journal.log", operations)).runs
    assert run.name == "kept trial 0"
