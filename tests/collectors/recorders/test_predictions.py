"""Predictions on held-out data, however the script evaluates."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import loader, mlp, read, recording, values


def train(net, epochs=1):
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(epochs):
        for x, y in loader():
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()


PICKS = {
    "torch.max": lambda s: torch.max(s, 1)[1],
    "torch.max of data": lambda s: torch.max(s.data, 1).indices,
    "torch.max keyword": lambda s: torch.max(input=s, dim=1).indices,
    "tensor.max": lambda s: s.max(1)[1],
    "argmax": lambda s: s.argmax(dim=1),
    "argmax kept": lambda s: s.argmax(1, keepdim=True).squeeze(1),
    "torch.argmax": lambda s: torch.argmax(s, -1),
    "topk": lambda s: s.topk(2, 1)[1][:, 0],
    "torch.topk": lambda s: torch.topk(s, 1).indices[:, 0],
}


@pytest.mark.parametrize("pick", PICKS)
def test_counting_without_a_loss(pick, tmp_path):
    net, test = mlp(), loader(n=13, seed=1)
    labels, scores, right = [], [], 0
    with recording(tmp_path):
        train(net)
        with torch.no_grad():
            for x, y in test:
                outputs = net(x)
                right += (PICKS[pick](outputs) == y).sum().item()
                labels.append(y)
                scores.append(outputs)
                outputs.max()  # of everything: no prediction
    run = read(tmp_path)
    assert values(run, "accuracy/validation") == [right / 13]
    assert run.series["accuracy/validation"].steps.tolist() == [3]
    assert np.array_equal(run.predictions.y_true, torch.cat(labels).numpy())
    assert np.array_equal(run.predictions.y_score, torch.cat(scores).numpy())
    assert run.predictions.kind == "logits"
    assert run.predictions.source.startswith("captured from ")
    assert not values(run, "loss/validation")


def test_probabilities_are_told_from_logits(tmp_path):
    net = mlp()
    with recording(tmp_path):
        train(net)
        with torch.no_grad():
            for x, _ in loader(seed=1):
                F.softmax(net(x), 1).argmax(1)
    assert read(tmp_path).predictions.kind == "probabilities"


@pytest.mark.parametrize("order", ["loss first", "pick first"])
def test_the_inputs_of_the_loss_win_over_argmax(order, tmp_path):
    net = mlp()
    labels = []
    with recording(tmp_path):
        train(net)
        with torch.no_grad():
            for x, y in loader(n=13, seed=1):
                outputs = net(x)
                if order == "pick first":
                    outputs.argmax(1)
                F.cross_entropy(outputs, y)
                outputs.softmax(1).argmax(1)
                labels.append(y)
    run = read(tmp_path)
    assert run.predictions.source == "captured from cross_entropy"
    assert np.array_equal(run.predictions.y_true, torch.cat(labels).numpy())
    assert len(values(run, "accuracy/validation")) == 1


def test_the_last_pass_counts(tmp_path):
    net = mlp()
    with recording(tmp_path):
        train(net)
        for seed in (1, 2):
            with torch.no_grad():
                last = [(y, F.cross_entropy(net(x), y))[0] for x, y in loader(seed=seed)]
    assert np.array_equal(read(tmp_path).predictions.y_true, torch.cat(last).numpy())


@pytest.mark.parametrize("with_logits", [True, False])
def test_binary_scores(with_logits, tmp_path):
    net = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    make = torch.Generator().manual_seed(0)
    data = [
        (torch.randn(9, 6, generator=make), torch.randint(0, 2, (9, 1), generator=make).float())
        for _ in range(4)
    ]

    def loss(x, y):
        if with_logits:
            return F.binary_cross_entropy_with_logits(net(x), y)
        return F.binary_cross_entropy(net(x).sigmoid(), y)

    with recording(tmp_path):
        for x, y in data[:2]:
            optimizer.zero_grad()
            loss(x, y).backward()
            optimizer.step()
        with torch.no_grad():
            for x, y in data[2:]:
                loss(x, y)
            right = torch.cat([(net(x) > 0) == y for x, y in data[2:]]).double().mean().item()
    run = read(tmp_path)
    assert run.predictions.y_score.shape == (18,)
    assert run.predictions.kind == ("logits" if with_logits else "probabilities")
    assert values(run, "accuracy/validation") == pytest.approx([right])


def test_memory_is_limited_and_the_rest_is_counted(tmp_path):
    net, test = mlp(), loader(n=50, seed=1)
    with recording(tmp_path, prediction_bytes=20 * 12 + 20 * 8):
        train(net)
        right = 0
        with torch.no_grad():
            for x, y in test:
                right += (net(x).argmax(1) == y).sum().item()
    run = read(tmp_path)
    assert len(run.predictions.y_true) == 20
    assert values(run, "accuracy/validation") == [right / 50]
    assert any("the first 20 of 50 samples" in sentence for sentence in run.info.diagnostics)


def test_segmentation_and_ignored_labels(tmp_path):
    net = mlp()
    with recording(tmp_path):
        train(net)
        with torch.no_grad():
            F.cross_entropy(torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long))
            F.cross_entropy(torch.eye(3), torch.tensor([0, -100, 1]), ignore_index=-100)
    run = read(tmp_path)
    assert run.predictions.y_true.tolist() == [0, 1]
    assert values(run, "accuracy/validation") == [0.5]


def test_training_accuracy_is_no_prediction(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    data = loader()
    with recording(tmp_path):
        for _ in range(3):
            for x, y in data:
                optimizer.zero_grad()
                outputs = net(x)
                F.cross_entropy(outputs, y).backward()
                optimizer.step()
                with torch.no_grad():
                    outputs.argmax(1)
    run = read(tmp_path)
    assert run.predictions is None
    assert not values(run, "accuracy/validation")


def test_predictions_can_be_left_out(tmp_path):
    net = mlp()
    with recording(tmp_path, predictions=False):
        train(net)
        with torch.no_grad():
            for x, y in loader(seed=1):
                F.cross_entropy(net(x), y)
    run = read(tmp_path)
    assert run.predictions is None
    assert len(values(run, "loss/validation")) == 1
