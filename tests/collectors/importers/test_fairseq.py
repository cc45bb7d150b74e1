"""fairseq: simple, old and JSON forms; base 2; overflows."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

import math

from tests.collectors.importers.text_samples import points, run_in


def test_simple_form(tmp_path):
    rows = []
    for u in (100, 200, 300):
        rows += [
            f"2026-01-02 03:04:05 | INFO | train_inner | epoch 007:     85 / 282 loss={u / 100}, ppl=2.3, wps=1000, num_updates={u}, lr=0.001, gnorm=0.5, loss_scale=64, wall=9"
        ]
        rows += [
            "2026-01-02 03:04:05 | INFO | fairseq.trainer | NOTE: gradient overflow detected, setting loss scale to: 32.0"
        ]
    rows += [
        "2026-01-02 03:04:05 | INFO | valid | epoch 007 | valid on 'valid' subset | loss 12.5 | bleu 29.5 | num_updates 300 | best_bleu 30"
    ]
    rows += [
        "2026-01-02 03:04:05 | INFO | train | epoch 007 | loss 3.5 | num_updates 300 | lr 0.001 | gnorm 0.6"
    ]
    run = run_in(tmp_path, "\n".join(rows))
    assert points(run, "loss/train") == {100: 1.0, 200: 2.0, 300: 3.0}
    assert points(run, "loss/validation") == {300: 12.5}
    assert points(run, "bleu/validation") == {300: 29.5}
    assert run.series["train loss"].values[-1] == 3.5
    assert "base 2" in run.info.series["loss/train"].note
    assert sum(event.kind == "amp-skip" for event in run.events) == 3


def test_json_form_with_texts_for_numbers(tmp_path):
    rows = [
        f'[2026-01-02 03:04:05,000][train_inner][INFO] - {{"epoch": 1, "loss": "{loss}", "num_updates": "{u}", "lr": "0.5"}}'
        for u, loss in ((10, 9.5), (20, "nan"), (30, 7.5))
    ]
    rows += [
        '[2026-01-02 03:04:05,000][valid][INFO] - {"epoch": 1, "valid_loss": "8.5", "valid_num_updates": "30"}'
    ]
    run = run_in(tmp_path, "\n".join(rows))
    assert math.isnan(points(run, "loss/train")[20])
    assert points(run, "loss/validation") == {30: 8.5}


def test_form_before_0_9(tmp_path):
    rows = [
        row
        for e in (1, 2, 3)
        for row in (
            f"| epoch {e:03d} | loss {9 - e} | nll_loss 0.5 | num_updates {100 * e} | lr 1e-05 | gnorm 2.5",
            f"| epoch {e:03d} | valid on 'valid' subset | loss {9.5 - e} | ppl 100 | num_updates {100 * e}",
        )
    ]
    run = run_in(tmp_path, "\n".join(rows))
    assert points(run, "loss/train") == {100: 8.0, 200: 7.0, 300: 6.0}
    assert points(run, "loss/validation") == {100: 8.5, 200: 7.5, 300: 6.5}
