"""Whole processes under the launcher with the real torch: ends, children, tracebacks, full disks."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from traindoctor.collectors.importers.native import read_run
from traindoctor.runlog import SUFFIX, Kind, LogReader

TRAIN = """
import os, sys, time, signal
import torch
import torch.nn.functional as F
torch.set_num_threads(1)
torch.manual_seed(0)
net = torch.nn.Linear(4, 3)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
def train(n):
    for step in range(n):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(torch.randn(8, 4)), torch.randint(0, 3, (8,)))
        loss.backward()
        optimizer.step()
        print(loss.item(), flush=True)
"""


def start(tmp_path, code, recorded=True, **variables):
    script = tmp_path / "script.py"
    script.write_text(TRAIN + textwrap.dedent(code))
    launcher = [sys.executable, "-m", "traindoctor", "run", "--out", str(tmp_path / "runs"), "--"]
    command = [*launcher, str(script)] if recorded else [sys.executable, str(script)]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRAINDOCTOR_")} | variables
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environ
    )


def run(tmp_path, code, recorded=True, **variables):
    process = start(tmp_path, code, recorded, **variables)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def folder(tmp_path):
    (found,) = (tmp_path / "runs").iterdir()
    return found


def logs(tmp_path):
    return sorted(folder(tmp_path).glob(f"*{SUFFIX}"))


def losses(out):
    return [float(line) for line in out.split()]


def test_losses_are_the_printed_ones_and_the_end_is_known(tmp_path):
    code, out, err = run(tmp_path, "train(25)")
    assert (code, err) == (0, "")
    found = read_run(folder(tmp_path))
    assert found.series["loss/train"].values.tolist() == losses(out)
    assert found.info.status == "finished"


@pytest.mark.parametrize(
    "ending",
    [
        "loss = torch.ones(2, requires_grad=True) * 2; loss.backward()",
        "list(torch.utils.data.DataLoader([1, 2, 'x'], batch_size=3))",
        "try:\n    optimizer.step(lambda: 1 / 0)\nexcept ZeroDivisionError:\n    torch.optim.SGD([], 0.1)",
    ],
)
def test_uncaught_exceptions_look_as_without_us(ending, tmp_path):
    code = "train(2)\n" + ending
    plain, recorded = run(tmp_path, code, recorded=False), run(tmp_path, code)
    assert recorded == plain
    assert plain[0] == 1
    found = read_run(folder(tmp_path))
    assert found.info.status == "failed"
    assert found.n_steps == 2


def test_a_killed_process_keeps_what_it_had(tmp_path):
    process = start(tmp_path, "train(100000)")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(500)]
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    printed = losses("".join(lines) + rest.rpartition("\n")[0])
    found = read_run(folder(tmp_path))
    kept = found.series["loss/train"].values.tolist()
    assert found.info.status == "killed"
    assert len(kept) >= 500
    assert kept[: len(printed)] == printed[: len(kept)]


def test_sigterm_ends_it_as_ever(tmp_path):
    code, out, err = run(
        tmp_path, "train(3); time.sleep(0.2); train(1); os.kill(os.getpid(), signal.SIGTERM)"
    )
    assert (code, err) == (-signal.SIGTERM, "")
    assert read_run(folder(tmp_path)).series["loss/train"].values.tolist() == losses(out)


def test_a_process_that_trains_nothing_leaves_a_log_that_says_so(tmp_path):
    assert run(tmp_path, "print(torch.ones(1).item())")[0] == 0
    (log,) = logs(tmp_path)
    end = [frame for frame in LogReader(log) if frame.kind == Kind.END]
    assert b'"steps":0,"backward_calls":0' in end[0].payload


def test_updates_by_hand_are_named(tmp_path):
    run(tmp_path, "F.cross_entropy(net(torch.ones(1, 4)), torch.tensor([1])).backward()")
    assert any("backward was called 1 times" in s for s in read_run(folder(tmp_path)).info.diagnostics)


CHILDREN = """
import torch.multiprocessing as mp
def child(rank):
    if rank:
        torch.manual_seed(rank)
        train(rank * 3)
if __name__ == "__main__":
    {before}
    mp.start_processes(child, nprocs=3, start_method={method!r})
    from torch.utils.data import DataLoader
    list(DataLoader(list(range(8)), num_workers=2))
"""


@pytest.mark.parametrize(("method", "before"), [("fork", "train(2)"), ("spawn", "pass")])
def test_children_that_train_have_their_own_log_and_idle_ones_none(method, before, tmp_path):
    code, _, err = run(tmp_path, CHILDREN.format(method=method, before=before))
    assert (code, err) == (0, "")
    ends = {}
    for log in logs(tmp_path):
        frames = list(LogReader(log))
        ends[log.name] = [frame.payload for frame in frames if frame.kind == Kind.END]
    steps = sorted(int(end[0].split(b'"steps":')[1].split(b",")[0]) for end in ends.values())
    assert steps == ([2, 3, 6] if before != "pass" else [3, 6])


def test_a_folder_that_cannot_be_written_costs_one_line(tmp_path):
    blocked = "import pathlib, shutil; shutil.rmtree(os.environ['TRAINDOCTOR_RUN_DIR']); "
    blocked += "pathlib.Path(os.environ['TRAINDOCTOR_RUN_DIR']).write_text('')\ntrain(3)"
    code, out, err = run(tmp_path, blocked)
    assert (code, len(losses(out))) == (0, 3)
    (line,) = err.splitlines()
    assert line.startswith("traindoctor: not recorded: cannot write to ")


def test_a_full_disk_costs_one_line_and_no_step(tmp_path):
    limit = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def limited(size, n):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    time.sleep(0.2)
    train(n)
limited(resource.RLIM_INFINITY, 31)
limited(4096, 40)
limited(4096, 1)
limited(resource.RLIM_INFINITY, 5)
"""
    code, out, err = run(tmp_path, limit)
    assert (code, len(losses(out))) == (0, 77)
    (line,) = err.splitlines()
    assert "the log is incomplete" in line
    found = read_run(folder(tmp_path))
    kept = dict(
        zip(found.series["loss/train"].steps.tolist(), found.series["loss/train"].values, strict=True)
    )
    printed = losses(out)
    assert all(value == printed[step] for step, value in kept.items())
    assert max(kept) == 76


def test_recorder_can_be_disabled(tmp_path):
    assert run(tmp_path, "train(1)", TRAINDOCTOR_DISABLE="1")[0] == 0
    assert not logs(tmp_path)
