"""A run that cannot be saved is stopped from outside; a sound one ends by itself."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from traindoctor.errors import TrainingStoppedError, UsageError
from traindoctor.guard_thread import Guard, raise_in, stopped

HOPELESS = """
import time, torch, traindoctor
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
WATCH
try:
    for step in range(100_000):
        x = torch.randn(8, 4)
        loss = (model(x) ** 2).mean()
        if BROKEN and step > 30:
            loss = loss * float("nan")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        time.sleep(0.002)
        if step == 250 and not BROKEN:
            break
except BaseException as error:
    print(type(error).__mro__[1].__name__, str(error)[:20])
    raise
"""


def script(folder: Path, broken: bool, watch: str = "") -> Path:
    path = folder / "train.py"
    path.write_text(HOPELESS.replace("BROKEN", str(broken)).replace("WATCH", watch))
    return path


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def test_a_hopeless_run_is_stopped_and_says_why(tmp_path: Path):
    path = script(tmp_path, broken=True)
    options = ["--out", tmp_path / "runs", "--stop-on", "critical", "--look-every", "0.3"]
    done = run("-m", "traindoctor", "run", *options, "--", path, cwd=tmp_path)
    assert done.returncode == 86, done.stderr
    assert "stopped for TD103 non-finite" in done.stderr
    assert "KeyboardInterrupt" in done.stdout + done.stderr  # it could have saved something
    (said,) = (tmp_path / "runs").glob("*/stopped.json")
    assert json.loads(said.read_text())["code"] == "TD103"


def test_a_sound_run_keeps_its_exit_code(tmp_path: Path):
    path = script(tmp_path, broken=False)
    options = ["--out", tmp_path / "runs", "--stop-on", "critical", "--look-every", "0.3"]
    done = run("-m", "traindoctor", "run", *options, "--", path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "runs").glob("*/stopped.json"))


def test_a_seeded_run_is_stopped_as_well(tmp_path: Path):
    path = script(tmp_path, broken=True)
    options = ["--out", tmp_path / "runs", "--stop-on", "critical", "--look-every", "0.3", "--seed", "3"]
    done = run("-m", "traindoctor", "run", *options, "--", path, cwd=tmp_path)
    assert done.returncode == 86, done.stderr
    assert "stopped for TD103 non-finite" in done.stderr
    assert "KeyboardInterrupt" in done.stdout + done.stderr
    (said,) = (tmp_path / "runs").glob("*/stopped.json")
    assert json.loads(said.read_text())["code"] == "TD103"
    sound = run("-m", "traindoctor", "run", *options, "--", script(tmp_path, broken=False), cwd=tmp_path)
    assert sound.returncode == 0, sound.stderr


def test_a_wrong_name_is_said_before_the_script_starts(tmp_path: Path):
    done = run("-m", "traindoctor", "run", "--stop-on", "plateu", "--", "no-such-file.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "nearest: plateau" in done.stderr


def test_watch_raises_in_the_training(tmp_path: Path):
    watch = "traindoctor.watch(model, optimizer, out='runs', on_critical='raise')"
    seconds = "import traindoctor.guard_thread as g; g.Guard.__init__.__defaults__ = (0.3,)\n"
    done = run(script(tmp_path, broken=True, watch=seconds + watch), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("TrainingStoppedError TD103 non-finite")


def test_a_reason_is_raised_in_the_thread_that_asked_or_told_to_a_function():
    said = {"code": "TD103", "name": "non-finite", "message": "It broke.", "action": "Go back."}

    def train() -> None:
        raise_in(threading.get_ident(), stopped(said))
        for _ in range(1000):
            pass

    with pytest.raises(TrainingStoppedError, match=r"TD103 non-finite: It broke\. Go back\."):
        train()
    with pytest.raises(UsageError, match="expected 'raise' or a function"):
        Guard(Path(), "rise")


def test_a_function_is_called_with_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told = threading.Event()
    said: list[Mapping[str, str]] = []
    line = 'print(\'{"code": "TD103", "message": "It broke."}\')'
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda program, **more: popen([program[0], "-c", line], **more))

    def react(reason: Mapping[str, str]) -> None:
        said.append(reason)
        told.set()

    guard = Guard(tmp_path, react)
    assert told.wait(60)
    guard.close()
    guard.close()
    assert said[0]["code"] == "TD103"
