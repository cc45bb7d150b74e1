"""Names of what a run leaves: its id, the folder that holds the runs, the log of one process."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEFAULT_ROOT = "traindoctor-runs"


def runs_root() -> Path:
    """The folder that holds one folder per run: `TRAINDOCTOR_OUT`, else `./traindoctor-runs`."""
    return Path(os.environ.get("TRAINDOCTOR_OUT") or DEFAULT_ROOT)


def new_run_id() -> str:
    """A fresh id, `YYYYMMDD-HHMMSS-<4 hex>` in local time. Never made from anything the user typed."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(2).hex()}"


def log_name(process: Mapping[str, Any]) -> str:
    """File name of one process's log: `rank00003.attempt02.<host>.<pid>.tdlog`.

    Args:
        process: what `describe_process` returns.
    """
    from traindoctor.runlog_format import SUFFIX  # numpy behind it would slow the launcher down

    host = re.sub(r"[^A-Za-z0-9-]", "-", str(process["host"]))
    rank, attempt, pid = int(process["rank"]), int(process["attempt"]), int(process["pid"])
    return f"rank{rank:05d}.attempt{attempt:02d}.{host}.{pid}{SUFFIX}"
