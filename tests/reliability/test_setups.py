"""Setups that tests/collectors/recorders leaves out: what is recorded is what the script did."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, loader, mlp, read, recording, values


def norm(parameters):
    return torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm().item()


@pytest.mark.parametrize("divide", [True, False])
def test_accumulation_over_a_loader(divide, tmp_path):
    net, data = mlp(), loader(n=24, size=4)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    expected, micro = [], []
    with recording(tmp_path):
        for number, (x, y) in enumerate(data):
            loss = F.cross_entropy(net(x), y)
            (loss / 3 if divide else loss).backward()
            micro.append(loss.item())
            if number % 3 == 2:
                optimizer.step()
                optimizer.zero_grad()
                expected.append(sum(micro) / 3)
                micro = []
    run = read(tmp_path)
    assert values(run, "micro_batches") == [3.0, 3.0]
    assert values(run, "batch_size") == [12.0, 12.0]
    assert values(run, "loss/train") == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("how", "limit"), [("norm", 0.5), ("value", 0.02)])
def test_the_share_of_clipped_steps_can_be_told(how, limit, tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.2)
    truth = []
    with recording(tmp_path):
        clip = nn.utils.clip_grad_norm_ if how == "norm" else nn.utils.clip_grad_value_
        for x, y in batches(30):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            before = [p.grad.clone() for p in net.parameters()]
            clip(net.parameters(), limit)
            truth.append(
                any(not torch.equal(b, p.grad) for b, p in zip(before, net.parameters(), strict=True))
            )
            optimizer.step()
    run = read(tmp_path)
    after, free = run.series["grad_norm/global"], run.series["grad_norm/preclip"]
    clipped = free.at(after.steps) > after.values * (1 + 1e-5)
    assert len(after) == len(free) == 30
    assert clipped.tolist() == truth
    assert sum(truth) > 0


def test_tied_and_frozen_parameters(tmp_path):
    net = nn.Sequential(nn.Embedding(9, 6), nn.Linear(6, 6), nn.Linear(6, 9, bias=False))
    net[2].weight = net[0].weight
    net[1].bias.requires_grad_(False)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    norms = []
    with recording(tmp_path):
        for _ in range(12):
            optimizer.zero_grad()
            words = torch.randint(0, 9, (5,))
            F.cross_entropy(net(words), words).backward()
            norms.append(norm(net.parameters()))
            optimizer.step()
    run = read(tmp_path)
    assert [p.name for p in run.info.parameters] == ["0.weight", "1.weight", "1.bias"]
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)
    assert run.info_of("1.bias").trainable is False
    assert set(run.parameter("update_norm")["1.bias"].values) == {0.0}
    assert "1.bias" not in run.parameter("grad_norm")


def test_parameters_added_during_training(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net[0].parameters(), 0.1)
    norms = []
    with recording(tmp_path, every=1):
        for step, (x, y) in enumerate(batches(10)):
            if step == 4:
                optimizer.add_param_group({"params": net[2].parameters(), "lr": 0.01})
            net.zero_grad()
            F.cross_entropy(net(x), y).backward()
            norms.append(norm(p for g in optimizer.param_groups for p in g["params"]))
            optimizer.step()
    run = read(tmp_path)
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)
    assert values(run, "lr/0") == [0.1] * 10
    late = run.parameter("update_norm")["2.weight"]
    assert late.steps.tolist() == [4, 5, 6, 7, 8, 9]
    assert min(late.values) > 0
    assert run.series["lr/1"].steps.tolist() == [4, 5, 6, 7, 8, 9]
    assert values(run, "lr/1") == [0.01] * 6
    assert [p.group for p in run.info.parameters] == ["0", "0", "1", "1"]
    assert [group["label"] for group in run.info.optimizers[0].groups] == ["0", "1"]
    assert not run.info.diagnostics


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.AdamW(p, torch.tensor(1e-2), foreach=False),
        lambda p: torch.optim.Adam(p, torch.tensor(1e-2), fused=True),
        lambda p: torch.optim.AdamW(p, 1e-2, foreach=True),
        lambda p: torch.optim.SGD(p, torch.tensor(1e-2), momentum=0.9, fused=True),
    ],
    ids=["tensor lr, for loop", "tensor lr, fused", "foreach", "sgd fused"],
)
def test_kinds_of_optimizers(make, tmp_path):
    net = mlp()
    optimizer = make(net.parameters())
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    rates, norms = [], []
    with recording(tmp_path):
        for x, y in batches(5):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            rates.append(float(optimizer.param_groups[0]["lr"]))
            norms.append(norm(net.parameters()))
            optimizer.step()
            scheduler.step()
    run = read(tmp_path)
    assert values(run, "lr/0") == rates
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)
    assert not run.info.diagnostics


@pytest.mark.skipif(not torch.cuda.is_available(), reason="capturable optimizers need a GPU")
def test_capturable_optimizers(tmp_path):
    net = mlp().cuda()
    optimizer = torch.optim.AdamW(net.parameters(), torch.tensor(1e-2, device="cuda"), capturable=True)
    losses = []
    with recording(tmp_path):
        for x, y in batches(12):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x.cuda()), y.cuda())
            loss.backward()
            losses.append(loss.detach().clone())
            optimizer.step()
    run = read(tmp_path)
    assert values(run, "loss/train") == [loss.item() for loss in losses]
    assert values(run, "lr/0") == pytest.approx([1e-2] * 12)
    assert not run.info.diagnostics


class SignSgd(torch.optim.Optimizer):
    """An optimizer of the user's own, with a group setting of its own and no `lr` in the defaults."""

    def __init__(self, params):
        super().__init__(params, {"stride": 1e-3})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad.sign(), alpha=-group["stride"])


