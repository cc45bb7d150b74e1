"""Which run a process belongs to: ranks and restarts of one torchrun agree on an id without talking."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

from ..environment import boot_id, process_start
from ..run_names import new_run_id


def shared_run_id(environ: Mapping[str, str], root: Path) -> str:
    """The id of the run that this process starts or joins.

    Outside torchrun a fresh id. Under torchrun (`torchrun … -m traindoctor run -- train.py`) every rank
    computes the same one from what all ranks and all restarts share: the elastic run id and the agent, that
    is their parent process with its start time. Ranks on several machines have different agents; there the
    elastic run id and the address and port of the master stand in, and the folder must be on a shared disk.

    Args:
        environ: the environment of this process.
        root: folder of the runs; a restarted rank looks there for the folder of its first attempt.
    """
    elastic = environ.get("TORCHELASTIC_RUN_ID")
    if elastic is None:
        return new_run_id()
    if environ.get("GROUP_WORLD_SIZE", "1") != "1":
        shared = ("MASTER_ADDR", "MASTER_PORT", "SLURM_JOB_ID")
        parts = [elastic, *(environ.get(name, "") for name in shared)]
        return f"torchrun-{_digest(parts, 12)}"
    agent = os.getppid()
    start = process_start(agent)
    digest = _digest([elastic, str(agent), str(start), boot_id()], 4)
    if environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0":
        # The clock may have been set since the first attempt, which moves the computed second.
        earlier = sorted(root.glob(f"[0-9]*-{digest}"))
        if earlier:
            return earlier[-1].name
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(_started_at(start)))
    return f"{stamp}-{digest}"


def _digest(parts: list[str], length: int) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:length]


def _started_at(start: int | None) -> float:
    """Clock time (seconds since 1970) of a process start in ticks after boot; 0 when unknown.

    Whole seconds, from the kernel's own boot time, so that ranks which start together compute the same one.
    """
    if start is None:
        return 0.0
    lines = Path("/proc/stat").read_text().splitlines()
    booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return booted + start // os.sysconf("SC_CLK_TCK")
