"""Keras console output: the last state of an epoch counts, in every style of progress."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

import pytest

from tests.collectors.importers.text_samples import points, run_in

STYLES = {
    "carriage returns": "10/20 [==>...] - ETA: 1s - loss: 9.5 - acc: 0.1\r20/20 [====] - 5s 2ms/step - loss: {t} - acc: 0.5 - val_loss: {v}",
    "backspaces": "10/20 [==>...] - ETA: 1s - loss: 9.5\x08\x08\x08\x08 20/20 [====] - 5s 2ms/step - loss: {t} - val_loss: {v}",
    "colours": "\x1b[1m20/20\x1b[0m \x1b[32m━━━━\x1b[0m \x1b[1m5s\x1b[0m 2ms/step - accuracy: 0.5 - loss: {t} - val_loss: {v}",
    "one line per epoch": "20/20 - 5s - loss: {t} - acc: 0.5 - val_loss: {v} - 5s/epoch - 2ms/step",
    "old samples": "1000/1000 [======] - 5s 80us/sample - loss: {t} - acc: 0.5 - val_loss: {v}",
    "bare": " - 5s - loss: {t} - acc: 0.5 - val_loss: {v}",
}


@pytest.mark.parametrize("style", STYLES)
def test_styles(tmp_path, style):
    text = "\n".join(f"Epoch {e}/3\n{STYLES[style].format(t=5 - e, v=6 - e)}" for e in (1, 2, 3))
    run = run_in(tmp_path, text, "train.out")
    assert run.info.source == "Keras console output"
    assert points(run, "loss/train") == {1: 4.0, 2: 3.0, 3: 2.0}
    assert points(run, "loss/validation") == {1: 5.0, 2: 4.0, 3: 3.0}
