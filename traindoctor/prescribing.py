"""Prescribes for a recorded run: from its log alone, or by a sweep of short runs of its script."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import TrialFailedError, UsageError
from .finding import Diagnosis
from .prescription import Prescription, Sweep, SweepPoint
from .prescription_file import FILE_NAME, read_prescription
from .run import Run
from .trial_score import Script, recorded_seconds

if TYPE_CHECKING:
    from .analyzer.schedule.setup import Setup
    from .analyzer.schedule.sweep import Sweeper

FIRST_RUNS = 3
"""Short runs that every sweep makes."""

Told = Callable[[int, int, float], None]
"""Called before each short run: its number from 1 on, the largest number there may be, its peak LR."""


@dataclass(frozen=True, eq=False)
class Case:
    """A diagnosed run, ready for a prescription.

    Attributes:
        diagnosis: the diagnosis; its prescription is the one from the log alone.
        setup: what a sweep would begin with; a sentence where none can be made.
    """

    diagnosis: Diagnosis
    setup: Setup | str


@dataclass(frozen=True)
class Cost:
    """What a sweep takes.

    Attributes:
        least: short runs that it makes at least.
        most: short runs that it makes at most.
        steps: optimizer steps of each.
        share: `steps` over those of the full run.
        seconds: expected wall-clock time of each, NaN when unknown.
    """

    least: int
    most: int
    steps: int
    share: float
    seconds: float

    def sentence(self) -> str:
        """The cost, with units."""
        runs = f"{self.least} to {self.most}" if self.most > self.least else f"{self.least}"
        spent = f"{self.least * self.share:.2g} to {self.most * self.share:.2g}"
        time = ""
        if math.isfinite(self.seconds):
            low, high = (recorded_seconds(n * self.seconds) for n in (self.least, self.most))
            time = f", about {low} to {high} in all (from the recorded run)"
        return (
            f"sweep: {runs} short runs of {self.steps} optimizer steps each, {100 * self.share:.0f} % of the "
            f"recorded run; {spent} recorded runs of compute{time}"
        )


def open_case(run: Run, diagnosis: Diagnosis) -> Case:
    """Work out what a sweep of this run's script would begin with."""
    from .analyzer.schedule.setup import sweep_setup

    return Case(diagnosis, sweep_setup(run, diagnosis.schedule, diagnosis.findings))


def cost_of(setup: Setup, budget: float | None = None) -> Cost:
    """What the sweep takes, within a budget in recorded runs.

    Raises:
        UsageError: the budget is too small for the first three short runs.
    """
    from .analyzer.schedule.sweep import MOST_EXTENSIONS

    most = FIRST_RUNS + MOST_EXTENSIONS
    if budget is not None:
        # a budget of 0.6 means three runs of 20 %: the margin is for rounding
        most = min(most, math.floor(budget / setup.share + 1e-9))
        if most < FIRST_RUNS:
            raise UsageError(
                f"--budget: expected at least {FIRST_RUNS * setup.share:.2g} recorded runs for "
                f"{FIRST_RUNS} short runs of {setup.steps} steps, found {budget:g}; without a script, "
                "`traindoctor prescribe RUN` gives a hint from the log at no cost"
            )
    return Cost(FIRST_RUNS, most, setup.steps, setup.share, setup.seconds)


def sweep(setup: Setup, script: Script, seed: int, cost: Cost, told: Told | None = None) -> Sweep:
    """Make the short runs.

    Args:
        setup: from a `Case`.
        script: the command.
        seed: seed of every short run.
        cost: from `cost_of`, how many runs there may be.
        told: called before each run.

    Raises:
        TrialFailedError: a short run ended without a score for a reason other than divergence.
        UsageError: the command cannot be started.
    """
    sweeper = setup.sweeper(seed, cost.most)
    while (lr := sweeper.ask()) is not None:
        if told is not None:
            told(len(sweeper.points) + 1, cost.most, lr)
        point = _short_run(setup, script, sweeper, lr)
        sweeper.tell(point.lr, point.score, point.seconds, point.first_loss)
    return sweeper.result()


def _short_run(setup: Setup, script: Script, sweeper: Sweeper, lr: float) -> SweepPoint:
    from .analyzer.schedule.sweep import short_schedule
    from .collectors.driving.orders import Orders, absolute

    plan = short_schedule(lr, setup.steps)
    orders = Orders(lr_plan=absolute(plan.tolist()), max_steps=setup.steps, wait_for_evaluation=True)
    outcome = script.run(orders, setup.judge, f"sweep lr {lr:.3g}", sweeper.seed, plan)
    if outcome.failure:
        raise TrialFailedError(
            f"the short run at a peak learning rate of {lr:.3g} gave no result: {outcome.failure}. "
            "Nothing is prescribed."
        )
    return SweepPoint(lr, outcome.score, outcome.seconds, outcome.first_loss)


def decide(case: Case, found: Sweep, shape: str = "linear") -> Prescription:
    """The prescription that a sweep gives; its code is replayed on torch where that is installed."""
    from .analyzer.schedule.decision import decide as decide_on
    from .collectors.replay import replay_or_none

    assert not isinstance(case.setup, str)
    return decide_on(case.diagnosis.run, case.setup, found, replay_or_none(), shape)


@contextmanager
def trial_folder(keep: Path | None) -> Generator[Path]:
    """Where the runs go: `keep`, or a folder that is removed at the end."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="traindoctor-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def default_file(run: Run) -> Path:
    """prescription.json in the folder of a recorded run; in the current folder for logs of other tools."""
    if run.info.source != "traindoctor" or not run.info.path:
        return Path(FILE_NAME)
    place = Path(run.info.path)
    return (place if place.is_dir() else place.parent) / FILE_NAME


def with_prescription(diagnosis: Diagnosis, path: Path | None = None) -> Diagnosis:
    """The diagnosis with the prescription of a file in place of the one from the log.

    Args:
        diagnosis: of the run.
        path: the file; the one in the run's folder when None, if there is one.

    Raises:
        UsageError: there is nothing at `path`.
        UnreadableLogError: the file is no prescription.
    """
    if path is None:
        path = default_file(diagnosis.run)
        if diagnosis.run.info.source != "traindoctor" or not path.is_file():
            return diagnosis
    return replace(diagnosis, prescription=read_prescription(path))
