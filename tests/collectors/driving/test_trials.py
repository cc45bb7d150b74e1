"""Unmodified scripts in processes of their own: driven, seeded, ended, and told apart when they failed."""

import random
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import traindoctor
from tests.recordings import values
from traindoctor.collectors.driving.orders import Orders, RangeTest, absolute
from traindoctor.collectors.driving.trials import run_trial, start_trial
from traindoctor.errors import TrialFailedError, UsageError
from traindoctor.lr_finding import find_in_script

SCRIPT = """
    import os, random, sys
    FIRST = random.random()
    import numpy as np
    SECOND = np.random.rand()
    import torch
    from torch import nn
    torch.set_num_threads(1)
    model = nn.Linear(6, 3)
    if "RANK" in os.environ:
        import torch.distributed as dist
        dist.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    make = torch.Generator().manual_seed(int(os.environ.get("RANK", 0)))
    teacher = torch.randn(6, 3, generator=torch.Generator().manual_seed(7))
    for step in range(int(sys.argv[1])):
        x = torch.randn(16, 6, generator=make)
        loss = nn.functional.cross_entropy(model(x), (x @ teacher).argmax(dim=1))
        optimizer.zero_grad(); loss.backward(); optimizer.step(); scheduler.step()
    print(FIRST, SECOND, loss.item(), optimizer.param_groups[0]["lr"])
"""


@pytest.fixture
def script(tmp_path):
    def write(code=SCRIPT):
        path = tmp_path / "train.py"
        path.write_text(textwrap.dedent(code))
        return str(path)

    return write


def output(trial):
    return (trial.path / "output.txt").read_text()


def test_the_scripts_own_schedule_as_orders_changes_nothing(script, tmp_path):
    plain = run_trial([script(), "8"], Orders(), out=tmp_path, name="plain", seed=3)
    rates = values(traindoctor.load(plain.path), "lr/0")
    orders = Orders(lr_plan=absolute(rates))
    driven = run_trial([script(), "8"], orders, out=tmp_path, name="driven", seed=3)
    assert (plain.failure, driven.failure) == ("", "")
    assert output(plain) == output(driven)
    assert (plain.steps, driven.steps) == (0, 8)
    assert driven.reports[0].overridden == "ExponentialLR"
    run = traindoctor.load(driven.path)
    assert values(run, "lr/0") == values(run, "script_lr/0") == rates


def test_ranks_are_driven_and_end_together(script, tmp_path):
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script(), "40"]
    orders = Orders(lr_plan=absolute([0.2, 0.1]), max_steps=3)
    trial = run_trial(command, orders, out=tmp_path, name="ranks", seed=1, timeout=200)
    assert trial.failure == "", output(trial)
    assert [(report.rank, report.steps) for report in trial.reports] == [(0, 3), (1, 3)]
    assert values(traindoctor.load(trial.path), "lr/0") == [0.2, 0.1, 0.1]


def test_a_script_that_catches_everything_is_ended_nevertheless(script, tmp_path):
    stubborn = SCRIPT.replace("optimizer.step();", "step_or_not();").replace(
        "    for step",
        """
    def step_or_not():
        try:
            optimizer.step()
        except BaseException:
            print("no, thanks")

    for step""",
    )
    trial = run_trial([script(stubborn), "1000000"], Orders(max_steps=5), out=tmp_path, name="x", timeout=200)
    assert (trial.failure, trial.exit_code, trial.steps) == ("", 0, 5)
    assert output(trial) == "no, thanks\n"
    assert traindoctor.load(trial.path).info.status == "finished"


def test_a_running_script_is_stopped_with_its_children(script, tmp_path):
    code = """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(child.pid, flush=True)
        time.sleep(600)
    """
    running = start_trial([script(code)], Orders(lr=0.1), out=tmp_path, name="x")
    with running:
        deadline = time.monotonic() + 60
        while (
            not (words := (running.path / "output.txt").read_text().split()) and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        assert running.poll() is None
    trial = running.stop()
    assert (trial.is_stopped, trial.failure) == (True, "stopped on request")
    for _ in range(100):
        if has_ended(int(words[0])):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the script's child lives on")


def has_ended(pid):
    """Whether a process is gone, or a zombie that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


FAILURES = {
    "no optimizer": ("import torch; print(torch.ones(1))", "no step of a torch optimizer was seen"),
    "an error": ("import torch; raise ValueError('bad data')", "code 1: ValueError: bad data"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_proves_nothing_says_so(case, script, tmp_path):
    code, said = FAILURES[case]
    trial = run_trial([script(code)], Orders(lr=0.1), out=tmp_path, name="x")
    assert said in trial.failure


def test_a_range_test_of_a_script_without_an_optimizer_says_so(script):
    with pytest.raises(TrialFailedError, match="no step of a torch optimizer"):
        find_in_script([script("print('done')")], RangeTest())


def test_a_range_test_of_a_script(script):
    found = find_in_script([script(), "1000"], RangeTest(), seed=0)
    assert found, found.refusal
    assert found.scored_on == "128 fixed samples"
    assert found.base_lr == 0.1
    assert 0.1 < found.lr < 30.0


def test_a_command_that_cannot_be_driven_is_refused(tmp_path):
    with pytest.raises(UsageError, match="ignores PYTHONPATH"):
        start_trial([sys.executable, "-I", "train.py"], Orders(lr=0.1), out=tmp_path, name="x")
    with pytest.raises(UsageError, match="cannot start nonsense"):
        start_trial(["nonsense"], Orders(lr=0.1), out=tmp_path, name="x")
    with pytest.raises(UsageError, match="expected a command"):
        start_trial([], Orders(lr=0.1), out=tmp_path, name="x")


def test_seeds_reach_the_script(script, tmp_path):
    one, other = (
        output(run_trial([script(), "1"], Orders(), out=tmp_path, name="x", seed=seed)).split()
        for seed in (1, 2)
    )
    assert all(a != b for a, b in zip(one[:3], other[:3], strict=True))
    assert float(one[0]) == random.Random(1).random()
    assert float(one[1]) == np.random.RandomState(1).rand()


@pytest.mark.parametrize(("argument", "said"), [("--seed", "['--seed', '5']"), ("seed=", "['seed=5']")])
def test_a_seed_is_handed_over_as_the_script_takes_it(argument, said, script, tmp_path):
    code = "import sys; print(sys.argv[1:])"
    trial = run_trial([script(code)], Orders(), out=tmp_path, name="x", seed=5, seed_argument=argument)
    assert output(trial).strip() == said
