"""The tape: replaying gives the loss of the same samples under other weights, and touches nothing."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.recordings import fingerprint
from traindoctor.collectors.driving.tape import Tape
from traindoctor.collectors.driving.tape_replay import UnrecordableError

torch.set_num_threads(1)
X = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(16) % 3
SEQUENCE = torch.randn(4, 6, 16, generator=torch.Generator().manual_seed(1))


def cnn(dropout=0.0):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(4 * 36, 3),
    )  # fmt: skip


def classified(model):
    return nn.functional.cross_entropy(model(X), Y)


def written(model):
    out = torch.zeros(16, 3)
    out[:] = model(X)
    return out.pow(2).mean()


def written_through_a_view(model):
    out = model(X) * 1
    out[0].mul_(2)
    return out.pow(2).mean()


def low_precision(model):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return nn.functional.cross_entropy(model(X), Y)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


def transformer():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 2)


CASES = {
    "a classifier": (cnn, classified),
    "a sum of losses": (cnn, lambda m: classified(m) + 0.1 * m(X).abs().mean()),
    "results written into a tensor": (cnn, written),
    "results written through a view": (cnn, written_through_a_view),
    "autocast": (cnn, low_precision),
    "a function of one's own": (cnn, lambda m: Doubled.apply(m(X)).pow(2).mean()),
    "checkpointing": (cnn, lambda m: checkpoint(lambda x: m(x).pow(2).mean(), X, use_reentrant=False)),
    "a transformer": (transformer, lambda m: m(SEQUENCE).pow(2).mean() + m(SEQUENCE).abs().mean()),
    "a GRU": (lambda: nn.GRU(16, 7, 2, batch_first=True), lambda m: m(SEQUENCE)[0].pow(2).mean()),
    "an embedding": (lambda: nn.EmbeddingBag(10, 4, sparse=True), lambda m: m(Y[None]).pow(2).mean()),
}


def taped(model, loss):
    tape = Tape()
    tape.begin()
    try:
        found = loss(model)
        return tape.cut(found), found
    finally:
        tape.end()


def moved(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1).add_(0.01)


@pytest.mark.parametrize("case", CASES)
def test_the_replay_is_the_loss_under_todays_weights(case):
    make, loss = CASES[case]
    model = make()
    replay, first = taped(model, loss)
    assert replay.loss() == pytest.approx(first.item(), rel=1e-6)
    moved(model)
    assert replay.loss() == pytest.approx(loss(model).item(), rel=1e-5)


def test_nothing_of_the_scripts_is_touched():
    model = cnn(dropout=0.5)
    replay, first = taped(model, classified)
    first.backward()
    before = fingerprint(model.state_dict(), [p.grad for p in model.parameters()])
    values = {replay.loss() for _ in range(3)}
    assert fingerprint(model.state_dict(), [p.grad for p in model.parameters()]) == before
    assert values == {first.item()}  # the same dropout mask each time


def test_the_gradients_are_those_without_a_tape():
    plain, model = cnn(), cnn()
    classified(plain).backward()
    _, loss = taped(model, classified)
    loss.backward()
    assert all(
        torch.equal(a.grad, b.grad) for a, b in zip(plain.parameters(), model.parameters(), strict=True)
    )


def test_a_batch_that_is_overwritten_later_is_still_the_same():
    model, batch = cnn(), X.clone()
    replay, first = taped(model, lambda m: nn.functional.cross_entropy(m(batch), Y))
    batch.zero_()
    assert replay.loss() == first.item()


def test_the_number_of_samples_is_known():
    assert taped(cnn(), classified)[0].n_samples == 16


def test_what_happened_before_does_not_matter():
    """The last loss is printed, parameters are clipped, an evaluation is done: then the forward pass."""
    model = cnn()
    earlier = classified(model)

    def loss(model):
        earlier.item()
        with torch.no_grad():
            model(X)
            for parameter in model.parameters():
                parameter.clamp_(-1, 1)
        return classified(model)

    replay, first = taped(model, loss)
    assert replay.loss() == first.item()


def earlier_output(model):
    kept = model(X)
    return lambda _: kept.pow(2).mean()


def test_a_loss_whose_forward_pass_was_not_seen_is_refused():
    model = cnn()
    with pytest.raises(UnrecordableError, match="compiled, or in other threads"):
        taped(model, earlier_output(model))


def test_a_generator_of_the_scripts_own_is_refused():
    model, own = cnn(), torch.Generator().manual_seed(0)
    with pytest.raises(UnrecordableError, match="generator"):
        taped(model, lambda m: (m(X) * torch.empty_like(m(X)).bernoulli_(0.5, generator=own)).mean())
