"""The description of the model and its optimizers."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, mlp, read, recording
from traindoctor.collectors.recorders.architecture import following_activations, group_labels, longer_labels


def train(net, optimizer, n=2):
    for x, y in batches(n):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()


def describe(run):
    return [(p.name, p.role, p.module, p.activation, p.group, p.trainable) for p in run.info.parameters]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.norm = nn.LayerNorm(8)
        self.act = nn.GELU()
        self.frozen = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3, bias=False)
        self.scale = nn.Parameter(torch.ones(3))
        self.frozen.requires_grad_(False)

    def forward(self, x):
        return self.head(self.frozen(self.act(self.norm(self.fc1(x))))) * self.scale


EXPECTED = [
    ("scale", "other", "Net", "", "1", True),
    ("fc1.weight", "matrix", "Linear", "GELU", "0", True),
    ("fc1.bias", "bias", "Linear", "GELU", "0", True),
    ("norm.weight", "norm", "LayerNorm", "GELU", "", True),
    ("norm.bias", "norm", "LayerNorm", "GELU", "", True),
    ("frozen.weight", "matrix", "Linear", "", "", False),
    ("frozen.bias", "bias", "Linear", "", "", False),
    ("head.weight", "matrix", "Linear", "", "1", True),
]


@pytest.mark.parametrize("late", [True, False], ids=["made before us", "made while recorded"])
def test_names_roles_groups_and_parameters_nobody_optimizes(late, tmp_path):
    net = Net() if late else None
    with recording(tmp_path):
        net = net or Net()
        optimizer = torch.optim.AdamW(
            [{"params": net.fc1.parameters()}, {"params": [net.head.weight, net.scale], "lr": 0.5}], lr=0.1
        )
        train(net, optimizer)
    run = read(tmp_path)
    assert describe(run) == EXPECTED
    (info,) = run.info.optimizers
    assert (info.name, info.scheduler) == ("AdamW", "")
    assert [(g["label"], g["lr"], g["weight_decay"]) for g in info.groups] == [
        ("0", 0.1, 0.01),
        ("1", 0.5, 0.01),
    ]
    assert "params" not in info.groups[0]


def test_tied_parameters_are_described_once(tmp_path):
    net = mlp()
    net.append(nn.Linear(3, 3))
    net.append(nn.Linear(3, 3))
    net[4].weight = net[3].weight
    with recording(tmp_path):
        train(net, torch.optim.SGD(net.parameters(), 0.1))
    names = [p.name for p in read(tmp_path).info.parameters]
    assert "3.weight" in names
    assert "4.weight" not in names
    assert "4.bias" in names


def test_copies_and_unpickled_models_are_found(tmp_path):
    first = mlp()
    with recording(tmp_path):
        net = pickle.loads(pickle.dumps(copy.deepcopy(first)))
        train(net, torch.optim.SGD(net.parameters(), 0.1))
    assert [p.name for p in read(tmp_path).info.parameters] == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_two_models_of_the_same_names_are_told_apart(tmp_path):
    with recording(tmp_path):
        nets = [mlp(), mlp()]
        for net in nets:
            train(net, torch.optim.SGD(net.parameters(), 0.1))
    run = read(tmp_path)
    assert len({p.name for p in run.info.parameters}) == 8
    assert {p.name for p in run.info.parameters} >= {"0.weight", "Sequential.0.weight"}
    assert {p.group for p in run.info.parameters} == {"0", "optimizer1/0"}


def test_prefixes_of_wrappers_are_removed(tmp_path):
    with recording(tmp_path):
        inner = mlp()
        wrapped = nn.Module()
        wrapped.module = inner
        wrapped.forward = lambda x: inner(x)
        train(wrapped.module, torch.optim.SGD(wrapped.parameters(), 0.1))
    assert read(tmp_path).info.parameters[0].name == "0.weight"


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Linear(2, 2), nn.ReLU()], "ReLU"),
        ([nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.MaxPool2d(2), nn.LeakyReLU()], "LeakyReLU"),
        ([nn.Linear(2, 2), nn.Dropout(), nn.Tanh()], "Tanh"),
        ([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()], ""),
        ([nn.Linear(2, 2), nn.Softmax(1)], ""),
        ([nn.Linear(2, 2)], ""),
    ],
)
def test_the_activation_that_follows(layers, expected):
    net = nn.Sequential(*layers)
    assert following_activations(net).get(id(net[0]), "") == expected


def test_groups_with_names_keep_them():
    p, q = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    named = torch.optim.SGD([{"params": [p], "name": "body"}, {"params": [q], "name": "head"}], 0.1)
    assert group_labels(named) == ["body", "head"]
    same = torch.optim.SGD([{"params": [p], "name": "x"}, {"params": [q], "name": "x"}], 0.1)
    assert group_labels(same) == ["0", "1"]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10), "CosineAnnealingLR"),
        (lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o), "ReduceLROnPlateau"),
        (
            lambda o: torch.optim.lr_scheduler.SequentialLR(
                o,
                [torch.optim.lr_scheduler.LinearLR(o), torch.optim.lr_scheduler.ExponentialLR(o, 0.9)],
                milestones=[3],
            ),
            "SequentialLR",
        ),
    ],
)
def test_the_scheduler_in_force(make, name, tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scheduler = make(optimizer)
    with recording(tmp_path):
        train(net, optimizer)
    assert read(tmp_path).info.optimizers[0].scheduler == name
    assert scheduler is not None


class Swapping(torch.optim.SGD):
    """Steps one group at a time with the others taken out, as DeepSpeed does."""

    def step(self, closure=None):
        groups = self.param_groups
        for group in groups:
            self.param_groups = [group]
            super().step()
        self.param_groups = groups


def test_groups_that_are_swapped_do_not_cost_a_search_each_time(tmp_path, monkeypatch):
    import gc

    searches = []
    get_objects = gc.get_objects
    monkeypatch.setattr(gc, "get_objects", lambda *a: searches.append(1) or get_objects(*a))
    net = mlp()
    with recording(tmp_path):
        optimizer = Swapping([{"params": net[0].parameters()}, {"params": net[2].parameters()}], 0.1)
        train(net, optimizer, 8)
    assert len(searches) <= 3
    assert read(tmp_path).n_steps == 8


def test_parameters_that_no_optimizer_holds_are_measured_too(tmp_path):
    net = mlp()
    net[0].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(net[2].parameters(), 0.1)  # 0.bias is forgotten, its gradients add up
    expected = {}
    with recording(tmp_path):
        for step, (x, y) in enumerate(batches(20)):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            if step in (0, 1, 2, 4, 8, 16):
                expected[step] = net[0].bias.grad.norm().item()
    run = read(tmp_path)
    frozen, forgotten = run.parameter("weight_std")["0.weight"], run.parameter("grad_norm")["0.bias"]
    assert frozen.steps.tolist()[:5] == [0, 1, 2, 4, 8]
    assert frozen.values[0] == pytest.approx(net[0].weight.std(correction=0).item(), rel=1e-5)
    kept = dict(zip(forgotten.steps.tolist(), forgotten.values.tolist(), strict=True))
    assert kept == pytest.approx({step: expected[step] for step in kept}, rel=1e-5)
    assert "0.weight" not in run.parameter("grad_norm")
    assert "0.bias" not in run.parameter("update_norm")
    assert not run.info.diagnostics


def test_an_optimizer_that_steps_later_still_owns_its_parameters(tmp_path):
    both = nn.ModuleDict({"a": mlp(), "b": mlp()})
    first, second = (torch.optim.SGD(both[name].parameters(), 0.1) for name in "ab")
    with recording(tmp_path):
        for step, (x, y) in enumerate(batches(4)):
            for name, optimizer in (("a", first), ("b", second)):
                if step or name == "a":
                    optimizer.zero_grad()
                    F.cross_entropy(both[name](x), y).backward()
                    optimizer.step()
    run = read(tmp_path)
    assert run.parameter("weight_norm")["a.0.weight"].steps.tolist() == [0, 1, 2, 3]
    assert run.parameter("weight_norm")["b.0.weight"].steps.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("known", "names", "expected"),
    [
        (("0",), ["", ""], ("0", "1")),
        (("body",), ["body", "head"], ("body", "head")),
        (("body",), ["body", "body"], ("body", "1")),
        (("body",), ["body", ""], ("body", "1")),
        (("0",), ["", "head"], ("0", "1")),
    ],
)
def test_labels_of_groups_that_come_later(known, names, expected):
    groups = [{"params": [nn.Parameter(torch.ones(1))], **({"name": n} if n else {})} for n in names]
    optimizer = torch.optim.SGD(groups, 0.1)
    assert longer_labels(known, optimizer, 2) == expected
    assert longer_labels(known, None, 2) == (*known, "1")
