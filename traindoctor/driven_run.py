"""`traindoctor run` with a prescribed schedule or a seed: the orders are made, the script runs under them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .collectors.driving.orders import Orders, absolute
from .collectors.driving.trials import RunningTrial, Trial, run_trial, start_trial
from .collectors.run_names import runs_root
from .errors import UsageError
from .guard_look import wanted_codes, watch_log
from .guarding import GRACE_SECONDS, Ending, write_reason
from .guarding import STOPPED as STOPPED_CODE
from .prescription_file import lr_plan, read_prescription

FAILED = 70
"""Exit code where the script ended well but the orders were not followed."""


@dataclass(frozen=True)
class DrivenOptions:
    """Options of a driven run.

    Attributes:
        schedule: a prescription; None = the script's own schedule.
        seed: None = the script's own.
        seed_argument: how the script takes it, see `start_trial`.
        out: folder that receives the run's folder; None = the default.
        name: what to call the run.
        every: see `LaunchOptions`.
        budget: see `LaunchOptions`.
    """

    schedule: Path | None = None
    seed: int | None = None
    seed_argument: str | None = None
    out: Path | None = None
    name: str = ""
    every: int | None = None
    budget: float | None = None


def run_driven(command: Sequence[str], options: DrivenOptions) -> Trial:
    """Run the user's script, recorded, under a prescription or a seed; its output is shown as it comes.

    Raises:
        UsageError: the prescription prescribes nothing, or the command cannot be started.
        UnreadableLogError: the file is no prescription.
    """
    return run_trial(command, _orders(options), **_settings(options))


def run_driven_guarded(
    command: Sequence[str], options: DrivenOptions, stop_on: Sequence[str], seconds: float
) -> tuple[Trial, Ending]:
    """As `run_driven`, and stop the run when a finding was there in two looks at its log; see `run_guarded`.

    Raises:
        UsageError: also when a name fits no check.
        UnreadableLogError: the file is no prescription.
    """
    wanted_codes(stop_on)
    with start_trial(command, _orders(options), **_settings(options)) as running:
        found = watch_log(running.path, stop_on, seconds, lambda pause: _is_over(running, pause))
        if found is not None:
            with suppress(ProcessLookupError, PermissionError, AttributeError):
                os.killpg(
                    running.pid, signal.SIGINT
                )  # as by Ctrl-C, so that the script can save what it wants
            _is_over(running, GRACE_SECONDS)
        trial = running.wait() if found is None else running.stop(why=f"stopped for {found.code}")
    if found is not None:
        write_reason(trial.path, found)
    return trial, Ending(exit_code(trial) if found is None else STOPPED_CODE, found, trial.path)


def _is_over(running: RunningTrial, pause: float) -> bool:
    until = time.monotonic() + pause
    while running.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    return running.poll() is not None


def _orders(options: DrivenOptions) -> Orders:
    if options.seed_argument and options.seed is None:
        raise UsageError("--seed-arg: expected --seed beside it, found none")
    if options.schedule is None:
        return Orders(lr_plan=None)
    return Orders(lr_plan=absolute(lr_plan(read_prescription(options.schedule)).tolist()))


def _settings(options: DrivenOptions) -> dict[str, Any]:
    return {
        "out": options.out or runs_root(),
        "name": options.name,
        "seed": options.seed,
        "seed_argument": options.seed_argument,
        "every": options.every,
        "budget": options.budget,
        "inherit_output": True,
    }


def exit_code(trial: Trial) -> int:
    """The script's own exit code; another one where it ended well and nothing may be concluded from it."""
    return trial.exit_code or (FAILED if trial.failure else 0)
