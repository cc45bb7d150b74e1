"""Several trainings in one process: one after the other, in turns, in notebooks, in threads."""

import threading

import torch
import torch.nn.functional as F

from tests.recordings import batches, mlp, read, recording, values
from traindoctor.collectors.watch import watch


def test_trainings_one_after_the_other_in_one_process(tmp_path):
    losses = []
    with recording(tmp_path):
        for seed in range(3):
            torch.manual_seed(seed)
            net = mlp()
            optimizer = torch.optim.SGD(net.parameters(), 0.1)
            losses.append([])
            for x, y in batches(4, seed=seed):
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                losses[-1].append(loss.item())
    run = read(tmp_path)
    prefixes = ("", "optimizer1/", "optimizer2/")
    assert [values(run, f"{prefix}loss/train") for prefix in prefixes] == losses


def test_trainings_in_turns_in_one_process(tmp_path):
    """An ensemble: one step of each model after the other."""
    nets = [mlp() for _ in range(3)]
    optimizers = [torch.optim.SGD(net.parameters(), 0.1) for net in nets]
    losses = [[], [], []]
    with recording(tmp_path):
        for x, y in batches(4):
            for net, optimizer, kept in zip(nets, optimizers, losses, strict=True):
                optimizer.zero_grad()
                loss = F.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                kept.append(loss.item())
    run = read(tmp_path)
    assert [values(run, f"{p}loss/train") for p in ("", "optimizer1/", "optimizer2/")] == losses


def test_a_watch_per_training_makes_a_run_per_training(tmp_path):
    runs = []
    for seed in range(2):
        torch.manual_seed(seed)
        net = mlp()
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        with watch(net, optimizer, out=tmp_path) as run:
            for x, y in batches(3, seed=seed):
                optimizer.zero_grad()
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
        runs.append(run.path)
    from traindoctor.collectors.importers.native import read_run

    assert len(set(runs)) == 2
    assert [read_run(path).n_steps for path in runs] == [3, 3]
    assert all("optimizer1/loss/train" not in read_run(path).series for path in runs)


CELLS = [
    "import torch, torch.nn.functional as F\nfrom torch import nn",
    "net = nn.Linear(6, 3)\noptimizer = torch.optim.SGD(net.parameters(), 0.1)",
    """losses = []
for x, y in data:
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())""",
]


def test_cells_of_a_notebook(tmp_path):
    """Code without a module or a file, compiled cell by cell; the training cell runs twice."""
    namespace = {"data": batches(3), "__name__": "__main__"}
    printed = []
    with recording(tmp_path):
        for number in (0, 1, 2, 2):
            exec(compile(CELLS[number], f"<cell {number}>", "exec"), namespace)
            if number == 2:
                printed += namespace["losses"]
    run = read(tmp_path)
    assert values(run, "loss/train") == printed
    assert [p.name for p in run.info.parameters] == ["weight", "bias"]


def test_training_in_a_thread_while_another_evaluates(tmp_path):
    """Each thread has its own state: the evaluation of one is no training of the other."""
    net, other = mlp(), mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    losses, go = [], threading.Barrier(2)

    def evaluate():
        go.wait()
        for x, y in batches(40, seed=9):
            with torch.no_grad():
                F.cross_entropy(other(x), y)

    with recording(tmp_path):
        thread = threading.Thread(target=evaluate)
        thread.start()
        go.wait()
        for x, y in batches(40):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        thread.join()
    run = read(tmp_path)
    assert values(run, "loss/train") == losses
    assert not run.info.diagnostics
