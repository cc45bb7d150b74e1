"""R11, R12: logs of very long runs are read and reported in bounded memory; the recorder does not grow."""

import gc
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from tests.logs import header
from tests.recordings import read, recording
from tests.reliability.sizes import size
from traindoctor.runlog import Kind, LogWriter, encode_rows

STEPS = size(1_000_000, 10_000_000)
LIMIT = size(1 << 30, 6 << 30)
"""Bytes of memory that reading and reporting may take; six columns of 10^6 steps are 96 MB as arrays."""


def write_long_log(path, steps, seed=0):
    make = np.random.default_rng(seed)
    writer = LogWriter(path, header(started=1767323045.0))
    writer.append_json(
        Kind.META, {"name": "long", "batch_size": 32, "loss_name": "cross_entropy", "n_classes": 10}
    )
    for begin in range(0, steps, 1000):
        at = np.arange(begin, min(begin + 1000, steps))
        noise = make.normal(0, 0.05, len(at))
        columns = {
            "loss/train": 2.3 * np.exp(-3.0 * at / steps) + noise,
            "lr/0": np.full(len(at), 0.1),
            "grad_norm/global": np.exp(noise),
            "time/step": np.full(len(at), 1e-3),
            "epoch": np.floor(at * 10 / steps),
            "batch_size": np.full(len(at), 32.0),
        }
        writer.append(Kind.ROWS, encode_rows(at, columns))
        writer.flush()
    writer.close({"status": "finished", "exit_code": 0, "seconds": steps * 1e-3})


REPORT = """
import json, sys
import traindoctor
run = traindoctor.load(sys.argv[1])
diagnosis = traindoctor.diagnose(run)
traindoctor.render(diagnosis, sys.argv[1] + ".html")
# Not getrusage: its peak is inherited from the process that started this one, however large that was.
with open("/proc/self/status") as file:
    (peak,) = [int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")]
print(json.dumps({"steps": run.n_steps, "status": run.info.status, "bytes": peak}))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc to tell the peak of memory")
def test_r11_a_log_of_a_million_steps_is_read_and_reported(tmp_path):
    log = tmp_path / "long.tdlog"
    write_long_log(log, STEPS)
    command = [sys.executable, "-c", REPORT, log]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3000)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["steps"], told["status"]) == (STEPS, "finished")
    assert told["bytes"] < LIMIT
    assert (tmp_path / "long.tdlog.html").stat().st_size < 5_000_000
    assert log.stat().st_size < STEPS * 60


def resident():
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def state_of_the_process():
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return len(gc.get_objects()), descriptors, threading.active_count()


def test_r12_the_recorder_does_not_grow(tmp_path):
    p = torch.nn.Parameter(torch.ones(8))
    optimizer = torch.optim.SGD([p], 1e-6, foreach=False)

    def train(n):
        for _ in range(n):
            p.grad = None
            p.square().sum().backward()
            optimizer.step()

    steps = size(20_000, 10_000_000)
    with recording(tmp_path, flush_seconds=0.01):
        train(steps // 4)
        objects, descriptors, threads = state_of_the_process()
        before = resident()
        train(steps)
        grown = resident() - before
        after = state_of_the_process()
    assert after[0] - objects < 500
    assert after[1] <= descriptors
    assert after[2] <= threads + 1  # of a sync that is under way
    assert grown < 16 << 20
    if steps <= 1_000_000:
        assert read(tmp_path).n_steps == steps + steps // 4
