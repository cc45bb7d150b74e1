"""R1, R2, R3: processes that are killed at random instants, or end in any other way, keep their log."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import traindoctor
from tests.logs import frames_of
from tests.reliability.sizes import size
from traindoctor.collectors.importers.native import read_run
from traindoctor.runlog import SUFFIX, Kind, decode_rows

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# One process imports everything once; each child is a writer that is killed at a random instant.
WRITERS = """
import json, os, random, signal, sys, time
import numpy as np
from pathlib import Path
from traindoctor.runlog import Kind, LogWriter, encode_rows
folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
instants = random.Random(seed)
told = []
for number in range(count):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        writer = LogWriter(folder / f"{number}.tdlog", {})
        for step in range(10**9):
            writer.append(Kind.ROWS, encode_rows(np.array([step]), {"loss/train": np.array([step / 3])}))
            if writer.flush():
                os.write(writing, step.to_bytes(8, "little"))
    os.close(writing)
    os.read(reading, 8)  # it has begun
    time.sleep(instants.expovariate(100))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    data = b"x"
    last = 0
    while data:
        data = os.read(reading, 1 << 16)
        if len(data) >= 8:
            last = int.from_bytes(data[-8:], "little")
    os.close(reading)
    told.append(last)
print(json.dumps(told))
"""


def output(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=3000,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_r1_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path):
    acknowledged = output(WRITERS, tmp_path, size(50, 1000), random.randrange(1 << 30))
    assert len(acknowledged) == size(50, 1000)
    for number, last in enumerate(acknowledged):
        frames = frames_of(tmp_path / f"{number}.tdlog")
        rows = [decode_rows(f.payload).columns["loss/train"] for f in frames if f.kind == Kind.ROWS]
        steps = [int(steps[0]) for steps, _ in rows]
        assert steps == list(range(len(steps)))
        assert len(steps) >= last + 1
        assert all(values[0] == step / 3 for step, (_, values) in enumerate(rows))


TRAININGS = """
import json, os, random, signal, sys, time, struct
from pathlib import Path
import torch, torch._dynamo, torch.nn.functional as F  # dynamo: once here, not in each child's first step
from traindoctor import watch
torch.set_num_threads(1)
folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
instants = random.Random(seed)
told = []
for number in range(count):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        torch.manual_seed(number)
        net = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))
        optimizer = torch.optim.Adam(net.parameters(), 1e-3)
        with watch(net, optimizer, out=folder / str(number)):
            while True:
                optimizer.zero_grad()
                loss = F.cross_entropy(net(torch.randn(8, 6)), torch.randint(0, 3, (8,)))
                loss.backward()
                optimizer.step()
                os.write(writing, struct.pack("<dd", time.monotonic(), loss.item()))
    os.close(writing)
    found = os.read(reading, 16)
    ends = time.monotonic() + instants.uniform(0.25, 1.0)
    while time.monotonic() < ends:
        found += os.read(reading, 1 << 16)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while data := os.read(reading, 1 << 16):
        found += data
    os.close(reading)
    told.append([pair for pair in struct.iter_unpack("<dd", found[: len(found) // 16 * 16])])
print(json.dumps(told))
"""
FLUSHED_WITHIN = 0.2


def test_r2_a_killed_training_loses_at_most_its_last_moment_and_is_reported(tmp_path):
    trainings = output(TRAININGS, tmp_path, size(6, 200), random.randrange(1 << 30))
    for number, told in enumerate(trainings):
        (folder,) = (tmp_path / str(number)).iterdir()
        run = read_run(folder)
        kept = run.series["loss/train"].values.tolist()
        printed = [loss for _, loss in told]
        assert run.info.status == "killed"
        assert kept[: len(printed)] == printed[: len(kept)]
        # A flush happens at the first step that ends 0.15 s after the last one: a step longer than the
        # whole allowance (the machine was busy) is given its own length.
        times = [moment for moment, _ in told]
        longest = max((b - a for a, b in itertools.pairwise(times)), default=0.0)
        old = [moment for moment in times if moment < times[-1] - FLUSHED_WITHIN - 2 * longest]
        assert len(kept) >= len(old)
        diagnosis = traindoctor.diagnose(run)
        traindoctor.render(diagnosis, tmp_path / f"{number}.md")
        assert "was killed" in (tmp_path / f"{number}.md").read_text()


ENDINGS = {
    # code: exit status as a shell or waitpid tells it, status in the log, exception in the log
    "pass": (0, "finished"),
    "sys.exit(0)": (0, "finished"),
    "sys.exit(3)": (3, "failed"),
    "1 / 0": (1, "failed"),
    "raise MemoryError": (1, "failed"),
    "os._exit(5)": (5, "killed"),
    "os.abort()": (-signal.SIGABRT, "killed"),
    "os.kill(os.getpid(), signal.SIGSEGV)": (-signal.SIGSEGV, "killed"),
    "os.kill(os.getpid(), signal.SIGTERM)": (-signal.SIGTERM, "killed"),
    "os.kill(os.getpid(), signal.SIGHUP)": (-signal.SIGHUP, "killed"),
    "os.kill(os.getpid(), signal.SIGINT)": (-signal.SIGINT, "failed"),
    "os.kill(os.getpid(), signal.SIGKILL)": (-signal.SIGKILL, "killed"),
    "import resource; resource.setrlimit(resource.RLIMIT_AS, (1, 1)); [0] * 10**9": (1, "failed"),
}
ENDS = """
import json, os, signal, sys, time
import torch, torch._dynamo  # dynamo: once here, not in the first step of each child
torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup and background jobs ignore these two
signal.signal(signal.SIGHUP, signal.SIG_DFL)
p = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([p], 0.1)
def train(n):
    for _ in range(n):
        optimizer.zero_grad()
        p.sum().backward()
        optimizer.step()
ENDINGS = json.loads(sys.argv[1])
ended = {}
for ending in ENDINGS:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        train(3)
        time.sleep(0.2)
        train(1)  # the log is on disk with the first step that ends 0.15 s after the last flush
        exec(ending)
        break
    status = os.waitpid(child, 0)[1]
    ended[child] = [ending, os.waitstatus_to_exitcode(status)]
else:
    print(json.dumps(ended))
"""


def test_r3_every_end_is_the_scripts_own_and_told_right(tmp_path):
    script = tmp_path / "ends.py"
    script.write_text(ENDS)
    launcher = [sys.executable, "-m", "traindoctor", "run", "--out", tmp_path / "runs", "--", script]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRAINDOCTOR_")}
    repeated = list(ENDINGS) * size(1, 20)
    done = subprocess.run(
        [*launcher, json.dumps(repeated)],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        timeout=3000,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    logs = {path.name.split(".")[-2]: path for path in folder.glob(f"*{SUFFIX}")}
    ended = json.loads(done.stdout)
    assert len(ended) == len(repeated)
    for pid, (ending, code) in ended.items():
        expected, status = ENDINGS[ending]
        run = read_run(Path(logs[pid]))
        assert (ending, code, run.info.status, run.n_steps) == (ending, expected, status, 4)
