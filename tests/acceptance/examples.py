"""Runs the example scripts, as they are or with one line changed, with and without the wrapper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import traindoctor
from traindoctor.finding import Diagnosis

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
DATASETS = ROOT.parent / "shared" / "datasets"


def dataset(name: str) -> str:
    path = DATASETS / name
    if not path.exists():
        pytest.skip(f"the data set {name} is not beside this checkout")
    return str(path)


def edited(folder: Path, example: str) -> Path:
    """A copy of an example in `folder`."""
    target = folder / f"{example}.py"
    target.write_text((EXAMPLES / f"{example}.py").read_text())
    return target


def edit(script: Path, old: str, new: str) -> Path:
    text = script.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {script.name}"
    script.write_text(text.replace(old, new))
    return script


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRAINDOCTOR")}
    return {**kept, "OMP_NUM_THREADS": "1"}


def plain(script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=cwd, env=environment(), capture_output=True, text=True
    )


def wrapped(script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "traindoctor", "run", "--out", "runs", "--", str(script), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True)


def recorded(folder: Path) -> traindoctor.Run:
    (run,) = (folder / "runs").iterdir()
    return traindoctor.load(run)


def diagnosed(script: Path, *arguments: str, cwd: Path) -> Diagnosis:
    done = wrapped(script, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return traindoctor.diagnose(recorded(cwd))


def summary(diagnosis: Diagnosis) -> str:
    return json.dumps([(f.code, f.name, f.severity, f.message) for f in diagnosis.findings], indent=1)
