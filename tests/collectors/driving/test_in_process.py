"""A range test in a notebook: afterwards every bit is as it was, and the answer is a usable LR."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import traindoctor
from tests.recordings import fingerprint
from traindoctor.errors import UsageError

torch.set_num_threads(1)


def data(n=256, **options):
    make = torch.Generator().manual_seed(0)
    x = torch.randn(n, 6, generator=make)
    y = (x @ torch.randn(6, 3, generator=make)).argmax(dim=1)
    return DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True, **options)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 3))


OPTIMIZERS = {
    "fresh SGD": lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
    "fresh AdamW": lambda m: torch.optim.AdamW(m.parameters(), lr=0.01),
    "tensor LR": lambda m: torch.optim.AdamW(m.parameters(), lr=torch.tensor(0.01), foreach=False),
    "fused": lambda m: torch.optim.AdamW(m.parameters(), lr=0.01, fused=True),
    "LBFGS": lambda m: torch.optim.LBFGS(m.parameters(), lr=0.1, max_iter=3),
    "groups": lambda m: torch.optim.SGD(
        [{"params": m[0].parameters(), "lr": 0.01}, {"params": m[4].parameters()}], lr=0.1
    ),
}


def everything(net, optimizer, scaler, generator):
    state = [
        (key, sorted((k, v) for k, v in entry.items() if not isinstance(v, list)) if entry else None)
        for key, entry in enumerate(optimizer.state.values())
    ]
    modes = [module.training for module in net.modules()]
    grads = [None if p.grad is None else p.grad for p in net.parameters()]
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    scaling = None if scaler is None else scaler.state_dict()
    flags = sorted(k for k in vars(optimizer))
    return fingerprint(
        net.state_dict(),
        state,
        modes,
        grads,
        groups,
        scaling,
        flags,
        generator.get_state(),
        len(optimizer.state),
    )


@pytest.mark.parametrize("has_trained", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_everything_is_restored(name, has_trained):
    net, scaler = model(), None
    optimizer = OPTIMIZERS[name](net)
    if name == "fresh SGD":
        scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    generator = torch.Generator().manual_seed(9)
    loader = data(generator=generator)
    if has_trained:
        x, y = next(iter(loader))

        def closure():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)
    net[1].eval()
    random.seed(3)
    np.random.seed(3)
    before = everything(net, optimizer, scaler, generator)
    tensors = [p.data_ptr() for p in net.parameters()]
    found = traindoctor.lr_find(net, optimizer, nn.CrossEntropyLoss(), loader, steps=30, scaler=scaler)
    assert everything(net, optimizer, scaler, generator) == before
    assert [p.data_ptr() for p in net.parameters()] == tensors
    assert len(found.lrs) > 5


def test_everything_is_restored_after_an_exception():
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    calls = []

    def broken(model, batch):
        calls.append(1)
        if len(calls) == 9:
            raise RuntimeError("out of memory, say")
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    generator = torch.Generator()
    before = everything(net, optimizer, None, generator)
    with pytest.raises(RuntimeError, match="say"):
        traindoctor.lr_find(net, optimizer, broken, data(), steps=30)
    assert everything(net, optimizer, None, generator) == before
    assert not optimizer.state


def test_the_answer_is_a_usable_learning_rate():
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    found = traindoctor.lr_find(net, optimizer, nn.CrossEntropyLoss(), data())
    assert found, found.refusal
    assert 0.01 < found.lr < 3.0
    assert found.low < found.lr < found.high
    assert found.base_lr == 0.01
    assert str(found).startswith("suggested LR")


def test_a_generator_of_batches_is_drawn_from_as_training_would():
    with pytest.raises(UsageError, match="yields batches"):
        traindoctor.lr_find(model(), torch.optim.SGD(model().parameters(), lr=0.1), nn.MSELoss(), [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("net", "optimizer", nn.MSELoss(), []), "torch.nn.Module"),
        ((model(), "optimizer", nn.MSELoss(), []), "torch optimizer"),
        ((model(), torch.optim.SGD(model().parameters(), lr=0.0), nn.MSELoss(), []), "LR above 0"),
        ((model(), torch.optim.SGD(model().parameters(), lr=0.1), "mse", []), "function as loss_fn"),
        (
            (model(), torch.optim.SGD(model().parameters(), lr=0.1), nn.MSELoss(), [torch.ones(2)]),
            "inputs, tar",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, said):
    with pytest.raises(UsageError, match=said):
        traindoctor.lr_find(*arguments)


def test_a_flat_loss_gives_no_number():
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    found = traindoctor.lr_find(
        net, optimizer, lambda model, batch: model(batch[0]).sum() * 0.0 + 1.0, data()
    )
    assert not found
    assert "did not fall clearly" in found.refusal
