"""Hugging Face states: kinds of rows, final row, objectives, checkpoints, cut files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.importers.readings import points, run, said, source_of
from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.errors import UnreadableLogError

FILE = "trainer_state.json"


def state(rows: list[dict[str, Any]], **more: Any) -> str:
    about = {"best_metric": None, "epoch": 1.0, "global_step": 30, "max_steps": 30, "train_batch_size": 8}
    return json.dumps({**about, **more, "log_history": rows})


TRAIN = [
    {"loss": 2.0 / k, "grad_norm": 1.0, "learning_rate": 1e-4, "epoch": k / 3, "step": 10 * k}
    for k in (1, 2, 3)
]
EVALUATION = {
    "eval_loss": 1.5,
    "eval_recall (sensitivity)": 0.4,
    "eval_runtime": 2.0,
    "epoch": 1.0,
    "step": 30,
}
CLOSING = {"train_loss": 1.2, "train_runtime": 60.0, "total_flos": 1e9, "epoch": 1.0, "step": 30}


def test_rows_of_all_kinds(tmp_path: Path) -> None:
    found = run(tmp_path, state([*TRAIN, EVALUATION, CLOSING]), FILE)
    assert points(found, "loss/train") == [(10, 2.0), (20, 1.0), (30, 2.0 / 3)]
    assert points(found, "loss/validation") == [(30, 1.5)]
    assert source_of(found, "grad_norm/preclip") == "grad_norm"
    assert points(found, "recall_sensitivity/validation") == [(30, 0.4)]
    assert (found.info.status, found.info.seconds, found.info.batch_size) == ("finished", 60.0, 8)


def test_the_closing_mean_is_no_point(tmp_path: Path) -> None:
    found = run(tmp_path, state([*TRAIN, CLOSING]), FILE)
    assert len(points(found, "loss/train")) == 3
    assert said(found, "mean over the whole run")


def test_a_cut_run_is_not_called_finished(tmp_path: Path) -> None:
    found = run(tmp_path, state(TRAIN, max_steps=300), FILE)
    assert found.info.status == "unknown"
    assert said(found, "stops at step 30 of 300")


def test_hidden_nan_is_named(tmp_path: Path) -> None:
    rows = [{"loss": 0.0, "grad_norm": math.nan, "learning_rate": 1e-4, "step": k} for k in (1, 2)]
    found = run(tmp_path, state(rows), FILE)
    assert all(math.isnan(value) for _, value in points(found, "grad_norm/preclip"))
    assert points(found, "loss/train") == [(1, 0.0), (2, 0.0)]
    assert said(found, "how the Trainer shows a NaN loss")
    assert "logging_nan_inf_filter" in found.info.series["loss/train"].note


def test_policy_optimisation_is_no_progress(tmp_path: Path) -> None:
    rows = [{"loss": 0.0, "reward": 0.1 * k, "reward_std": 0.2, "kl": 0.01, "step": k} for k in (1, 2, 3)]
    found = run(tmp_path, state(rows), FILE)
    assert found.info.loss_role == "rl"
    assert found.info.series["reward/train"].better == "higher"


def test_preference_optimisation_is_progress(tmp_path: Path) -> None:
    rows = [{"loss": 0.69, "rewards/accuracies": 0.5, "rewards/chosen": 0.1, "step": k} for k in (1, 2, 3)]
    found = run(tmp_path, state(rows), FILE)
    assert found.info.loss_role == "progress"
    assert source_of(found, "preference_accuracy/train") == "rewards/accuracies"
    assert found.info.series["rewards_chosen/train"].better == ""


def test_training_metrics_are_no_validation(tmp_path: Path) -> None:
    rows = [{**row, "mean_token_accuracy": 0.5} for row in TRAIN]
    found = run(tmp_path, state(rows), FILE)
    name = next(n for n, info in found.info.series.items() if info.source_name == "mean_token_accuracy")
    assert found.info.series[name].split == "train"


def test_a_bare_history(tmp_path: Path) -> None:
    found = run(tmp_path, json.dumps([*TRAIN, EVALUATION]), "log_history.json")
    assert len(points(found, "loss/train")) == 3


def test_the_final_figures_are_no_curve(tmp_path: Path) -> None:
    text = json.dumps({"epoch": 3.0, "train_loss": 0.5, "train_samples_per_second": 9.0})
    with pytest.raises(UnreadableLogError, match="no curve"):
        run(tmp_path, text, "all_results.json")


def test_an_empty_history_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableLogError, match="empty log_history"):
        run(tmp_path, state([]), FILE)


def test_a_cut_file_keeps_what_stands_before(tmp_path: Path) -> None:
    text = state(TRAIN)
    found = run(tmp_path, text[: text.index('"step": 30') + 6], FILE)
    assert [step for step, _ in points(found, "loss/train")] == [10, 20]
    assert said(found, "the document is cut")


def test_the_largest_checkpoint_wins(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        (tmp_path / f"checkpoint-{n}0").mkdir()
        (tmp_path / f"checkpoint-{n}0" / FILE).write_text(state(TRAIN[:n], global_step=10 * n))
    (found,) = load_runs(tmp_path).runs
    assert [step for step, _ in points(found, "loss/train")] == [10, 20, 30]
    assert said(found, "2 checkpoints hold the beginning of the same run")


def test_a_checkpoint_of_another_run_stays_apart(tmp_path: Path) -> None:
    other = [{**row, "loss": 9.0} for row in TRAIN[:2]]
    for name, rows in (("checkpoint-30", TRAIN), ("checkpoint-20", other)):
        (tmp_path / name).mkdir()
        (tmp_path / name / FILE).write_text(state(rows))
    found = load_runs(tmp_path).runs
    assert [r.name for r in found] == ["checkpoint-30", "checkpoint-20"]
    assert [len(points(r, "loss/train")) for r in found] == [3, 2]
