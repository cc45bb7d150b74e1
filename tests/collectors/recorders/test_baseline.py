"""B0, the loss of the best constant prediction."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.recordings import loader, mlp, read, recording
from traindoctor.collectors.recorders.baseline import Moments, label_entropy


def train(loss_function, epochs=2):
    net, data = mlp(), loader(n=30)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(epochs):
        for x, y in data:
            optimizer.zero_grad()
            loss_function(net(x), y).backward()
            optimizer.step()
    labels = torch.cat([y for _, y in data]).numpy()
    return np.bincount(labels, minlength=3) / len(labels)


@pytest.mark.parametrize(
    "loss_function",
    [F.cross_entropy, lambda s, y: F.nll_loss(F.log_softmax(s, 1), y)],
    ids=["cross_entropy", "nll"],
)
def test_entropy_of_the_labels(loss_function, tmp_path):
    with recording(tmp_path):
        frequency = train(loss_function)
    info = read(tmp_path).info
    assert info.baseline == pytest.approx(-(frequency * np.log(frequency)).sum())
    assert info.n_classes == 3
    assert info.loss_name in ("cross_entropy", "nll_loss")


def test_label_smoothing_is_part_of_it(tmp_path):
    with recording(tmp_path):
        frequency = train(lambda s, y: F.cross_entropy(s, y, label_smoothing=0.1))
    smooth = 0.9 * frequency + 0.1 / 3
    assert read(tmp_path).info.baseline == pytest.approx(-(smooth * np.log(smooth)).sum())


@pytest.mark.parametrize(
    "loss_function",
    [
        lambda s, y: F.cross_entropy(s, y, weight=torch.ones(3)),
        lambda s, y: F.cross_entropy(s, y, reduction="sum"),
        lambda s, y: F.cross_entropy(s, y) + 0.1 * s.pow(2).mean(),
        lambda s, y: F.cross_entropy(s, F.one_hot(y, 3).float()),
    ],
    ids=["weights", "sum", "composite", "soft labels"],
)
def test_where_it_would_not_be_in_the_units_of_the_loss_there_is_none(loss_function, tmp_path):
    with recording(tmp_path):
        train(loss_function)
    assert np.isnan(read(tmp_path).info.baseline)


def test_entropy_by_hand():
    assert label_entropy(np.array([1, 1]), 2, 0.0) == pytest.approx(np.log(2))
    assert label_entropy(np.array([5]), 4, 0.0) == 0.0


def test_moments_piece_by_piece_equal_the_whole():
    data = np.random.default_rng(0).normal(1e6, 1.0, (1000, 3))
    moments = Moments()
    for piece in np.array_split(data, [3, 4, 400]):
        moments.add(piece)
    moments.add(np.zeros((5, 7)))  # another width is left out
    assert moments.n == 1000
    assert moments.variance() == pytest.approx(data.var(axis=0).mean(), rel=1e-9)
