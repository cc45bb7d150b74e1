"""Whether this installation can record and report: `traindoctor env`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from .launcher.command import INJECTED
from .probing import SECONDS, Answer, Check, ask
from .run_names import runs_root
from .surroundings import check_folder, check_fonts, check_pdf, check_space

OLDEST_PYTHON = (3, 11)
OLDEST_TORCH = (2, 5)


def check_installation(out: Path | None = None) -> Iterator[Check]:
    """Every check, in the order in which a user needs them; never raises.

    Args:
        out: folder that is to receive runs; default `runs_root()`.
    """
    root = (out or runs_root()).absolute()
    torch = cache(lambda: ask(TORCH))
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("python", check_python),
        ("torch", lambda: check_torch(torch())),
        ("torchvision", check_torchvision),
        ("GPU", lambda: check_gpu(torch(), graphics_cards())),
        ("recording", check_recording),
        ("sitecustomize", check_sitecustomize),
        ("output folder", lambda: check_folder(root)),
        ("disk space", lambda: check_space(root)),
        ("PDF reports", check_pdf),
        ("fonts", check_fonts),
    ]
    for name, check in checks:
        try:
            yield check()
        except Exception as error:  # a diagnosis that dies of what it looks for is none
            yield Check(name, "problem", f"could not be checked ({type(error).__name__}: {error})")


def check_python() -> Check:
    """This Python."""
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return Check("python", "problem", found, f"install traindoctor in Python {wanted} or later")
    return Check("python", "ok", found)


TORCH = """
import json, torch
print(json.dumps({"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip,
    "available": torch.cuda.is_available(), "count": torch.cuda.device_count()}))
"""


def check_torch(answer: Answer) -> Check:
    """Whether torch can be imported, and is new enough; from the answer to `TORCH`."""
    if answer.failure:
        missing = "No module named 'torch'" in answer.failure
        found = "not installed" if missing else f"cannot be imported: {answer.failure}"
        what = "recording needs torch: pip install 'traindoctor[torch]'; reports work without it"
        return Check("torch", "note" if missing else "problem", found, what if missing else "reinstall torch")
    version = str(answer.facts["version"])
    if _version(version) < OLDEST_TORCH:
        wanted = ".".join(map(str, OLDEST_TORCH))
        return Check(
            "torch", "problem", version, f"traindoctor is tested from torch {wanted} on: upgrade torch"
        )
    return Check("torch", "ok", version)


def check_torchvision() -> Check:
    """Whether torchvision fits torch: a mismatched pair fails at import, or at the first operator."""
    code = """
import json, torchvision, torch
torchvision.ops.nms(torch.ones(1, 4), torch.ones(1), 0.5)
print(json.dumps({"version": torchvision.__version__}))
"""
    answer = ask(code)
    if not answer.failure:
        return Check("torchvision", "ok", str(answer.facts["version"]))
    if "No module named 'torch" in answer.failure:
        return Check("torchvision", "ok", "not installed, and not needed")
    advice = (
        "torch and torchvision do not fit: install both with one command, pip install -U torch torchvision"
    )
    return Check("torchvision", "problem", f"does not work: {answer.failure}", advice)


def check_gpu(answer: Answer, cards: str) -> Check:
    """Whether the GPU of the machine, if there is one, can be used by this torch."""
    if answer.failure:
        return Check("GPU", "note", f"{cards or 'none found'}; torch was not asked")
    facts = answer.facts
    if facts["available"]:
        return Check("GPU", "ok", f"{cards or 'found'}; torch uses {facts['count']} device(s)")
    if not cards:
        return Check("GPU", "ok", "none found; training runs on the CPU")
    if not facts["cuda"] and not facts["hip"]:
        found = f"{cards}, but this torch is built for the CPU"
        return Check("GPU", "note", found, "to train on it, install a torch built for CUDA")
    advice = f"torch is built for CUDA {facts['cuda']}: update the driver, and look at CUDA_VISIBLE_DEVICES"
    return Check("GPU", "note", f"{cards}, but torch cannot use it", advice)


def graphics_cards() -> str:
    """Names and driver as nvidia-smi tells them, "" without one."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return f"{', driver '.join(lines[0].split(', '))} x{len(lines)}" if done.returncode == 0 and lines else ""


TRAINING = """
import torch
p = torch.nn.Parameter(torch.ones(1))
optimizer = torch.optim.SGD([p], 0.1)
for _ in range(2):
    optimizer.zero_grad()
    p.square().sum().backward()
    optimizer.step()
"""


def check_recording() -> Check:
    """Whether `traindoctor run` records here: two steps of a training of one number."""
    from .importers.native import read_run

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "traindoctor", "run", "--out", folder, "--", "-c", TRAINING]
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TRAINDOCTOR_")}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environ
        )
        logs = list(Path(folder).glob("*/*.tdlog"))
        if done.returncode == 0 and logs:
            run = read_run(logs[0])
            if run.n_steps == 2:
                return Check("recording", "ok", "a training of two steps was recorded and read back")
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    found = lines[-1][:300] if lines else f"ended by code {done.returncode}, without a log"
    if "No module named 'torch'" in found:
        return Check("recording", "note", "not tried: torch is not installed")
    advice = "use `with traindoctor.watch(model, optimizer):` in the script, and please report this line"
    return Check("recording", "problem", found, advice)


def check_sitecustomize() -> Check:
    """Whether the environment has a sitecustomize of its own, and whether it still runs under ours."""
    code = """
import importlib.util, json
spec = importlib.util.find_spec("sitecustomize")
print(json.dumps({"at": spec.origin if spec else ""}))
"""
    own = ask(code)
    injected = os.pathsep.join(filter(None, [str(INJECTED), os.environ.get("PYTHONPATH", "")]))
    chained = ask(
        "import json, sys; m = sys.modules.get('sitecustomize')\n"
        "print(json.dumps({'at': getattr(m, '__file__', '') or ''}))",
        PYTHONPATH=injected,
    )
    if own.failure or chained.failure:
        advice = "a sitecustomize.py on this path fails by itself: python -c 'import sitecustomize'"
        return Check("sitecustomize", "problem", own.failure or chained.failure, advice)
    if not own.facts["at"]:
        return Check("sitecustomize", "ok", "the environment has none of its own")
    if Path(own.facts["at"]) == Path(chained.facts["at"]):
        return Check("sitecustomize", "ok", f"{own.facts['at']} still runs under `traindoctor run`")
    advice = "under `traindoctor run` another one is found first: look at PYTHONPATH"
    return Check("sitecustomize", "problem", f"{own.facts['at']} does not run", advice)


def _version(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: `2.13.0+cpu` -> (2, 13)."""
    parts = text.split("+", 1)[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())
