"""The accelerator's path, on a device that only pretends to be one: nothing of ours waits for it in a step.

CPU tensors say that they are not on the CPU, so the recorder copies instead of reading; whatever would make
the host wait (`item`, `tolist`, `cpu`, `bool`, …) is an offence when our own code calls it, and a copy
arrives only after it was asked for several times. Where there is a GPU, torch itself watches, too.
"""

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, loader, mlp, read, recording, values
from traindoctor.collectors.recorders import device

OURS = str(Path(device.__file__).resolve().parent)
WAITING = (
    "item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__float__", "__int__", "__index__", "__array__",
)  # fmt: skip
POLLS = 3


class FakeDevice:
    """What happened on the pretended device.

    Attributes:
        offences: `file:line method` of every read of ours that would have waited.
        n_copies: copies that were sent.
        is_over: the training has ended, now reading may wait.
    """

    def __init__(self):
        self.offences = []
        self.n_copies = 0
        self.is_over = False


@pytest.fixture
def fake(monkeypatch):
    found = FakeDevice()

    def watched(name):
        original = getattr(torch.Tensor, name)

        def method(self, *args, **kwargs):
            caller = sys._getframe(1).f_code
            is_ours = OURS in str(Path(caller.co_filename).resolve())
            if is_ours and not found.is_over and not getattr(self, "has_arrived", False):
                found.offences.append(f"{Path(caller.co_filename).name}:{caller.co_name} {name}")
            return original(self, *args, **kwargs)

        return method

    for name in WAITING:
        monkeypatch.setattr(torch.Tensor, name, watched(name))
    monkeypatch.setattr(torch.Tensor, "is_cpu", property(lambda self: False), raising=False)

    def send(self, sent):
        found.n_copies += 1
        self.polls, self.sent = 0, sent.detach().clone()

    def has_arrived(self):
        self.polls += 1
        return self.polls > POLLS or found.is_over

    def receive(self):
        if self.polls <= POLLS and not found.is_over:
            found.offences.append("read before it arrived")
        kept = self.sent.clone()
        kept.has_arrived = True
        return kept

    for name, method in (("__init__", send), ("has_arrived", has_arrived), ("read", receive)):
        monkeypatch.setattr(device.Arriving, name, method)
    return found


def train(net, optimizer, losses, norms, steps=24, clip=True):
    for x, y in loader(n=steps * 5):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        losses.append(loss.detach().clone())
        if clip:
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        norms.append(torch.stack([p.grad.norm() for p in net.parameters()]).norm())
        optimizer.step()


@pytest.mark.parametrize("tensor_lr", [False, True])
def test_no_read_of_ours_waits_during_training(tensor_lr, fake, tmp_path, capsys):
    net, losses, norms = mlp(), [], []
    rate = torch.tensor(0.1) if tensor_lr else 0.1
    optimizer = torch.optim.SGD(net.parameters(), rate, foreach=not tensor_lr)
    with recording(tmp_path, flush_seconds=0.0):
        train(net, optimizer, losses, norms)
        fake.is_over = True
    assert sorted(set(fake.offences)) == []
    assert fake.n_copies > 24
    assert not capsys.readouterr().err
    run = read(tmp_path)
    assert values(run, "loss/train") == [loss.item() for loss in losses]
    assert values(run, "grad_norm/global") == pytest.approx([n.item() for n in norms], rel=1e-5)
    assert values(run, "lr/0") == pytest.approx([0.1] * 24)
    assert len(values(run, "grad_norm/preclip")) == 24
    assert {"weight_norm", "weight_std", "update_norm", "update_ratio", "grad_norm"} <= set(run.parameters)


def test_no_read_of_ours_waits_when_evaluating(fake, tmp_path, capsys):
    net, losses = mlp(), []
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path, flush_seconds=0.0):
        for _ in range(2):
            train(net, optimizer, losses, [], steps=4, clip=False)
            with torch.no_grad():
                for x, y in loader(n=10, seed=1):
                    F.cross_entropy(net(x), y)
        fake.is_over = True
    assert sorted(set(fake.offences)) == []
    assert not capsys.readouterr().err
    run = read(tmp_path)
    assert len(values(run, "loss/validation")) == len(values(run, "accuracy/validation")) == 2


def test_no_read_of_ours_waits_under_clipping_by_value_and_accumulation(fake, tmp_path, capsys):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    norms = []
    with recording(tmp_path, flush_seconds=0.0):
        for number, (x, y) in enumerate(batches(16)):
            F.cross_entropy(net(x), y).backward()
            if number % 2:
                norms.append(torch.stack([p.grad.norm() for p in net.parameters()]).norm())
                nn.utils.clip_grad_value_(net.parameters(), 0.01)
                optimizer.step()
                optimizer.zero_grad()
        fake.is_over = True
    assert sorted(set(fake.offences)) == []
    assert not capsys.readouterr().err
    run = read(tmp_path)
    assert values(run, "micro_batches") == [2.0] * 8
    assert values(run, "grad_norm/preclip") == pytest.approx([n.item() for n in norms], rel=1e-5)


def test_the_fake_device_would_see_a_waiting_recorder(fake, tmp_path, monkeypatch):
    """A test that cannot fail is none: a recorder that reads at once is caught."""
    from traindoctor.collectors.recorders import loss

    code = compile("def local_value(root):\n    return root.item()\n", loss.__file__, "exec")
    exec(code, namespace := {})
    monkeypatch.setattr(loss, "local_value", namespace["local_value"])
    with recording(tmp_path):
        train(mlp_net := mlp(), torch.optim.SGD(mlp_net.parameters(), 0.1), [], [], steps=2)
        fake.is_over = True
    assert "loss.py:local_value item" in fake.offences


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_torch_sees_no_synchronisation_on_a_gpu(tmp_path, capsys):
    net = mlp().cuda()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, foreach=True)
    data = [(x.cuda(), y.cuda()) for x, y in batches(40)]
    torch.cuda.synchronize()
    with recording(tmp_path, flush_seconds=0.0):
        for number, (x, y) in enumerate(data):
            if number == 3:  # pinned memory and the like are allocated in the first steps
                torch.cuda.set_sync_debug_mode("error")
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5, foreach=True)
            optimizer.step()
        torch.cuda.set_sync_debug_mode("default")
    assert not capsys.readouterr().err
    run = read(tmp_path)
    assert len(values(run, "loss/train")) == len(values(run, "grad_norm/global")) == 40
    assert not run.info.diagnostics
