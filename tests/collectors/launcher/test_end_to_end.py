"""Real torch, unmodified scripts, the launcher, and the run that is read back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tests.collectors.launcher.scripts import LAUNCH
from traindoctor.collectors.importers.native import read_run
from traindoctor.collectors.run_folder import find_run, list_runs

pytest.importorskip("torch")

TRAIN = """
    import os, signal, sys
    import torch
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs = torch.randn(64, 4)
    targets = (inputs.sum(1) > 0).long()
    for step in range(25):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        print(step, repr(loss.item()), flush=True)
    {ending}
"""


def environment(**changes):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRAINDOCTOR_")}
    return {**kept, "OMP_NUM_THREADS": "1", **changes}


@pytest.fixture
def run_script(tmp_path):
    def run(code):
        (tmp_path / "train.py").write_text(textwrap.dedent(code))
        command = [sys.executable, "-c", LAUNCH, str(tmp_path / "runs"), "train.py"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )

    return run


def printed_losses(text):
    return [float(value) for value in re.findall(r"^\d+ (\S+)$", text, re.MULTILINE)]


# A killed process keeps what was flushed: the extra step comes after the time between two flushes.
KILL = "import time; time.sleep(0.5); loss = model(inputs).mean(); loss.backward(); optimizer.step()\n"
ENDINGS = {"sys.exit(3)": (3, "failed"), f"{KILL}    os.kill(os.getpid(), signal.SIGKILL)": (-9, "killed")}


@pytest.mark.parametrize("ending", ENDINGS, ids=["exit 3", "killed"])
def test_what_a_script_prints_is_what_is_recorded(run_script, tmp_path, ending):
    code, status = ENDINGS[ending]
    recorded = run_script(TRAIN.format(ending=ending))
    assert (recorded.returncode, recorded.stderr) == (code, "")
    (summary,) = list_runs(tmp_path / "runs")
    run = read_run(find_run(None, tmp_path / "runs"))
    losses = printed_losses(recorded.stdout)
    assert len(losses) == 25
    assert run.series["loss/train"].values[:25].tolist() == losses
    assert run.series["lr/0"].values[:25].tolist() == [0.1] * 25
    assert (run.info.status, summary.status) == (status, status)
    assert summary.last_loss == run.series["loss/train"].values[-1]
    assert run.info.config["command"] == ["train.py"]
    assert [parameter.shape for parameter in run.info.parameters] == [(8, 4), (8,), (2, 8), (2,)]
    assert set(run.parameters["weight_norm"]) == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_a_script_that_trains_nothing_leaves_a_clear_message(run_script, tmp_path):
    outcome = run_script("import torch\nprint(torch.ones(1).item())\n")
    assert (outcome.returncode, outcome.stdout) == (0, "1.0\n")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("traindoctor: no optimizer step was seen")
    run = read_run(find_run(None, tmp_path / "runs"))
    assert run.n_steps == 0
    assert any("no optimizer step was seen" in sentence for sentence in run.info.diagnostics)


RANKS = """
    import os
    import torch
    torch.set_num_threads(1)
    rank, attempt = int(os.environ["RANK"]), os.environ["TORCHELASTIC_RESTART_COUNT"]
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(4):
        optimizer.zero_grad()
        loss = model(torch.ones(2, 3)).square().mean() * 0 + float(rank + 10 * int(attempt) + step)
        loss.backward()
        optimizer.step()
    if rank == 1 and attempt == "0":
        raise SystemExit(1)
"""


def test_ranks_and_restarts_of_torchrun_are_one_run(tmp_path):
    (tmp_path / "train.py").write_text(textwrap.dedent(RANKS))
    options = ["--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *options]
    launch = ["-m", "traindoctor", "run", "--out", "runs", "--", "train.py"]
    done = subprocess.run(
        [*torchrun, *launch], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    names = {file.name.rsplit(".", 3)[0] for file in folder.glob("*.tdlog")}
    assert {"rank00001.attempt00", "rank00000.attempt01", "rank00001.attempt01"} <= names
    run = read_run(folder)
    np.testing.assert_array_equal(run.series["loss/train"].values, [10.5, 11.5, 12.5, 13.5])
    assert run.info.status == "finished"
    assert any("2 of 2 ranks are merged" in sentence for sentence in run.info.diagnostics)
