"""However a script ends, its exit code is its own and what was recorded is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.examples import environment, wrapped

SCRIPT = """
import os, signal, sys, time
import torch
from torch import nn

ending = sys.argv[1]
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(512, 8)
y = (x[:, 0] > 0).long()
if ending == "nothing":
    sys.exit(0)
for step in range(120):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
if ending == "raise":
    raise ValueError("a bug of the user")
if ending == "exit":
    sys.exit(3)
time.sleep(0.6)  # the log is on disk 0.2 s after a step that follows
loss = nn.functional.cross_entropy(model(x), y)
loss.backward()
optimizer.step()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("ending", "code", "status", "report_code", "words"),
    [
        ("raise", 1, "failed", 0, "Healthy until it failed"),
        ("exit", 3, "failed", 0, "Healthy until it failed"),
        ("kill", -9, "killed", 0, "Healthy until it was killed"),
        ("nothing", 0, "finished", 3, "no optimizer step was recorded"),
    ],
)
def test_endings(tmp_path: Path, ending: str, code: int, status: str, report_code: int, words: str):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    done = wrapped(script, ending, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert ("a bug of the user" in done.stderr) == (ending == "raise")
    command = [sys.executable, "-m", "traindoctor", "report", "--runs", "runs", "--format", "json", "-o", "-"]
    report = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert report.returncode == report_code, report.stderr
    assert "Traceback" not in report.stderr
    found = json.loads(report.stdout)
    assert found["run"]["status"] == status
    assert words in found["verdict"]["sentence"]
    assert found["run"]["steps"] == 0 if ending == "nothing" else found["run"]["steps"] >= 100
