"""Generated code: what it may contain, and what torch makes of it."""

import numpy as np
import pytest
import torch

from traindoctor.analyzer.schedule.shapes import lr_values
from traindoctor.analyzer.schedule.torch_code import (
    cooldown_code,
    linear_to_zero_code,
    literal,
    schedule_code,
)
from traindoctor.collectors.replay import replay_lr


@pytest.mark.parametrize("horizon", [100, 1_000, 20_000])
def test_linear_to_zero_is_what_it_says(horizon):
    warm = horizon // 20
    code = linear_to_zero_code([0.3, 0.003], horizon, warm, "cosine", "steps of the run")
    made = replay_lr(code, "AdamW", [0.1, 0.1], horizon)
    t = np.arange(horizon)
    wanted = np.minimum((t + 1) / warm, (horizon - t) / (horizon - warm)).clip(max=1.0)
    np.testing.assert_allclose(made[:, 0], 0.3 * wanted, rtol=0, atol=0.3e-12)
    np.testing.assert_allclose(made[:, 1], 0.003 * wanted, rtol=0, atol=0.003e-12)


def test_it_says_what_to_remove_and_where_to_step():
    code = linear_to_zero_code([0.1], 500, 25, "one-cycle", "steps of the run")
    assert "# remove your present scheduler (OneCycleLR)" in code
    assert "T = 500  # steps of the run" in code
    assert "once per optimizer step" in code
    assert "remove" not in linear_to_zero_code([0.1], 500, 25, "constant", "steps of the run")


def test_many_groups_keep_their_ratios():
    old = [0.1 * 0.9**k for k in range(12)]
    made = replay_lr(cooldown_code([0.2 * 0.9**k for k in range(12)], 50, "constant", "x"), "SGD", old, 50)
    np.testing.assert_allclose(made[0], [2 * lr for lr in old], rtol=1e-12)
    np.testing.assert_allclose(made[-1], [2 * lr / 50 for lr in old], rtol=1e-9)


def test_an_initial_lr_left_by_an_earlier_scheduler_does_no_harm():
    earlier = "from torch.optim.lr_scheduler import StepLR\nStepLR(optimizer, 1)\n"
    code = cooldown_code([0.01], 20, "step", "x")
    made = replay_lr(earlier + code, "SGD", [5.0], 20)[:, 0]
    np.testing.assert_allclose(made, 0.01 * (20 - np.arange(20)) / 20, rtol=1e-9)


def test_state_of_the_prescribed_scheduler_can_be_saved(tmp_path):
    names = {"optimizer": torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=0.1)}
    exec(linear_to_zero_code([0.1], 200, 10, "constant", "x"), names)
    torch.save(names["scheduler"].state_dict(), tmp_path / "s.pt")
    assert torch.load(tmp_path / "s.pt", weights_only=False)["_milestones"] == [10]


WARM = {"warmup_steps": 10, "warmup_start_factor": 0.0, "warmup_total_iters": 10}


@pytest.mark.parametrize(
    ("family", "parameters"),
    [
        ("wsd", {"lr": 0.1, "stable_steps": 50, "decay_steps": 50, "decay": "cosine", "final_factor": 0.1}),
        ("cosine", {"lr": 0.1, "T_max": 60, "eta_min": 0.01, "holds_at_end": True}),
        ("polynomial", {"lr": 0.1, "total_iters": 80, "power": 2.0, "lr_end": 0.01}),
        ("linear", {"lr": 0.1, "start_factor": 0.0, "end_factor": 1.0, "total_iters": 80}),
        ("inverse-sqrt", {"lr": 0.1, "shift": 20.0, **WARM}),
    ],
)
def test_families_that_torch_has_no_class_for(family, parameters):
    made = replay_lr(schedule_code(family, parameters), "SGD", [0.1], 100)[:, 0]
    np.testing.assert_allclose(made, lr_values(family, parameters, np.arange(100)), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("text", ['x"; import os', "__import__('os')", "a" * 40, "A B", ""])
def test_foreign_text_never_becomes_code(text):
    with pytest.raises(ValueError, match="not put into code"):
        literal(text)
    cyclic = {"base_lr": 1, "max_lr": 2, "step_size_up": 1, "step_size_down": 1, "mode": text}
    with pytest.raises(ValueError, match="not put into code"):
        schedule_code("cyclic", cyclic)


def test_nothing_recognised_means_no_code():
    assert schedule_code("unknown", {}) == ""
    assert schedule_code("custom", {"unit": "step"}) == ""
