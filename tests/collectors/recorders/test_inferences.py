"""What was worked out is marked as inferred, in the log and in the run that is read from it."""

import pytest
import torch
import torch.nn.functional as F

from tests.collectors.recorders.test_evaluation import mean_loss, train_epoch
from tests.recordings import batches, loader, mlp, read, recording, values


def test_series_say_how_they_were_inferred(tmp_path):
    net, test = mlp(), loader(n=13, seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for _ in range(2):
            train_epoch(net, optimizer, loader())
            mean_loss(net, test)
    told = read(tmp_path).info.series
    assert set(told) == {"loss/train", "epoch", "loss/validation", "accuracy/validation"}
    assert all(info.note.startswith("inferred: ") for info in told.values())
    assert "mean of cross_entropy with gradients off, on a loader" in told["loss/validation"].note
    assert "captured from cross_entropy" in told["accuracy/validation"].note
    assert [told[n].better for n in ("loss/train", "loss/validation", "accuracy/validation")] == [
        "lower", "lower", "higher",
    ]  # fmt: skip


def test_evaluation_without_a_loader_is_told_by_its_labels(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        train_epoch(net, optimizer, batches(4))
        mean_loss(net, batches(3, seed=5))
    assert "on labels that training does not use" in read(tmp_path).info.series["loss/validation"].note


def test_evaluation_by_accuracy_alone(tmp_path):
    net, test = mlp(), loader(n=12, seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    expected = []
    with recording(tmp_path):
        for _ in range(2):
            train_epoch(net, optimizer, loader())
            net.eval()
            with torch.no_grad():
                right = sum((net(x).argmax(1) == y).sum().item() for x, y in test)
            net.train()
            expected.append(right / 12)
    run = read(tmp_path)
    assert values(run, "accuracy/validation") == expected
    assert "loss/validation" not in run.series
    assert "captured from argmax" in run.info.series["accuracy/validation"].note


def test_what_the_user_logs_is_not_inferred(tmp_path):
    from traindoctor.collectors.watch import Watch

    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path) as recorder:
        train_epoch(net, optimizer, batches(2))
        Watch(recorder, owns=False).log("accuracy/validation", 0.5)
    assert "accuracy/validation" not in read(tmp_path).info.series


def evaluate_with_gradients(net, data):
    """A validation loop whose author forgot torch.no_grad()."""
    net.eval()
    total = n = 0
    for x, y in data:
        total += F.cross_entropy(net(x), y).item() * len(y)
        n += len(y)
    net.train()
    return total / n


def test_evaluation_with_gradients_on_is_told_by_the_models_mode(tmp_path):
    net, test = mlp(), loader(n=13, seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    expected = []
    with recording(tmp_path):
        for _ in range(3):
            train_epoch(net, optimizer, loader())
            expected.append(evaluate_with_gradients(net, test))
    run = read(tmp_path)
    assert values(run, "loss/validation") == pytest.approx(expected, rel=1e-12)
    assert run.series["loss/validation"].steps.tolist() == [3, 7, 11]
    assert "evaluation mode" in run.info.series["loss/validation"].note
    assert values(run, "batch_size") == [5.0] * 12


def test_training_in_evaluation_mode_is_training(tmp_path):
    net = mlp().eval()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for _ in range(3):
            train_epoch(net, optimizer, loader())
    run = read(tmp_path)
    assert not values(run, "loss/validation")
    assert len(values(run, "loss/train")) == 12
