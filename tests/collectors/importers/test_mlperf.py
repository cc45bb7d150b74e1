"""MLPerf logs: which counter is x, ranks that repeat each other, old spellings, status and direction."""

from __future__ import annotations

import json
import math

import pytest

from tests.collectors.importers.text_samples import points, run_in, runs_in


def event(key, value, time_ms=0, **metadata):
    body = {"time_ms": time_ms, "key": key, "value": value, "metadata": {"lineno": 1, **metadata}}
    return ":::MLLOG " + json.dumps(body)


def test_whole_epochs_are_x(tmp_path):
    rows = [event("eval_accuracy", e / 10, e, epoch_num=e) for e in (4, 8, 12)]
    run = run_in(tmp_path, "\n".join(rows))
    assert run.info.x_unit == "epochs"
    assert points(run, "accuracy/validation") == {4: 0.4, 8: 0.8, 12: 1.2}


def test_samples_are_preferred_to_epochs(tmp_path):
    rows = [event("eval_accuracy", e / 10, e, epoch_num=e, samples_count=1000 * e) for e in (1, 2, 3)]
    run = run_in(tmp_path, "\n".join(rows))
    assert run.info.x_unit == "samples"
    assert list(run.series["accuracy/validation"].steps) == [1000, 2000, 3000]
    assert list(run.series["epoch"].values) == [1, 2, 3]


@pytest.mark.parametrize("epochs", [[1, 1, 1], [1.05, 1.1, 1.15]])
def test_constant_or_fractional_epochs_leave_the_order(tmp_path, epochs):
    rows = [event("eval_accuracy", 0.1 * i, i, epoch_num=epoch) for i, epoch in enumerate(epochs)]
    run = run_in(tmp_path, "\n".join(rows))
    assert run.info.x_unit == "evaluations"
    assert list(run.series["accuracy/validation"].steps) == [1, 2, 3]
    assert list(run.series["epoch"].values) == epochs


def test_evaluations_stand_at_the_step_of_the_statistics_before_them(tmp_path):
    rows = []
    for i in (1, 2, 3):
        rows += [event("tracked_stats", {"loss": 3.0 / i, "throughput": 9}, i, step=400 * i)]
        rows += [event("eval_accuracy", {"BBOX": 0.1 * i, "SEGM": 0.2}, i, epoch_num=i)]
    run = run_in(tmp_path, "\n".join(rows))
    assert run.info.x_unit == "optimizer steps"
    assert points(run, "loss/train") == {400: 3.0, 800: 1.5, 1200: 1.0}
    assert list(run.series["bbox/validation"].steps) == [400, 800, 1200]


def test_what_several_ranks_log_alike_is_taken_once(tmp_path):
    rows = [row for e in (1, 2, 3) for row in [event("eval_accuracy", e / 10, e, epoch_num=e)] * 4]
    run = run_in(
        tmp_path, "\n".join(f"{rank % 4}: noise\n{rank % 4}: {row}" for rank, row in enumerate(rows))
    )
    assert len(run.series["accuracy/validation"]) == 3
    assert any("several ranks" in note for note in run.info.diagnostics)


@pytest.mark.parametrize(
    ("status", "ours"), [("success", "finished"), ("aborted", "failed"), ("abort", "failed")]
)
def test_status_is_that_of_run_stop(tmp_path, status, ours):
    rows = [event("run_start", None, 1000)]
    rows += [event("eval_accuracy", e / 10, e, epoch_num=e) for e in (1, 2, 3)]
    run = run_in(tmp_path, "\n".join([*rows, event("run_stop", None, 61000, status=status)]))
    assert run.info.status == ours
    assert run.info.seconds == 60.0


def test_a_run_without_run_stop_is_unknown(tmp_path):
    run = run_in(tmp_path, "\n".join(event("eval_accuracy", e / 10, e, epoch_num=e) for e in (1, 2, 3)))
    assert run.info.status == "unknown"


def test_word_error_rates_are_lower_better(tmp_path):
    rows = [event("submission_benchmark", "rnnt")]
    rows += [event("eval_accuracy", 1 / e, e, epoch_num=e) for e in (1, 2, 3)]
    run = run_in(tmp_path, "\n".join(rows))
    assert run.info.series["wer/validation"].better == "lower"


def test_the_older_spellings(tmp_path):
    rows = [
        f':::MLPv0.5.0 resnet 15410981{e}.5 (train.py:45) eval_accuracy: {{"epoch": {e}, "value": 0.{e}}}'
        for e in (1, 2, 3)
    ]
    assert points(run_in(tmp_path, "\n".join(rows)), "accuracy/validation") == {1: 0.1, 2: 0.2, 3: 0.3}
    rows = [
        f':::MLL 155863191{e}.4 eval_accuracy: {{"value": 0.{e}, "metadata": {{"epoch_num": {e}}}}}'
        for e in (1, 2, 3)
    ]
    assert points(run_in(tmp_path, "\n".join(rows)), "accuracy/validation") == {1: 0.1, 2: 0.2, 3: 0.3}


def test_two_runs_in_one_file(tmp_path):
    rows = []
    for attempt, status in ((10, "aborted"), (20, "success")):
        rows += [event("run_start", None, attempt)]
        rows += [event("eval_accuracy", e / attempt, attempt, epoch_num=e) for e in (1, 2, 3)]
        rows += [event("run_stop", None, attempt, status=status)]
    found = runs_in(tmp_path, "\n".join(rows))
    assert [run.info.status for run in found] == ["failed", "finished"]
    assert points(found[1], "accuracy/validation") == {1: 0.05, 2: 0.1, 3: 0.15}


def test_a_torn_line_is_noted_and_nan_is_kept(tmp_path):
    rows = [event("eval_accuracy", math.nan if e == 2 else 0.5, e, epoch_num=e) for e in (1, 2, 3)]
    run = run_in(tmp_path, "\n".join(rows) + "\n" + rows[0][:60])
    assert math.isnan(points(run, "accuracy/validation")[2])
    assert any("damaged" in note for note in run.info.diagnostics)
