"""R8, R9: with the recorder off, on, and raising in every hook, a training ends with the same bits."""

import contextlib
import importlib
import inspect
import pkgutil
import time

import pytest
import torch
import torch.nn.functional as F

from tests.recordings import batches, mlp, read, recording
from tests.reliability.sizes import size
from tests.reliability.trainings import TRAININGS, trained
from traindoctor.collectors import recorders
from traindoctor.collectors.recorders import optimizer_step
from traindoctor.collectors.recorders.governor import ALWAYS
from traindoctor.collectors.recorders.statistics import ParameterStatistics

RUN_BY_US = {
    # What start, stop and failing themselves consist of; no hook of the training calls them.
    "__init__", "install", "uninstall", "adopt", "fail", "say", "reset", "_reset", "after", "restore",
    "replace", "unwatch", "forget", "states",
}  # fmt: skip


def functions():
    """(owner, name) of every method of ours that a hook may run into, found by looking.

    A method that handles exceptions is the guard itself and is left out: what it calls is what raises.
    """
    for module in pkgutil.iter_modules(recorders.__path__):
        found = importlib.import_module(f"{recorders.__name__}.{module.name}")
        for kind in vars(found).values():
            if not inspect.isclass(kind) or kind.__module__ != found.__name__ or issubclass(kind, Exception):
                continue
            for name, function in vars(kind).items():
                if not inspect.isfunction(function) or name in RUN_BY_US or name.startswith(("_wrap", "__")):
                    continue
                if not function.__code__.co_exceptiontable and "hook" not in name:
                    yield kind, name


FUNCTIONS = sorted(functions(), key=lambda found: (found[0].__qualname__, found[1]))


@contextlib.contextmanager
def raising(monkeypatch, targets):
    """These methods raise; yields the set of those that were called."""
    called = set()

    def broken(owner, name):
        def raise_now(*args, **kwargs):
            called.add((owner, name))
            raise RuntimeError("broken on purpose")

        return raise_now

    with monkeypatch.context() as patch:
        for owner, name in targets:
            patch.setattr(owner, name, broken(owner, name))
        yield called


@pytest.mark.parametrize("name", TRAININGS)
def test_off_on_and_raising_everywhere_end_alike(name, tmp_path, monkeypatch, capsys):
    train = TRAININGS[name]
    off = trained(train)
    with recording(tmp_path / "on", flush_seconds=0.0):
        on = trained(train)
    with recording(tmp_path / "raising"), raising(monkeypatch, FUNCTIONS) as called:
        broken = trained(train)
    assert (on, broken) == (off, off)
    assert called
    assert read(tmp_path / "on").n_steps > 0
    assert all("broken on purpose" in line for line in capsys.readouterr().err.splitlines())


ALONE = "sgd float32 norm scheduler and validation"
ALONE_SCALED = "sgd-nesterov scaler x2 norm"


def test_there_are_enough_combinations():
    assert len(TRAININGS) >= 24
    assert len(FUNCTIONS) > 60


def test_each_function_raising_alone_changes_no_bit(tmp_path, monkeypatch, capsys):
    expected = {name: trained(TRAININGS[name]) for name in (ALONE, ALONE_SCALED)}
    n_reached = 0
    chosen = FUNCTIONS[:: size(4, 1)]
    for number, (owner, name) in enumerate(chosen):
        case = ALONE_SCALED if owner.__module__.endswith(".amp") else ALONE
        with recording(tmp_path / str(number), flush_seconds=0.0):
            with raising(monkeypatch, [(owner, name)]) as called:
                assert trained(TRAININGS[case]) == expected[case], (owner, name)
            n_reached += bool(called)
        said = capsys.readouterr().err.splitlines()
        assert all("broken on purpose" in line or "no optimizer step" in line for line in said), (owner, name)
        assert len(said) == len(set(said))
    assert n_reached > len(chosen) / 2


class Interrupt(KeyboardInterrupt):
    """What Ctrl-C raises while one of our hooks runs."""


@pytest.mark.parametrize("name", ["_before", "_after"])
def test_an_interrupt_inside_a_hook_reaches_the_user(name, tmp_path, monkeypatch):
    def interrupted(*args):
        raise Interrupt

    monkeypatch.setattr(optimizer_step.StepRecorder, name, interrupted)
    with recording(tmp_path), pytest.raises(Interrupt):
        trained(TRAININGS[ALONE])


def slow_measure(measure, asleep):
    """A measurement that takes 50 ms longer; `asleep` gets an entry for each."""

    def slow(self, *args, **kwargs):
        asleep.append(time.sleep(0.05))
        return measure(self, *args, **kwargs)

    return slow


def test_hooks_that_take_long_are_thinned_and_the_log_says_so(tmp_path, monkeypatch):
    """R9: 50 ms in each measurement of a step of one millisecond."""
    asleep = []
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    monkeypatch.setattr(ParameterStatistics, "measure", slow_measure(ParameterStatistics.measure, asleep))
    with recording(tmp_path):
        for x, y in batches(ALWAYS + 60):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    run = read(tmp_path)
    assert run.n_steps == ALWAYS + 60
    assert len(asleep) < ALWAYS + 10
    assert [e.data["what"] for e in run.events_of("thinned")].count("parameters") >= 1
    assert len(run.series["loss/train"]) == run.n_steps
