"""One run of the user's script under orders, and the one number that it is judged by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import TraindoctorError
from .names import LOSS_TRAIN
from .run import Floats, Run

if TYPE_CHECKING:
    from .analyzer.schedule.objective import Judge
    from .collectors.driving.orders import Orders
    from .collectors.driving.trials import RunningTrial, Trial

_LR_TOLERANCE = 1e-5
"""Largest relative deviation of the LR that the steps used from the planned one; a float32 LR has 6e-8."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        score: the objective at its end; infinite when it diverged, NaN when it failed.
        first_loss: training loss of its first step, NaN when none was recorded.
        steps: optimizer steps that were driven.
        seconds: wall-clock time.
        failure: why there is no score, "" when there is one.
        path: the run's folder, None when it is removed.
        notes: what a reader of the score has to know, in sentences.
    """

    score: float
    first_loss: float
    steps: int
    seconds: float
    failure: str
    path: Path | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Script:
    """The user's command and how its runs are started.

    Attributes:
        command: as for `traindoctor run`.
        out: folder that receives the folders of the runs.
        seed_argument: how the script takes a seed, None to seed it from outside.
        is_kept: whether `out` stays when everything is done.
        on_progress: called about ten times a second while a run goes on.
        settings: (`lr`, `momentum` or `weight_decay`, value) set in its optimizer from outside.
        may_end_early: whether fewer steps than ordered are its own business, such as early stopping.
    """

    command: tuple[str, ...]
    out: Path
    seed_argument: str | None = None
    is_kept: bool = False
    on_progress: Callable[[RunningTrial], None] | None = None
    settings: tuple[tuple[str, float], ...] = ()
    may_end_early: bool = False

    def run(
        self, orders: Orders, judge: Judge, name: str, seed: int, planned: Floats | None = None
    ) -> Outcome:
        """Run it and score it.

        Args:
            orders: what to do differently; `max_steps` is the number of steps it has to take.
            judge: reads the score.
            name: what to call the run.
            seed: its seed.
            planned: LR of the first group at each step, to be found again in the recording; None when the
                script's own is used.

        Raises:
            UsageError: the command cannot be started.
        """
        from .collectors.driving.trials import run_trial

        for setting, value in self.settings:
            orders = replace(orders, **{setting: value})  # type: ignore[arg-type]
        trial = run_trial(
            self.command,
            orders,
            out=self.out,
            name=name,
            seed=seed,
            seed_argument=self.seed_argument,
            on_progress=self.on_progress,
        )
        least = 0 if self.may_end_early else orders.max_steps or 0
        return _outcome(trial, least, judge, planned)


def recorded_seconds(seconds: float) -> str:
    """A duration in words, "an unknown time" when it is not known."""
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds < 100:
        return f"{max(seconds, 0.1):.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _outcome(trial: Trial, least: int, judge: Judge, planned: Floats | None) -> Outcome:
    score, first_loss, failure = math.nan, math.nan, trial.failure
    run = _loaded(trial)
    if run is None:
        failure = failure or "nothing was recorded of it"
    else:
        score, first_loss = judge.score(run), _first_loss(run)
        failure = _failure(trial, least, judge, run, score, planned)
    score = math.nan if failure else score
    return Outcome(score, first_loss, trial.steps, trial.seconds, failure, trial.path, trial.notes)


def _failure(trial: Trial, least: int, judge: Judge, run: Run, score: float, planned: Floats | None) -> str:
    """Why the run has no score; "" also for one that diverged, whatever exit code it ended with.

    Args:
        least: optimizer steps that it had to take.
    """
    if score == math.inf and not trial.is_stopped:
        return ""
    if trial.failure:
        return trial.failure
    if trial.steps < least:
        return (
            f"it took {trial.steps} optimizer steps instead of {least}; is it the command that "
            "was recorded, with the same arguments?"
        )
    if math.isnan(score):
        return f"no {judge.series} was recorded at its end; the script has to evaluate near its last step"
    return "" if planned is None or _is_followed(run, planned) else _NOT_FOLLOWED


_NOT_FOLLOWED = (
    "the learning rates that its steps used are not the planned ones; something in the script sets them "
    "inside optimizer.step()"
)


def _is_followed(run: Run, planned: Floats) -> bool:
    rates = next(iter(run.learning_rates().values()), None)
    if rates is None:
        return True
    inside = rates.steps < planned.size
    wanted = planned[rates.steps[inside]]
    off = np.abs(rates.values[inside] - wanted)
    return bool(np.all(off <= _LR_TOLERANCE * np.maximum(wanted, float(planned.max()) * 1e-6)))


def _loaded(trial: Trial) -> Run | None:
    from . import load

    try:
        return load(trial.path)
    except TraindoctorError:
        return None


def _first_loss(run: Run) -> float:
    loss = run.get(LOSS_TRAIN)
    return float(loss.values[0]) if loss is not None and int(loss.steps[0]) == 0 else math.nan
