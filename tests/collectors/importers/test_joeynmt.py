"""JoeyNMT: both spellings of train.log, and summed validation losses."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

import pytest

from tests.collectors.importers.text_samples import points, run_in

OLD = "2026-01-02 03:04:05,123 Epoch   1 Step: {s:8d} Batch Loss:     {t:.6f} Tokens per Sec:    13096, Lr: 0.000300"
NEW = "2026-01-02 03:04:05,123 - INFO - joeynmt.training - Epoch   1, Step: {s:8d}, Batch Loss:     {t:.6f}, Tokens per Sec:     4095, Lr: 0.000300"
RESULT = "2026-01-02 03:04:05,123 Validation result (greedy) at epoch   1, step     {s}: bleu:   2.06, loss: {v:.4f}, ppl:  24.6552, duration: 13.5851s"


@pytest.mark.parametrize("form", [OLD, NEW])
def test_train_log(tmp_path, form):
    rows = [text.format(s=s, t=9 - s / 100, v=1000.0 - s) for s in (100, 200, 300) for text in (form, RESULT)]
    rows += ["2026-01-02 03:04:05,123 Best validation result (greedy) at step     200:   8.84 ppl."]
    run = run_in(tmp_path, "\n".join(rows))
    assert points(run, "loss/train") == {100: 8.0, 200: 7.0, 300: 6.0}
    assert points(run, "loss/validation") == {100: 900.0, 200: 800.0, 300: 700.0}
    assert "summed" in run.info.series["loss/validation"].note
    assert list(run.series["epoch"].values) == [1, 1, 1]


def test_validations_may_begin_mid_run(tmp_path):
    rows = [
        f"Steps: {s}\tLoss: {s / 2}\tPPL: 3.43\tbleu: 42.66\tLR: 0.0003\t{'*' if s % 2000 else ''}"
        for s in (35000, 36000, 37000)
    ]
    run = run_in(tmp_path, "\n".join(rows), "validations.txt")
    assert points(run, "loss/validation") == {35000: 17500.0, 36000: 18000.0, 37000: 18500.0}
    assert points(run, "lr/0")[35000] == 0.0003
