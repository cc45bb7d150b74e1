"""How many steps an optimizer has done, from its own state."""

import pytest
import torch
from torch import nn

from traindoctor.collectors.recorders.restart import steps_done


def stepped(make, n=3):
    net = nn.Linear(3, 2)
    optimizer = make(net.parameters())
    for _ in range(n):
        optimizer.zero_grad()
        net(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    "name",
    ["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "RMSprop", "Adadelta", "Adafactor", "Rprop"],
)
def test_optimizers_that_count(name):
    assert steps_done(stepped(getattr(torch.optim, name))) == 3


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_does_not_count(momentum):
    assert steps_done(stepped(lambda p: torch.optim.SGD(p, 0.1, momentum=momentum))) is None


def test_the_count_survives_a_checkpoint():
    saved = stepped(torch.optim.AdamW).state_dict()
    fresh = stepped(torch.optim.AdamW, 0)
    assert steps_done(fresh) is None
    fresh.load_state_dict(saved)
    assert steps_done(fresh) == 3


def test_a_state_of_the_users_own_is_not_misread():
    optimizer = stepped(torch.optim.SGD, 0)
    first, second = optimizer.param_groups[0]["params"]
    optimizer.state[first] = {"step": torch.ones(2)}
    optimizer.state[second] = {"step": "three"}
    assert steps_done(optimizer) is None
