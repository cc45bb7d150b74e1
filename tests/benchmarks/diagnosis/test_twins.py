"""Test of the real recorder against its slow twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.diagnosis.configuration import draw
from benchmarks.diagnosis.twins import differences, record_twice
from traindoctor.run import Run, Series


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_both_recorders_agree_on_every_number():
    config = replace(
        draw("tune", 1),
        architecture="mlp",
        activation="relu",
        width=16,
        depth=2,
        norm="batch",
        dropout=0.1,
        optimizer="adamw",
        lr=1e-2,
        schedule="cosine",
        per_epoch=False,
        batch_size=64,
        accumulation=1,
        clip_norm=0.5,
        weight_decay=0.01,
        n_steps=30,
    )
    reference, watched = record_twice(config)
    assert len(reference.series["loss/train"]) == 30
    assert list(differences(reference, watched)) == []


def test_disagreement_is_named():
    def run(steps: list[int], values: list[float]) -> Run:
        return Run("0", "0", {"loss/train": Series(np.array(steps), np.array(values))})

    reference = run([0, 1, 2], [1.0, 2.0, np.nan])
    assert not list(differences(reference, run([0, 1, 2], [1.0, 2.00001, np.nan])))
    (found,) = differences(reference, run([0, 1, 3], [1.0, 2.1, 0.0]))
    assert found.name == "loss/train"
    assert "1 of 3 steps lack, the first is 2" in found.what
    assert "1 of 2 values differ, at step 1 2 against 2.1" in found.what
    (found,) = differences(reference, run([0, 1, 2], [1.0, 2.0, np.inf]))
    assert "at step 2 nan against inf" in found.what
    (found,) = differences(reference, Run("0", "0"))
    assert found.what == "only the reference has it"
