"""The optimizer code: right settings, runs in torch, safe for any name."""

import pytest
import torch

from tests.runs import known_info
from traindoctor.analyzer.optimizer_code import DEFAULTS, base_lr, optimizer_code
from traindoctor.run import OptimizerInfo, Run


def run_with(optimizer):
    """A run recorded from a torch optimizer, as the recorder sees its param groups."""
    groups = tuple(
        {"label": str(i), **{k: v for k, v in group.items() if k != "params"}}
        for i, group in enumerate(optimizer.param_groups)
    )
    return Run("r", "r", info=known_info(optimizers=(OptimizerInfo(type(optimizer).__name__, groups),)))


def execute(code, **names):
    scope = {"torch": torch, **names}
    exec(code, scope)
    return scope


SETTINGS = {
    "SGD": {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
    "Adam": {"betas": (0.8, 0.99), "amsgrad": True},
    "AdamW": {"weight_decay": 0.1, "eps": 1e-6},
    "Adamax": {"eps": 1e-7},
    "NAdam": {"momentum_decay": 0.01, "decoupled_weight_decay": True},
    "RAdam": {"weight_decay": 0.01},
    "RMSprop": {"alpha": 0.9, "centered": True, "momentum": 0.5},
    "Adagrad": {"lr_decay": 0.01},
}


@pytest.mark.parametrize("name", sorted(DEFAULTS))
@pytest.mark.parametrize("changed", [False, True], ids=["defaults", "changed"])
def test_constructor_code_rebuilds_the_optimizer_in_torch(name, changed):
    model = torch.nn.Linear(3, 2)
    settings = SETTINGS[name] if changed else {}
    original = getattr(torch.optim, name)(model.parameters(), lr=0.02, **settings)
    rebuilt = execute(optimizer_code(run_with(original), lr_factor=0.1), model=model)["optimizer"]
    assert type(rebuilt) is type(original)
    wanted = {**original.param_groups[0], "lr": 0.002}
    assert {k: v for k, v in rebuilt.param_groups[0].items() if k != "params"} == {
        k: v for k, v in wanted.items() if k != "params"
    }


def test_settings_that_torch_sets_anyway_are_left_out():
    model = torch.nn.Linear(3, 2)
    code = optimizer_code(run_with(torch.optim.AdamW(model.parameters(), lr=1e-3)))
    assert code == "optimizer = torch.optim.AdamW(model.parameters(), lr=0.001)"


def test_overrides_replace_settings():
    model = torch.nn.Linear(3, 2)
    run = run_with(torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1.0))
    rebuilt = execute(optimizer_code(run, weight_decay=0.01), model=model)["optimizer"]
    assert rebuilt.param_groups[0]["weight_decay"] == 0.01
    assert rebuilt.param_groups[0]["lr"] == 1e-3


def test_lr_is_the_one_the_optimizer_was_built_with_not_the_scheduled_one():
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
    torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.1)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.04)
    assert "lr=0.2" in optimizer_code(run_with(optimizer), lr_factor=0.5)


def test_several_groups_keep_their_ratios():
    model = torch.nn.Linear(3, 2)
    groups = [{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.02}]
    optimizer = torch.optim.SGD(groups)
    execute(optimizer_code(run_with(optimizer), lr_factor=0.1), optimizer=optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.002])


def test_unknown_optimizer_gets_a_loop_that_scales_in_place():
    class Lion(torch.optim.SGD):
        pass

    model = torch.nn.Linear(3, 2)
    optimizer = Lion(model.parameters(), lr=0.5)
    code = optimizer_code(run_with(optimizer), lr_factor=0.1, weight_decay=0.0)
    assert "Lion" not in code
    execute(code, optimizer=optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)
    assert optimizer.param_groups[0]["weight_decay"] == 0.0


def test_a_torch_name_with_settings_torch_does_not_have_is_not_rebuilt():
    stranger = OptimizerInfo("Adam", ({"label": "0", "lr": 0.1, "trust_ratio": 0.5},))
    code = optimizer_code(Run("r", "r", info=known_info(optimizers=(stranger,))), lr_factor=0.1)
    assert "torch.optim" not in code
    assert 'group["lr"] *= 0.1' in code


@pytest.mark.parametrize("value", ["x'); import os; os.abort() #", float("nan"), object()])
def test_hostile_names_and_values_never_reach_the_code(value):
    hostile = OptimizerInfo("SGD\n__import__('os')", ({"label": "0", "lr": 0.1},))
    odd = OptimizerInfo("SGD", ({"label": "0", "lr": 0.1, "momentum": value},))
    for optimizer in (hostile, odd):
        code = optimizer_code(Run("r", "r", info=known_info(optimizers=(optimizer,))), lr_factor=0.5)
        compile(code, "remedy", "exec")
        assert "import" not in code
        assert "abort" not in code


def test_no_optimizer_recorded_still_gives_code():
    code = optimizer_code(Run("r", "r"), lr_factor=0.25)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.4)
    execute(code, optimizer=optimizer)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


def test_a_new_lr_for_every_group_wins_over_the_factor():
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in (0.1, 0.2)]
    optimizer = torch.optim.SGD(groups)
    execute(optimizer_code(run_with(optimizer), lr_factor=0.5, lr=0.03), optimizer=optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == [0.03, 0.03]


def test_base_lr_of_an_unreadable_value_is_nan():
    assert base_lr({"lr": "fast"}) != base_lr({"lr": "fast"})
