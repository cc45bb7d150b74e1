"""The nanoGPT family: every console form, code at the head, validation lines on their own."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

import math

import pytest

from tests.collectors.importers.text_samples import points, run_in, runs_in

FORMS = {
    "modded": "step:{s}/90 val_loss:{v} train_time:{s}ms step_avg:1.5ms\nstep:{s}/90 train_loss:{t} train_time:{s}ms",
    "records of 2024": "s:{s} tel:{v}\ns:{s} trl:{t}",
    "nanochat": "step {s:05d}/00090 (10.00%) | loss: {t} | lrm: 1.00 | dt: 6.90ms | tok/sec: 9 | mfu: 4.5\n"
    "Step {s:05d} | Validation loss: {v}",
    "nanoGPT": "step {s}: train loss {t}, val loss {v}\niter {s}: loss {t}, time 9.50ms, mfu 1.50%",
    "llm.c": "val loss {v}\nstep {s:4d}/90 | loss {t} (+nanz)| norm 1.5 (+nanz)| lr 1.0e-04 | 30.5 ms",
    "build-nanogpt": "{s} val {v}\n{s} train {t}",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, form):
    text = "\n".join(FORMS[form].format(s=s, t=9.0 - s / 10, v=9.5 - s / 10) for s in (0, 10, 20, 30))
    run = run_in(tmp_path, text)
    assert run.info.source == "nanoGPT-family text log"
    assert points(run, "loss/train") == {0: 9.0, 10: 8.0, 20: 7.0, 30: 6.0}
    assert 7.5 in run.series["loss/validation"].values


def test_code_at_the_head_is_no_row(tmp_path):
    code = 'print0(f"step:{step}/{args.n} val_loss:{val_loss:.4f} train_time:{t:.0f}ms")\n' * 2000
    rows = "\n".join(f"step:{s}/90 val_loss:{5 - s / 10}" for s in (0, 10, 20))
    run = run_in(tmp_path, code + rows)
    assert points(run, "loss/validation") == {0: 5.0, 10: 4.0, 20: 3.0}


def test_warmup_and_final_lines_are_no_rows(tmp_path):
    rows = "\n".join(f"warmup_step:{s}/20\nstep:{s}/90 train_loss:{5 - s / 10}" for s in (1, 2, 3))
    run = run_in(tmp_path, rows + "\nfinal_int8_zlib_roundtrip val_loss:9.9 val_bpb:1.0")
    assert set(run.series) == {"loss/train"}


def test_nan_is_kept(tmp_path):
    text = "step:1/9 train_loss:5.0\nstep:2/9 train_loss:nan\nstep:3/9 train_loss:nan"
    assert [math.isnan(value) for value in run_in(tmp_path, text).series["loss/train"].values] == [
        False,
        True,
        True,
    ]


def test_seeds_appended_are_runs_of_their_own(tmp_path):
    rows = [f"step:{s}/90 val_loss:{5 - s / 10 + seed / 100}" for seed in (1, 2, 3) for s in (0, 10, 20)]
    assert [run.series["loss/validation"].values[0] for run in runs_in(tmp_path, "\n".join(rows))] == [
        5.01,
        5.02,
        5.03,
    ]
