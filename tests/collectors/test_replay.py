"""Replaying scheduler code on a real torch optimizer."""

import sys

import numpy as np
import pytest

from traindoctor.collectors.replay import replay_lr, replay_or_none
from traindoctor.errors import MissingDependencyError

STEP = "from torch.optim.lr_scheduler import StepLR\nscheduler = StepLR(optimizer, step_size=2, gamma=0.5)\n"
CYCLE = STEP.replace("step_size=2, gamma=0.5", "1.0, total_steps=20").replace("StepLR", "OneCycleLR")


@pytest.mark.parametrize("name", ["SGD", "AdamW", "LBFGS", "Muon", "SparseAdam", "Lion", "__init__", "os.x"])
def test_rates_do_not_depend_on_the_optimizer(name):
    made = replay_lr(STEP, name, [0.4, 0.04], 5)
    assert made.shape == (5, 2)
    np.testing.assert_allclose(made[:, 0], [0.4, 0.4, 0.2, 0.2, 0.1])
    np.testing.assert_allclose(made[:, 1], made[:, 0] / 10)


def test_code_without_scheduler_keeps_the_rate():
    code = 'for group in optimizer.param_groups: group["lr"] = 0.5'
    assert replay_lr(code, "SGD", [0.1], 3).tolist() == [[0.5]] * 3


def test_one_cycle_is_not_stepped_past_its_end():
    assert replay_lr(CYCLE, "SGD", [1.0], 20).max() == pytest.approx(1.0)


def test_no_steps_give_no_rates():
    assert replay_lr(STEP, "SGD", [0.1], 0).shape == (0, 1)


def test_missing_torch_is_said_clearly(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"traindoctor\[torch\]"):
        replay_lr(STEP, "SGD", [0.1], 2)


def test_replay_is_offered_only_with_torch(monkeypatch):
    assert replay_or_none() is replay_lr
    monkeypatch.setattr("traindoctor.collectors.replay.find_spec", lambda name: None)
    assert replay_or_none() is None