def test_an_optimizer_of_the_users_own(tmp_path):
    net = mlp()
    optimizer = SignSgd(net.parameters())
    losses = []
    with recording(tmp_path):
        for x, y in batches(5):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            losses.append(loss.item())
            optimizer.step()
    run = read(tmp_path)
    assert values(run, "loss/train") == losses
    assert run.info.optimizers[0].groups[0]["stride"] == 1e-3
    assert all(rate != rate for rate in values(run, "lr/0"))


class Ascent(torch.optim.SGD):
    """Sharpness-aware steps in two calls, as the most used implementation has them."""

    @torch.no_grad()
    def first_step(self):
        for p in (p for group in self.param_groups for p in group["params"]):
            self.state[p]["there"] = p.clone()
            p.add_(p.grad, alpha=0.05)
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for p in (p for group in self.param_groups for p in group["params"]):
            p.copy_(self.state[p].pop("there"))
        self.step()
        self.zero_grad()


def test_sharpness_aware_steps_in_two_calls(tmp_path):
    """Recorded is what the step was made of: the second backward call, at the weights it moved to."""
    net = mlp()
    optimizer = Ascent(net.parameters(), 0.1)
    losses, norms = [], []
    with recording(tmp_path):
        for x, y in batches(12):
            F.cross_entropy(net(x), y).backward()
            optimizer.first_step()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            losses.append(loss.item())
            norms.append(norm(net.parameters()))
            optimizer.second_step()
    run = read(tmp_path)
    assert run.n_steps == 12
    assert values(run, "loss/train") == losses
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)
    assert values(run, "micro_batches") == [1.0] * 12


def test_a_model_on_two_devices(tmp_path):
    """The meta device stands for a second one: its numbers exist nowhere, and reading them would raise."""
    near, far = nn.Linear(6, 3), nn.Linear(6, 3, device="meta")
    optimizer = torch.optim.SGD([*near.parameters(), *far.parameters()], 0.1)
    losses, norms = [], []
    with recording(tmp_path):
        for x, y in batches(14):
            optimizer.zero_grad()
            loss = F.cross_entropy(near(x), y)
            loss.backward()
            far(x.to("meta")).sum().backward()
            losses.append(loss.item())
            norms.append(norm(near.parameters()))
            optimizer.step()
    run = read(tmp_path)
    assert run.n_steps == 14
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)
    assert set(run.parameter("weight_norm")) <= {"weight", "bias", "Linear.weight", "Linear.bias"}
    assert not run.info.diagnostics


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_several_optimizers_of_one_loss(order, tmp_path):
    """One backward call, two optimizers that both learn from it."""
    net = mlp()
    optimizers = {
        "a": torch.optim.SGD(net[0].parameters(), 0.1),
        "b": torch.optim.Adam(net[2].parameters(), 0.01),
    }
    losses = []
    with recording(tmp_path):
        for x, y in batches(4):
            net.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            losses.append(loss.item())
            for name in order:
                optimizers[name].step()
    run = read(tmp_path)
    assert values(run, "loss/train") == losses
    assert values(run, "optimizer1/loss/train") == losses
    rates = {"a": 0.1, "b": 0.01}
    assert values(run, "lr/0") == [rates[order[0]]] * 4
    assert values(run, "optimizer1/lr/0") == [rates[order[1]]] * 4


def test_an_optimizer_whose_constructor_raised_is_no_obstacle(tmp_path, capsys):
    net, kept = mlp(), []
    try:
        torch.optim.AdamW(net.parameters(), -1.0)
    except ValueError as error:
        kept.append(error)  # its traceback keeps the half-made optimizer alive, as a notebook does
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for x, y in batches(3):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    assert len(values(read(tmp_path), "loss/train")) == 3
    assert not capsys.readouterr().err


def test_torch_func_ends_with_a_clear_message(tmp_path, capsys):
    net = mlp()
    parameters = {name: p.detach() for name, p in net.named_parameters()}

    def loss(parameters, x, y):
        return F.cross_entropy(torch.func.functional_call(net, parameters, (x,)), y)

    with recording(tmp_path) as recorder:
        for x, y in batches(3):
            gradients = torch.func.grad(loss)(parameters, x, y)
            parameters = {name: p - 0.1 * gradients[name] for name, p in parameters.items()}
        recorder.open()
    (line,) = capsys.readouterr().err.splitlines()
    assert "no optimizer step was seen; backward was called 0 times" in line
    assert "torch.func" in line


def test_gradients_without_backward_are_said_to_have_no_loss(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for x, y in batches(3):
            held = [*net.parameters()]
            for p, g in zip(held, torch.autograd.grad(F.cross_entropy(net(x), y), held), strict=True):
                p.grad = g
            optimizer.step()
    run = read(tmp_path)
    assert len(values(run, "grad_norm/global")) == 3
    assert not values(run, "loss/train")
    assert any("no training loss was recorded: 3 optimizer steps" in s for s in run.info.diagnostics)
