"""The loss of a step that has several backward calls: micro-batches make a mean, terms of one batch a sum."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, loader, mlp, read, recording, values


def recorded(tmp_path, train):
    """The training losses of the log; `train(net, optimizer)` returns what they should be."""
    net = mlp()
    with recording(tmp_path):
        expected = train(net, torch.optim.SGD(net.parameters(), 0.1))
    run = read(tmp_path)
    assert values(run, "loss/train") == pytest.approx(expected, rel=1e-6)
    return run


def test_terms_in_one_root(tmp_path):
    def train(net, optimizer):
        for x, y in loader():
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y) + 0.01 * sum(p.square().sum() for p in net.parameters())
            loss.backward()
            optimizer.step()
            yield loss.item()

    recorded(tmp_path, lambda *given: list(train(*given)))


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.1])
def test_terms_in_backward_calls_of_their_own_add_up(factor, tmp_path):
    def train(net, optimizer):
        for x, y in loader():
            optimizer.zero_grad()
            scores = net(x)
            first, second = F.cross_entropy(scores, y), factor * F.mse_loss(scores, torch.ones(5, 3))
            first.backward(retain_graph=True)
            second.backward()
            optimizer.step()
            yield first.item() + second.item()

    run = recorded(tmp_path, lambda *given: list(train(*given)))
    assert values(run, "batch_size") == [5.0] * 4


@pytest.mark.parametrize("divide", [True, False])
def test_terms_and_micro_batches(divide, tmp_path):
    """Two losses per micro-batch, two micro-batches per step, the last step has one."""

    def train(net, optimizer):
        losses, told = [], []
        for number, (x, y) in enumerate(loader(n=25), 1):
            for term in (F.cross_entropy, lambda s, y: F.mse_loss(s, F.one_hot(y, 3).float())):
                loss = term(net(x), y)
                (loss / 2 if divide else loss).backward()
                losses.append(loss.item())
            if number in (2, 4, 5):
                optimizer.step()
                optimizer.zero_grad()
                told.append(sum(losses) / (len(losses) / 2))
                losses = []
        return told

    run = recorded(tmp_path, train)
    assert values(run, "batch_size") == [10.0, 10.0, 5.0]


def test_real_and_fake_images(tmp_path):
    """The discriminator of the usual GAN has two backward calls per step, of the same batch of the loader."""
    generator, critic = nn.Linear(4, 6), nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
    make_g = torch.optim.Adam(generator.parameters(), 1e-3)
    make_c = torch.optim.Adam(critic.parameters(), 1e-3)
    expected = {"": [], "optimizer1/": []}
    with recording(tmp_path):
        for x, _ in loader():
            critic.zero_grad()
            real = F.binary_cross_entropy_with_logits(critic(x), torch.ones(5, 1))
            real.backward()
            images = generator(torch.randn(5, 4))
            fake = F.binary_cross_entropy_with_logits(critic(images.detach()), torch.zeros(5, 1))
            fake.backward()
            make_c.step()
            generator.zero_grad()
            fooled = F.binary_cross_entropy_with_logits(critic(images), torch.ones(5, 1))
            fooled.backward()
            make_g.step()
            expected[""].append(real.item() + fake.item())
            expected["optimizer1/"].append(fooled.item())
    run = read(tmp_path)
    assert values(run, "loss/train") == pytest.approx(expected[""], rel=1e-6)
    assert values(run, "optimizer1/loss/train") == pytest.approx(expected["optimizer1/"], rel=1e-6)


@pytest.mark.parametrize("divide", [True, False])
def test_pieces_of_a_batch_are_micro_batches(divide, tmp_path):
    def train(net, optimizer):
        for x, y in loader(n=40, size=20):
            optimizer.zero_grad()
            losses = []
            for piece, labels in zip(x.chunk(4), y.chunk(4), strict=True):
                loss = F.cross_entropy(net(piece), labels)
                (loss / 4 if divide else loss).backward()
                losses.append(loss.item())
            optimizer.step()
            yield sum(losses) / 4

    recorded(tmp_path, lambda *given: list(train(*given)))


def test_without_a_loader_they_are_micro_batches(tmp_path):
    def train(net, optimizer):
        data = batches(6)
        for pair in zip(data[::2], data[1::2], strict=True):
            optimizer.zero_grad()
            losses = [F.cross_entropy(net(x), y) for x, y in pair]
            for loss in losses:
                loss.backward()
            optimizer.step()
            yield sum(loss.item() for loss in losses) / 2

    recorded(tmp_path, lambda *given: list(train(*given)))


def test_a_loss_per_sample_is_said_to_be_none(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for x, y in batches(3):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y, reduction="none").backward(torch.full((5,), 0.2))
            optimizer.step()
    run = read(tmp_path)
    assert len(values(run, "grad_norm/global")) == 3
    (sentence,) = run.info.diagnostics
    assert "backward was called 3 times, but never on a single number" in sentence
