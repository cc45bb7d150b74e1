"""What the launcher hands to the process it starts: names and reading of the TRAINDOCTOR_* variables."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMAT = "1"
"""Value of TRAINDOCTOR_HANDOVER; the injected file refuses any other, so old and new versions never mix."""


@dataclass(frozen=True)
class Handover:
    """What `traindoctor run` decided before the script started.

    Attributes:
        run_id: id of the run, the same in every process of it.
        run_folder: absolute folder of the run; it exists.
        name: what the user called the run, "" if nothing.
        every: steps between two samples of the parameter statistics, None = the governor decides.
        budget: share of the run's time that statistics and norms may take, e.g. 0.02; None = the default.
        config: JSON values for `RunInfo.config`: redacted command line, git commit, folder name.
    """

    run_id: str
    run_folder: Path
    name: str = ""
    every: int | None = None
    budget: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def variables(self) -> dict[str, str]:
        """The environment variables that carry it."""
        found = {
            "TRAINDOCTOR_HANDOVER": FORMAT,
            "TRAINDOCTOR_RUN_ID": self.run_id,
            "TRAINDOCTOR_RUN_DIR": str(self.run_folder),
            "TRAINDOCTOR_PID": str(os.getpid()),
            "TRAINDOCTOR_CONFIG": json.dumps(self.config, default=str),
        }
        if self.name:
            found["TRAINDOCTOR_NAME"] = self.name
        if self.every is not None:
            found["TRAINDOCTOR_EVERY"] = str(self.every)
        if self.budget is not None:
            found["TRAINDOCTOR_BUDGET"] = repr(self.budget)
        return found


def read_handover(environ: Mapping[str, str] | None = None) -> Handover | None:
    """The handover in the environment; None when no launcher of the same format started this process."""
    env = os.environ if environ is None else environ
    run_id, folder = env.get("TRAINDOCTOR_RUN_ID", ""), env.get("TRAINDOCTOR_RUN_DIR", "")
    if env.get("TRAINDOCTOR_HANDOVER") != FORMAT or not run_id or not folder:
        return None
    try:
        config = json.loads(env.get("TRAINDOCTOR_CONFIG", "{}"))
        every = int(env["TRAINDOCTOR_EVERY"]) if "TRAINDOCTOR_EVERY" in env else None
        budget = float(env["TRAINDOCTOR_BUDGET"]) if "TRAINDOCTOR_BUDGET" in env else None
    except ValueError:
        return None
    config = config if isinstance(config, dict) else {}
    return Handover(run_id, Path(folder), env.get("TRAINDOCTOR_NAME", ""), every, budget, config)
