"""Hugging Face output: steps from the header's totals, epochs without it, the closing summary."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

from tests.collectors.importers.text_samples import points, run_in

ROWS = [f"{{'loss': {5 - e}, 'grad_norm': '1.5', 'learning_rate': 5e-05, 'epoch': {e}.0}}" for e in (1, 2, 3)]
LAST = "{'train_runtime': 12.5, 'train_samples_per_second': 3.0, 'train_loss': 9.5, 'epoch': 3.0}"


def test_epochs_where_the_header_is_missing(tmp_path):
    run = run_in(tmp_path, "\n".join([*ROWS, LAST]))
    assert run.info.x_unit == "epochs"
    assert points(run, "loss/train") == {1: 4.0, 2: 3.0, 3: 2.0}
    assert (run.info.status, run.info.seconds) == ("finished", 12.5)


def test_steps_from_the_header(tmp_path):
    header = "  Num Epochs = 3\n  Total train batch size (w. parallel, distributed & accumulation) = 16\n  Total optimization steps = 300\n"
    run = run_in(tmp_path, header + "\n".join(ROWS))
    assert run.info.x_unit == "optimizer steps"
    assert points(run, "loss/train") == {100: 4.0, 200: 3.0, 300: 2.0}
    assert run.info.batch_size == 16
