"""`traindoctor.watch` in the user's own loop or notebook."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.recordings import batches, mlp
from traindoctor.collectors import recorder as process
from traindoctor.collectors.importers.native import read_run
from traindoctor.collectors.watch import watch
from traindoctor.errors import UsageError


@pytest.fixture(autouse=True)
def nothing_left_recording():
    yield
    process.stop({"status": "finished"})


def train(net, optimizer, n=3):
    losses = []
    for x, y in batches(n):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def model():
    net = mlp()
    return net, torch.optim.SGD(net.parameters(), 0.1)


def test_one_line_records_a_run(tmp_path):
    net, optimizer = model()
    with watch(net, optimizer, name="first try", out=tmp_path) as run:
        losses = train(net, optimizer)
    found = read_run(run.path)
    assert run.path.parent == tmp_path
    assert run.path.name == run.id == found.id
    assert found.name == "first try"
    assert found.series["loss/train"].values.tolist() == losses
    assert found.info.status == "finished"
    assert [p.name for p in found.info.parameters] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert found.info.environment["versions"]["torch"] == torch.__version__


def test_afterwards_nothing_is_recorded(tmp_path):
    net, optimizer = model()
    with watch(out=tmp_path) as run:
        train(net, optimizer)
    train(net, optimizer)
    run.close()
    assert read_run(run.path).n_steps == 3
    assert process.active() is None


def test_model_and_optimizer_are_found_without_being_named(tmp_path):
    net, optimizer = model()
    with watch(out=tmp_path) as run:
        train(net, optimizer)
    assert read_run(run.path).info.parameters[0].name == "0.weight"


def test_an_exception_passes_and_marks_the_run_failed(tmp_path):
    net, optimizer = model()

    def fail():
        with watch(net, optimizer, out=tmp_path):
            train(net, optimizer)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    run = next(tmp_path.iterdir())
    assert read_run(run).info.status == "failed"
    assert read_run(run).n_steps == 3


def test_cells_of_a_notebook_run_again(tmp_path):
    runs = []
    for _ in range(3):
        net, optimizer = model()
        runs.append(watch(net, optimizer, out=tmp_path))  # never closed by hand
        train(net, optimizer)
    runs[-1].close()
    assert [read_run(run.path).n_steps for run in runs] == [3, 3, 3]
    assert [read_run(run.path).info.status for run in runs] == ["finished"] * 3


def test_inside_another_watch_there_is_one_run(tmp_path):
    net, optimizer = model()
    with watch(out=tmp_path) as outer:
        with watch(net, optimizer, out=tmp_path) as inner:
            train(net, optimizer)
        train(net, optimizer)
    assert inner.id == outer.id
    assert read_run(outer.path).n_steps == 6


def test_logged_values_stand_at_the_last_step(tmp_path):
    net, optimizer = model()
    with watch(net, optimizer, out=tmp_path) as run:
        run.log("before", 1)
        train(net, optimizer, 3)
        run.log("accuracy/validation", torch.tensor([0.5]))
        run.log("loss/mine", np.float32(2.5))
        train(net, optimizer, 1)
        run.log("accuracy/validation", 0.75)
    series = read_run(run.path).series
    assert (series["before"].steps.tolist(), series["before"].values.tolist()) == ([0], [1.0])
    assert series["accuracy/validation"].steps.tolist() == [2, 3]
    assert series["accuracy/validation"].values.tolist() == [0.5, 0.75]
    assert series["loss/mine"].values.tolist() == [2.5]


@pytest.mark.parametrize("name", ["", "x" * 201, "a\x1fb", "new\nline", 3, None])
def test_names_are_checked(name, tmp_path):
    with watch(out=tmp_path) as run, pytest.raises(UsageError, match="expected a name"):
        run.log(name, 1.0)


@pytest.mark.parametrize("value", [None, "0.5", [1, 2], torch.ones(2), np.ones(2), object(), 1j])
def test_values_are_checked(value, tmp_path):
    with watch(out=tmp_path) as run, pytest.raises(UsageError, match="expected one number"):
        run.log("mine", value)


@pytest.mark.parametrize(
    ("y_true", "y_score", "kind"),
    [
        (torch.tensor([0, 1]), torch.tensor([[0.9, 0.1], [0.2, 0.8]]), "probabilities"),
        (np.array([0, 2]), np.array([[3.0, 1.0, -2.0], [0.0, 0.5, 9.0]]), "logits"),
        ([1, 0], [0.9, 0.2], "unknown"),
        (torch.tensor([0.0, 1.0]), torch.tensor([0.1, 0.2], requires_grad=True), "unknown"),
        (np.array([True, False]), np.array([1, 0]), "unknown"),
    ],
)
def test_logged_predictions(y_true, y_score, kind, tmp_path):
    net, optimizer = model()
    with watch(net, optimizer, out=tmp_path) as run:
        train(net, optimizer)
        run.log_predictions(y_true, y_score)
        with torch.no_grad():
            F.cross_entropy(
                torch.ones(4, 3), torch.zeros(4, dtype=torch.long)
            )  # captured ones do not replace them
    found = read_run(run.path).predictions
    assert found.y_true.tolist() == [int(v) for v in y_true]
    assert found.y_score.shape == tuple(np.shape(torch.as_tensor(y_score).detach()))
    assert (found.kind, found.step, found.source) == (kind, 3, "run.log_predictions")


@pytest.mark.parametrize(
    ("y_true", "y_score", "classes"),
    [
        ([0, 1], [[1.0, 0.0]], ()),
        ([[0], [1]], [[1.0, 0.0], [0.0, 1.0]], ()),
        ([0, 2], [[1.0, 0.0], [0.0, 1.0]], ()),
        ([0, -1], [[1.0, 0.0], [0.0, 1.0]], ()),
        ([0.5, 1.0], [[1.0, 0.0], [0.0, 1.0]], ()),
        ([0, 2], [0.1, 0.2], ()),
        ([], [], ()),
        ([0, 1], [["a", "b"], ["c", "d"]], ()),
        ([0, 1], [[1.0, 0.0], [0.0]], ()),
        ([0, 1], [[1.0, 0.0], [0.0, 1.0]], ("cat",)),
    ],
)
def test_predictions_are_checked(y_true, y_score, classes, tmp_path):
    with watch(out=tmp_path) as run, pytest.raises(UsageError, match="log_predictions: expected"):
        run.log_predictions(y_true, y_score, classes)


def test_class_names_are_kept(tmp_path):
    with watch(out=tmp_path) as run:
        run.log_predictions([0, 1], [[1.0, 0.0], [0.0, 1.0]], ["cat", "dog"])
    assert read_run(run.path).predictions.classes == ("cat", "dog")


@pytest.mark.parametrize(
    "arguments", [{"model": 3}, {"optimizer": "sgd"}, {"every": 0}, {"budget": 0.0}, {"budget": 2.0}]
)
def test_arguments_are_checked(arguments, tmp_path):
    with pytest.raises(UsageError, match="expected"):
        watch(out=tmp_path, **arguments)
    assert process.active() is None
    assert not list(tmp_path.iterdir())


def test_without_a_block_it_ends_with_the_process(tmp_path):
    code = """
        import torch, sys
        from traindoctor.collectors.watch import watch
        run = watch(out=sys.argv[1])
        p = torch.nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([p], 0.1)
        for _ in range(4):
            p.sum().backward()
            optimizer.step()
        print(run.path)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = read_run(done.stdout.strip())
    assert (found.n_steps, found.info.status, done.stderr) == (4, "finished", "")
