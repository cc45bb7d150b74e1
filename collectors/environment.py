"""Where a run happened: versions, devices, process identity and git commit, without secrets."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .redaction import redact, redact_command

GIT_SECONDS = 2.0
"""Longest time that git may take to say whether the working tree is clean."""

_NAMED_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUBLAS_WORKSPACE_CONFIG",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "PYTHONHASHSEED",
    "NVIDIA_TF32_OVERRIDE",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "SLURM_JOB_ID",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "TORCHELASTIC_RESTART_COUNT",
    "TORCHELASTIC_MAX_RESTARTS",
    "PYTORCH_CUDA_ALLOC_CONF",
)


def describe_environment() -> dict[str, Any]:
    """Versions and host facts as JSON values. Looks only at modules already imported; imports none.

    `devices` holds the names of the accelerators when torch has already initialised them (asking earlier
    would initialise CUDA in a process that may still fork). `variables` is an allow-list, never the whole
    environment.
    """
    versions = {
        name: str(getattr(sys.modules[name], "__version__", ""))
        for name in ("torch", "torchvision", "numpy", "lightning", "transformers", "accelerate")
        if name in sys.modules
    }
    return {
        "python": platform.python_version(),
        "versions": versions,
        # not platform.platform(), which starts a program to name the processor
        "platform": f"{platform.system()}-{platform.release()}-{platform.machine()}",
        "cpus": os.cpu_count() or 0,
        "devices": _device_names(),
        "variables": {name: redact(os.environ[name]) for name in _NAMED_VARIABLES if name in os.environ},
    }


def _device_names() -> list[str]:
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)
    try:
        if cuda is None or not cuda.is_initialized():
            return []
        return [str(cuda.get_device_name(index)) for index in range(cuda.device_count())]
    except Exception:  # a broken driver must not cost the run its record
        return []


def describe_command(argv: list[str]) -> list[str]:
    """The command line with secrets replaced by `[redacted]`."""
    return redact_command(argv)


def describe_process() -> dict[str, Any]:
    """Who this process is, for the header of its log.

    Returns:
        `pid`, `host`, `boot` (id of this boot of the machine), `process_start` (clock ticks after boot; None
        where the system does not tell), `started` (seconds since 1970, UTC), and from the variables of
        torchrun or Slurm `rank`, `local_rank`, `world_size`, `attempt`.
    """
    return {
        "pid": os.getpid(),
        "host": host_name(),
        "boot": boot_id(),
        "process_start": process_start(os.getpid()),
        "started": time.time(),
        "rank": _number("RANK", "SLURM_PROCID", default=_rank_of_one_node()),
        "local_rank": _number("LOCAL_RANK", "SLURM_LOCALID"),
        "world_size": max(1, _number("WORLD_SIZE", "SLURM_NTASKS", default=1)),
        "attempt": _number("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"),
    }


def host_name() -> str:
    """Short name of this machine, letters, digits and dashes only."""
    name = socket.gethostname().split(".", 1)[0]
    return "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in name)[:64] or "host"


def boot_id() -> str:
    """Id of this boot of the machine, "" where there is none. Process starts compare within one boot only."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def process_start(pid: int) -> int | None:
    """When the process was started, in clock ticks after boot (Linux); None when it is gone or unknown.

    Together with the pid it names a process for good: pids are used again, a pid with its start is not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        fields = stat[stat.rindex(b")") + 2 :].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def _rank_of_one_node() -> int:
    """The rank where the launcher tells only the local one, as Lightning's own does; 0 on further nodes."""
    return 0 if _number("NODE_RANK") else _number("LOCAL_RANK")


def _number(*variables: str, default: int = 0) -> int:
    for variable in variables:
        text = os.environ.get(variable, "")
        if text.isascii() and text.isdigit():
            return int(text)
    return default


def describe_git(folder: Path, *, ask_git: bool = False) -> dict[str, Any]:
    """Commit and branch of the repository that holds `folder`, {} outside a repository.

    Args:
        folder: any folder inside the working tree.
        ask_git: also run `git status` (at most 2 s) to learn `dirty`: whether tracked files differ from the
            commit. Without it no process is started; `dirty` is absent when git did not answer.
    """
    try:
        git, common = _git_folders(folder)
        head = (git / "HEAD").read_text(errors="replace").strip()
    except (OSError, LookupError):
        return {}
    branch = head.removeprefix("ref: ") if head.startswith("ref: ") else ""
    commit = _resolve_ref(git, common, branch) if branch else head
    facts: dict[str, Any] = {"commit": commit, "branch": branch.removeprefix("refs/heads/")}
    dirty = _is_dirty(folder) if ask_git else None
    return facts if dirty is None else {**facts, "dirty": dirty}


def _git_folders(folder: Path) -> tuple[Path, Path]:
    """The repository's own folder and the one it shares refs with (they differ in a linked worktree)."""
    start = folder.resolve()
    for parent in (start, *start.parents):
        git = parent / ".git"
        if git.is_file():
            git = parent / git.read_text().removeprefix("gitdir:").strip()
        if (git / "HEAD").is_file():
            shared = git / "commondir"
            return git, (git / shared.read_text().strip() if shared.is_file() else git)
    raise LookupError(f"no repository holds {folder}")


def _resolve_ref(git: Path, common: Path, ref: str) -> str:
    for base in (git, common):
        loose = base / ref
        if loose.is_file():
            return loose.read_text().strip()
    packed = common / "packed-refs"
    lines = packed.read_text(errors="replace").splitlines() if packed.is_file() else []
    return next((line.split(" ", 1)[0] for line in lines if line.endswith(f" {ref}")), "")


def _is_dirty(folder: Path) -> bool | None:
    command = ["git", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            timeout=GIT_SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
            env=_git_variables(os.environ),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(done.stdout.strip())


def _git_variables(environ: Mapping[str, str]) -> dict[str, str]:
    # core.fsmonitor in a stranger's .git/config is a command line; status must not start it.
    return {
        **environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": "false",
    }
