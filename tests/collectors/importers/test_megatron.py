"""Megatron-LM: cells in any order, skipped iterations, validation lines, long preambles."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

from tests.collectors.importers.text_samples import points, run_in

ROW = (
    " iteration {i:8d}/    1000 | elapsed time per iteration (ms): 9.5 | learning rate: 1.0E-05 | {extra}"
    "loss scale: 1024.0 | number of skipped iterations: {skipped:3d} | number of nan iterations:   0 |"
)


def log(n=4):
    rows = [ROW.format(i=10, extra="", skipped=10)]
    return rows + [
        ROW.format(i=10 * i, extra=f"lm loss: {9 / i:.6E} | grad norm: nan | ", skipped=0)
        for i in range(2, n + 2)
    ]


def test_rows_without_a_loss_are_kept_for_what_they_hold(tmp_path):
    run = run_in(tmp_path, "\n".join(log()))
    assert list(run.series["loss/train"].steps) == [20, 30, 40, 50]
    assert list(run.series["amp/scale"].steps) == [10, 20, 30, 40, 50]
    assert "grad_norm/preclip" in run.series
    assert [(event.step, event.data["count"]) for event in run.events if event.kind == "amp-skip"] == [
        (10, 10.0)
    ]


def test_validation_lines(tmp_path):
    rows = [*log(), " validation loss at iteration 50 | lm loss value: 3.1E+00 | lm loss PPL: 2.2E+01 | "]
    rows += [
        " validation loss at the end of training for test data | lm loss value: 3.0E+00 | lm loss PPL: 2.0E+01 |"
    ]
    run = run_in(tmp_path, "\n".join(rows))
    assert 3.0 in run.series["loss/validation"].values or points(run, "loss/validation") == {50: 3.1}
    assert "ppl/validation" in run.series


def test_arguments_become_the_configuration(tmp_path):
    preamble = "+ module load x\n" * 6000
    arguments = "------ arguments ------\n  global_batch_size ............................... 512\n  lr ...... 0.0001\n"
    run = run_in(tmp_path, preamble + arguments + "\n".join(log()), "job.out")
    assert run.info.source == "Megatron-LM text log"
    assert run.info.batch_size == 512
    assert run.info.config["lr"] == "0.0001"


def test_a_cancelled_job_was_killed(tmp_path):
    end = "slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-01-02T03:04:05 ***"
    assert run_in(tmp_path, "\n".join([*log(), end])).info.status == "killed"
