"""From a logbook to runs."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from traindoctor.collectors.intake import logbook as logbook_module
from traindoctor.collectors.intake.assembly import runs_of
from traindoctor.collectors.intake.logbook import Logbook, Meaning


def runs(log):
    return runs_of(log, source="test", path="", stem="log")


def run(log):
    (only,) = runs(log)
    return only


def filled(rows, x_unit="optimizer steps"):
    log = Logbook(x_unit)
    for x, values in rows:
        log.row(x, values)
    return log


def test_series_get_our_names_and_keep_theirs():
    found = run(
        filled((i, {"train_loss": 1.0 / (i + 1), "lr": 0.1, "val_bleu": i, "foo": 1}) for i in range(9))
    )
    assert set(found.series) == {"loss/train", "lr/0", "bleu/validation", "foo"}
    known = found.info.series["bleu/validation"]
    assert (known.source_name, known.split, known.better) == ("val_bleu", "validation", "higher")
    assert found.info.source == "test"


def test_missing_is_not_nan_and_nan_is_not_missing():
    found = run(filled([(1, {"loss": 1.0}), (2, {}), (3, {"loss": math.nan}), (4, {"loss": math.inf})]))
    loss = found.series["loss/train"]
    assert loss.steps.tolist() == [1, 3, 4]
    assert math.isnan(loss.values[1])
    assert loss.values[2] == math.inf


def test_step_and_epoch_twins_are_never_merged():
    found = run(filled((i, {"train_loss_step": 2.0, "train_loss_epoch": 1.0}) for i in range(5)))
    assert found.series["loss/train"].values.tolist() == [2.0] * 5
    assert found.series["train_loss_epoch"].values.tolist() == [1.0] * 5
    assert any("`train_loss_epoch` are kept under their own names" in note for note in found.info.diagnostics)


def test_a_declared_meaning_wins_over_the_name():
    log = filled((i, {"eval_accuracy": 0.3 - i / 100}) for i in range(5))
    log.declare("eval_accuracy", Meaning("wer/validation", "validation", "lower"))
    assert list(run(log).series) == ["wer/validation"]


def test_percent_accuracies_become_fractions_and_it_is_said():
    found = run(filled((i, {"val_acc": 50.0 + i}) for i in range(5)))
    assert found.series["accuracy/validation"].values[0] == pytest.approx(0.5)
    assert found.info.series["accuracy/validation"].note == "divided by 100"


def test_bare_metrics_beside_validation_ones_are_trainings():
    found = run(
        filled((i, {"loss": 1.0, "accuracy": 0.9, "val_loss": 1.1, "val_accuracy": 0.8}) for i in range(9))
    )
    assert found.series["accuracy/train"].values[0] == 0.9
    assert found.series["accuracy/validation"].values[0] == 0.8


def test_a_bare_metric_on_rows_of_its_own_is_validations():
    log = Logbook()
    for i in range(50):
        log.row(i, {"loss": 1.0})
        if i % 10 == 9:
            log.row(i + 0, {"mAP": 0.1})
    log.row(60, {"loss": 1.0})
    assert "map/train" in run(log).series or "map/validation" in run(log).series


def test_repeated_test_losses_stand_in_for_validation():
    found = run(filled((i, {"train_loss": 1.0, "test_loss": 1.1}) for i in range(9)))
    assert "loss/validation" in found.series
    assert found.info.series["loss/validation"].split == "test"
    final_only = run(filled([*((i, {"train_loss": 1.0}) for i in range(9)), (9, {"test_loss": 1.0})]))
    assert "loss/test" in final_only.series
    assert "loss/validation" not in final_only.series


def test_one_component_stands_in_for_the_loss_but_several_do_not():
    assert "loss/train" in run(filled((i, {"train_ce_loss": 1.0}) for i in range(5))).series
    several = run(filled((i, {"box_loss": 1.0, "cls_loss": 1.0}) for i in range(5)))
    assert "loss/train" not in several.series
    assert any("--map" in note for note in several.info.diagnostics)


def test_restarts_split_and_resumes_rewrite():
    log = Logbook()
    for attempt in (1.0, 2.0):
        for x in range(100):
            log.row(x, {"loss": attempt})
    for x in range(50, 120):
        log.row(x, {"loss": 3.0})
    first, second = runs(log)
    assert (first.name, second.name) == ("log #1", "log #2")
    assert first.series["loss/train"].values.tolist() == [1.0] * 100
    assert second.series["loss/train"].values.tolist() == [2.0] * 50 + [3.0] * 70
    (resume,) = second.events_of("resume")
    assert (resume.step, resume.data["from"]) == (50, 99.0)
    assert any("later ones count" in note for note in second.info.diagnostics)


def test_a_log_written_twice_is_one_run():
    log = Logbook()
    for _ in range(2):
        for x in range(20):
            log.row(x, {"loss": 1.0 / (x + 1)})
    assert any("written twice" in note for note in run(log).info.diagnostics)


def test_runs_that_the_importer_tells_apart_have_their_own_facts():
    log = Logbook("epochs")
    for lr in (0.1, 0.2):
        log.new_run(f"lr={lr}")
        log.fact(status="finished", config={"lr": lr})
        for x in range(5):
            log.row(x, {"loss": lr})
    first, second = runs(log)
    assert (first.name, first.info.config) == ("lr=0.1", {"lr": 0.1})
    assert (second.name, second.info.config, second.info.x_unit) == ("lr=0.2", {"lr": 0.2}, "epochs")


def test_fractional_epochs_become_positions_and_stay_known():
    found = run(filled([(0.1, {"loss": 3.0}), (0.25, {"loss": 2.0}), (1.0, {"loss": 1.0})], "epochs"))
    assert found.info.x_unit == "log rows"
    assert found.series["loss/train"].steps.tolist() == [0, 1, 2]
    assert found.series["epoch"].values.tolist() == [0.1, 0.25, 1.0]
    assert any("counts fractions" in note for note in found.info.diagnostics)


def test_generator_and_discriminator_make_a_gan():
    assert run(filled((i, {"lossG": 1.0, "lossD": 1.0}) for i in range(5))).info.loss_role == "gan"
    assert run(filled((i, {"loss": 1.0, "loss_d1": 1.0}) for i in range(5))).info.loss_role == "progress"


def test_out_of_order_points_are_sorted():
    order = np.arange(200).reshape(-1, 4)[:, ::-1].ravel()
    loss = run(filled((int(x), {"loss": float(x)}) for x in order)).series["loss/train"]
    assert loss.values.tolist() == list(range(200))


def test_same_x_twice_keeps_the_later_value():
    loss = run(filled([(1, {"loss": 1.0}), (1, {"loss": 2.0}), (2, {"loss": 3.0})])).series["loss/train"]
    assert loss.values.tolist() == [2.0, 3.0]


def test_an_empty_log_is_a_run_without_series():
    log = Logbook()
    log.fact(status="failed")
    log.note("no metrics were logged")
    found = run(log)
    assert (len(found.series), found.info.status) == (0, "failed")
    assert found.info.diagnostics == ("no metrics were logged",)


def test_notes_are_counted_with_their_first_place():
    log = Logbook()
    for line in (3, 9, 12):
        log.note("cells that are no number were left out", line=line)
    assert log.sentences() == ["cells that are no number were left out (3 times, first at line 3)"]


def test_memory_is_bounded_and_nan_survives_thinning(monkeypatch):
    monkeypatch.setattr(logbook_module, "MAX_POINTS", 1000)
    log = Logbook()
    for x in range(10_000):
        log.row(x, {"loss": math.nan if x == 4321 else 1.0, "lr": 0.1})
    found = run(log)
    loss = found.series["loss/train"]
    assert 250 <= len(loss) <= 1000
    assert np.isnan(loss.values).sum() == 1
    assert loss.steps[np.isnan(loss.values)].tolist() == [4321]
    (said,) = (note for note in found.info.diagnostics if "kept" in note)
    every = int(re.search(r"one point in (\d+) is", said)[1])
    gaps = np.diff(loss.steps[np.isfinite(loss.values)])
    assert set(gaps.tolist()) <= {every, every + 1}  # + 1: around the NaN, which is none of those counted


def test_too_many_or_too_long_names_are_left_out_and_said(monkeypatch):
    monkeypatch.setattr(logbook_module, "MAX_SERIES", 5)
    log = Logbook()
    log.row(0, {f"loss_{i}": 1.0 for i in range(9)} | {"x" * 400: 1.0, " ": 2.0})
    assert len(run(log).series) == 5
    assert len(log.notes) == 2


def test_rows_without_a_finite_x_are_left_out():
    log = filled([(math.nan, {"loss": 1.0}), (1, {"loss": 1.0}), (math.inf, {"loss": 1.0})])
    assert len(run(log).series["loss/train"]) == 1
    assert log.sentences() == ["rows without a finite x were left out (2 times)"]
