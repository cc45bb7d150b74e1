import json
import math
import sqlite3

import pytest

import traindoctor
from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.collectors.importers.optuna_search import load_study
from traindoctor.errors import UnreadableLogError, UsageError

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


RANGE = json.dumps(
    {"name": "FloatDistribution", "attributes": {"low": 1e-5, "high": 1.0, "log": True, "step": None}}
)


def test_a_stored_study_is_a_search(tmp_path):
    operations = [
        (0, {"study_name": "demo", "directions": [1]}),
        (2, {"study_id": 0, "user_attr": {"traindoctor": {"objective": "loss/validation", "method": "tpe"}}}),
        (4, {"study_id": 0, "datetime_start": "2026-01-01T00:00:00.000000+00:00"}),
        (5, {"trial_id": 0, "param_name": "lr", "param_value_internal": 0.01, "distribution": RANGE}),
        (5, {"trial_id": 0, "param_name": "opt", "param_value_internal": 1, "distribution": CHOICES}),
        (6, {"trial_id": 0, "state": 1, "values": [0.25], "datetime_complete": "2026-01-01T00:00:04+00:00"}),
        (4, {"study_id": 0}),
        (8, {"trial_id": 1, "user_attr": {"outcome": "diverged", "why": "not finite"}}),
        (6, {"trial_id": 1, "state": 1, "values": [9.0]}),
        (4, {"study_id": 0}),
        (7, {"trial_id": 2, "step": 1, "intermediate_value": 0.5}),
        (6, {"trial_id": 2, "state": 2, "values": None}),
        (4, {"study_id": 0}),
        (8, {"trial_id": 3, "user_attr": {"outcome": "lost"}}),
        (6, {"trial_id": 3, "state": 3, "values": None}),
    ]
    study = load_study(journal(tmp_path / "study.journal", operations))
    assert (study.name, study.better, study.objective, study.method) == (
        "demo",
        "lower",
        "loss/validation",
        "tpe",
    )
    assert [trial.state for trial in study.trials] == ["complete", "diverged", "pruned", "lost"]
    assert [parameter.kind for parameter in study.parameters] == ["log", "choice"]
    assert study.parameters[1].choices == ("adam", "sgd")
    first, gone, pruned, _ = study.trials
    assert (dict(first.parameters), first.value, first.seconds) == ({"lr": 0.01, "opt": "sgd"}, 0.25, 4.0)
    assert (gone.why, pruned.value) == ("not finite", 0.5)


def test_a_database_is_a_search_as_well(tmp_path):
    study = load_study(database(tmp_path / "study.db", reports=False))
    assert (study.better, [trial.state for trial in study.trials]) == (
        "higher",
        ["complete", "pruned", "failed"],
    )
    assert study.trials[0].value == 0.9
    diagnosis = traindoctor.diagnose_study(tmp_path / "study.db")
    assert diagnosis.search.best.number == 0
    assert diagnosis.verdict.state == "not-assessable"
    assert diagnosis.verdict.sentence.startswith(
        "Best objective 0.9 with opt sgd, lr 0.25 (trial 0; 3 trials"
    )


def test_which_of_several_studies_is_asked_for(tmp_path):
    operations = [(0, {"study_name": name, "directions": [1]}) for name in ("one", "two")]
    path = journal(tmp_path / "study.journal", operations)
    with pytest.raises(UsageError, match="holds 'one', 'two': choose one with --study"):
        load_study(path)
    assert load_study(path, "two").name == "two"
    with pytest.raises(UsageError, match="found 'three'"):
        load_study(path, "three")
