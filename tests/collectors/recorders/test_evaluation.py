"""Validation loss, epochs, batch sizes: what belongs to training and what does not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, IterableDataset

from tests.recordings import batches, loader, mlp, read, recording, values


def train_epoch(net, optimizer, data, loss_function=cross_entropy):
    for x, y in data:
        optimizer.zero_grad()
        loss_function(net(x), y).backward()
        optimizer.step()


def mean_loss(net, data, loss_function=cross_entropy):
    """The mean over samples, as the script would print it."""
    total = n = 0
    with torch.no_grad():
        for x, y in data:
            total += loss_function(net(x), y).item() * len(y)
            n += len(y)
    return total / n


@pytest.mark.parametrize("workers", [0, 1])
def test_one_point_per_evaluation_pass_after_the_step_it_follows(workers, tmp_path):
    net, train, test = mlp(), loader(n=20), loader(n=13, seed=1, num_workers=workers)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    expected = []
    with recording(tmp_path):
        for _ in range(3):
            train_epoch(net, optimizer, train)
            expected.append(mean_loss(net, test))
    run = read(tmp_path)
    assert run.series["loss/validation"].steps.tolist() == [3, 7, 11]
    assert values(run, "loss/validation") == pytest.approx(expected, rel=1e-12)
    assert run.series["accuracy/validation"].steps.tolist() == [3, 7, 11]
    assert values(run, "epoch") == [0.0] * 4 + [1.0] * 4 + [2.0] * 4
    assert (run.info.epochs, run.info.batch_size) == (3.0, 5)
    assert [(e.step, e.data["epoch"]) for e in run.events_of("epoch")] == [(0, 0), (4, 1), (8, 2)]


def test_summed_losses_become_means_as_in_training(tmp_path):
    net, test = mlp(), loader(n=13, seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        train_epoch(net, optimizer, loader())
        expected = mean_loss(net, test)
        with torch.no_grad():
            for x, y in test:
                F.nll_loss(F.log_softmax(net(x), 1), y, reduction="sum")
        with torch.no_grad():
            for x, y in test:
                cross_entropy(net(x), y, reduction="none")
    assert values(read(tmp_path), "loss/validation") == pytest.approx([expected], rel=1e-6)


def test_where_training_sums_validation_stays_a_sum(tmp_path):
    net, test = mlp(), loader(n=10, seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with recording(tmp_path):
        train_epoch(net, optimizer, loader(), nn.CrossEntropyLoss(reduction="sum"))
        sums = []
        with torch.no_grad():
            for x, y in test:
                sums.append(cross_entropy(net(x), y, reduction="sum").item())
    assert values(read(tmp_path), "loss/validation") == pytest.approx([sum(sums) / 2], rel=1e-6)


def test_losses_without_gradients_on_training_batches_are_no_validation(tmp_path):
    net, train = mlp(), loader()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for _ in range(2):
            for x, y in train:
                optimizer.zero_grad()
                cross_entropy(net(x), y).backward()
                optimizer.step()
                with torch.no_grad():
                    cross_entropy(net(x), y)
            mean_loss(net, train)  # the training set, measured: not held out
    assert not values(read(tmp_path), "loss/validation")


def test_a_pass_over_the_training_set_before_training_is_no_validation(tmp_path):
    net, train, test = mlp(), loader(), loader(seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        mean_loss(net, train)
        before = mean_loss(net, test)
        train_epoch(net, optimizer, train)
        after = mean_loss(net, test)
    run = read(tmp_path)
    assert run.series["loss/validation"].steps.tolist() == [0, 3]
    assert values(run, "loss/validation") == pytest.approx([before, after], rel=1e-12)


def test_evaluation_in_the_middle_of_an_epoch(tmp_path):
    net, train, test = mlp(), loader(), loader(seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    expected = []
    with recording(tmp_path):
        for number, (x, y) in enumerate(train):
            optimizer.zero_grad()
            cross_entropy(net(x), y).backward()
            optimizer.step()
            if number == 1:
                expected.append(mean_loss(net, test))
    run = read(tmp_path)
    assert run.series["loss/validation"].steps.tolist() == [1]
    assert values(run, "loss/validation") == pytest.approx(expected)
    assert values(run, "epoch") == [0.0] * 4


def test_without_loaders_a_stretch_of_losses_is_a_pass(tmp_path):
    net, held_out = mlp(), batches(3, seed=5)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    expected = []
    with recording(tmp_path):
        for _ in range(2):
            train_epoch(net, optimizer, batches(4))
            expected.append(mean_loss(net, held_out))
    run = read(tmp_path)
    assert run.series["loss/validation"].steps.tolist() == [3, 7]
    assert values(run, "loss/validation") == pytest.approx(expected)
    assert values(run, "batch_size") == [5.0] * 8


def test_slices_of_the_training_labels_are_no_validation(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    torch.manual_seed(0)
    x, y = torch.randn(40, 6), torch.randint(0, 3, (40,))
    with recording(tmp_path):
        for _ in range(2):
            train_epoch(net, optimizer, [(x[i : i + 10], y[i : i + 10]) for i in (0, 10, 20)])
            with torch.no_grad():
                cross_entropy(net(x[:30]), y[:30])
                held_out = cross_entropy(net(x[30:]), y[30:]).item()
    assert values(read(tmp_path), "loss/validation")[-1] == held_out


def test_a_second_held_out_set_is_kept_apart(tmp_path):
    net, train, validation = mlp(), loader(), loader(n=10, seed=1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    expected = []
    with recording(tmp_path):
        for _ in range(2):
            train_epoch(net, optimizer, train)
            expected.append(mean_loss(net, validation))
        test = mean_loss(net, loader(n=15, seed=2))
    run = read(tmp_path)
    assert values(run, "loss/validation") == pytest.approx(expected)
    assert values(run, "loss/validation2") == pytest.approx([test])


def test_a_loader_built_anew_for_each_evaluation_is_the_same_set(tmp_path):
    net, train = mlp(), loader()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for _ in range(3):
            train_epoch(net, optimizer, train)
            mean_loss(net, loader(n=10, seed=1))
    assert len(values(read(tmp_path), "loss/validation")) == 3


def test_regression(tmp_path):
    net = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    make = torch.Generator().manual_seed(0)
    data = [(torch.randn(7, 3, generator=make), torch.randn(7, 1, generator=make) * 3 + 10) for _ in range(6)]
    with recording(tmp_path):
        train_epoch(net, optimizer, data[:4], mse_loss)
        expected = mean_loss(net, data[4:], mse_loss)
    run = read(tmp_path)
    targets = torch.cat([y for _, y in data[:4]]).double()
    assert values(run, "loss/validation") == pytest.approx([expected])
    assert run.info.loss_name == "mse_loss"
    assert run.info.n_classes == 0
    assert run.info.baseline == pytest.approx(targets.var(correction=0).item())


def test_one_batch_at_a_time_from_a_fresh_iterator_is_no_epoch(tmp_path):
    net, train = mlp(), loader(shuffle=True)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for _ in range(4):
            train_epoch(net, optimizer, [next(iter(train))])
    run = read(tmp_path)
    assert values(run, "epoch") == [0.0] * 4
    assert run.info.epochs == 0


class Stream(IterableDataset):
    def __iter__(self):
        make = torch.Generator().manual_seed(0)
        for _ in range(8):
            yield {"x": torch.randn(6, generator=make), "label": 1}


def test_iterable_datasets_and_dictionaries(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for _ in range(2):
            for batch in DataLoader(Stream(), batch_size=4):
                optimizer.zero_grad()
                cross_entropy(net(batch["x"]), batch["label"]).backward()
                optimizer.step()
    run = read(tmp_path)
    assert values(run, "batch_size") == [4.0] * 4
    assert run.info.epochs == 2


def test_nothing_but_evaluation_is_said_at_the_end(tmp_path, capsys):
    with recording(tmp_path) as recorder:
        recorder.open()
        mean_loss(mlp(), loader())
    assert (recorder.steps, recorder.backward_calls) == (0, 0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("traindoctor: no optimizer step was seen; backward was called 0 times")
    assert line.removeprefix("traindoctor: ") in read(tmp_path).info.diagnostics
