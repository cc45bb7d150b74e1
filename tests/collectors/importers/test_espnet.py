"""ESPnet: the averages of an epoch; single batches are left out and noted."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

from tests.collectors.importers.text_samples import points, run_in


def test_epochs(tmp_path):
    rows = []
    for e in (1, 2, 3):
        rows += [
            f"[h] 2026-01-02 03:04:05,123 (trainer:653) INFO: {e}epoch:train:1-100batch: iter_time=0.1, loss=99.5, acc=0.1"
        ]
        rows += [
            f"[h] 2026-01-02 03:04:05,123 (trainer:289) INFO: {e}epoch results: [train] loss={5 - e}, loss_ctc=1.15e+03, time=1 hour and 2 seconds, [valid] loss=nan, acc=0.5"
        ]
    run = run_in(tmp_path, "\n".join(rows))
    assert points(run, "loss/train") == {1: 4.0, 2: 3.0, 3: 2.0}
    assert len(run.series["loss/validation"].finite()) == 0
    assert any("single batches" in note for note in run.info.diagnostics)
