"""`traindoctor run` with a prescribed schedule or a seed: the orders are made, the script runs under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .collectors.driving.orders import Orders, absolute
from .collectors.driving.trials import Trial, run_trial
from .collectors.run_names import runs_root
from .errors import UsageError
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
    if options.seed_argument and options.seed is None:
        raise UsageError("--seed-arg: expected --seed beside it, found none")
    plan = (
        None if options.schedule is None else absolute(lr_plan(read_prescription(options.schedule)).tolist())
    )
    return run_trial(
        command,
        Orders(lr_plan=plan),
        out=options.out or runs_root(),
        name=options.name,
        seed=options.seed,
        seed_argument=options.seed_argument,
        every=options.every,
        budget=options.budget,
        inherit_output=True,
    )


def exit_code(trial: Trial) -> int:
    """The script's own exit code; another one where it ended well and nothing may be concluded from it."""
    return trial.exit_code or (FAILED if trial.failure else 0)
