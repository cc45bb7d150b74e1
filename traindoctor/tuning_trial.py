"""One trial of a search: the script started under its values, followed, stopped early, and judged."""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from .analyzer.search.space import Space
from .collectors.driving.orders import LrPlan, Orders, absolute
from .collectors.driving.trials import RunningTrial, start_trial
from .collectors.driving.trials import Trial as DrivenTrial
from .collectors.importers.native import read_run
from .collectors.live_log import LiveLog
from .errors import TraindoctorError, UsageError
from .names import LOSS_TRAIN
from .run import Run
from .tuning_plan import Measured, Outcome, Plan

DIVERGED_FACTOR = 2.0
"""A loss that ends above this multiple of the first training loss counts as diverged (schedules.md 7)."""

LONG_SERIES = 100
"""Values from which on a series is taken for one of every step, whose single values are noise."""

_NON_FINITE = 20
"""Training losses in a row that are not finite end a trial: fewer may be steps that a GradScaler skips."""

_POLL_SECONDS = 0.1


class ObjectiveMissingError(UsageError):
    """The script ran, but the series to be judged was not recorded."""


class Following:
    """A running trial as its log grows: reports on the way, and whether it has gone wrong.

    Attributes:
        plan: of the search.
        points: values of the objective so far.
        why_stop: why it should be stopped, "" while it should not.
        state: what it counts as then.
    """

    def __init__(
        self, plan: Plan, folder: Path, measured: Measured | None, report: Callable[[int, float], bool]
    ) -> None:
        self.points: list[float] = []
        self.why_stop = ""
        self.state = "complete"
        self.plan = plan
        self._log = LiveLog(folder, {plan.objective, LOSS_TRAIN})
        self._stride = measured.stride if measured else 0
        self._report = report
        self._n_bad = 0

    def look(self) -> None:
        """Read what was added to the log, and report it."""
        new = self._log.new()
        for _, value in new.get(LOSS_TRAIN, ()):
            self._n_bad = 0 if math.isfinite(value) else self._n_bad + 1
        if self._n_bad >= _NON_FINITE:
            self._give_up("diverged", f"the training loss was not finite for {_NON_FINITE} steps")
        for _, value in new.get(self.plan.objective, ()):
            self.points.append(value)
            if self._stride and len(self.points) % self._stride == 0 and not self.why_stop:
                self._one_report(len(self.points) // self._stride)

    def _one_report(self, number: int) -> None:
        value = float(np.median(self.points[-self._stride :]))
        if not math.isfinite(value):
            self._give_up("diverged", f"{self.plan.objective} was {value} at evaluation {number}")
        elif self._report(number, value):
            self._give_up("pruned", f"Hyperband, evaluation {number}")

    def _give_up(self, state: str, why: str) -> None:
        if not self.why_stop:
            self.state, self.why_stop = state, why


def begin(
    plan: Plan, space: Space, values: Mapping[str, Any], out: Path, name: str, horizon: int
) -> RunningTrial:
    """Start the script with one set of values.

    Args:
        horizon: optimizer steps of a full run, for a schedule set through the hook; 0 when unknown.
    """
    return start_trial(
        space.command(values), orders_of(space.hooked(values), horizon), out=out, name=name, seed=plan.seed
    )


def orders_of(hooked: Mapping[str, Any], horizon: int) -> Orders:
    """What the optimizer hook does for these values; a schedule is planned over `horizon` steps."""
    numbers: dict[str, Any] = {key: float(value) for key, value in hooked.items() if key != "schedule"}
    family = hooked.get("schedule")
    if family is None:
        return Orders(**numbers)
    shape = _shape(str(family), horizon)
    peak = numbers.pop("lr", None)
    plan = absolute(peak * shape) if peak is not None else LrPlan("factor", tuple(map(float, shape)))
    return Orders(lr_plan=plan, **numbers)


def _shape(family: str, n_steps: int) -> Any:
    """Shape (n_steps,): the schedule with peak 1; 5 % linear warm-up for those that decay to 0."""
    if family == "constant" or n_steps < 2:
        return np.ones(max(n_steps, 1))
    at = np.arange(n_steps, dtype=np.float64)
    n_warm = max(1, round(0.05 * n_steps))
    left = (n_steps - at) / (n_steps - n_warm)
    decay = left if family == "linear" else 0.5 * (1 - np.cos(np.pi * np.clip(left, 0, 1)))
    return np.minimum((at + 1) / n_warm, np.clip(decay, 0.0, 1.0))


def follow(running: RunningTrial, following: Following, goes_on: Callable[[], bool]) -> Outcome:
    """Follow a trial to its end, or to where it is given up or the session ends.

    Args:
        goes_on: asked about ten times a second; False stops the script and the trial counts as `lost`.
    """
    with running:
        while (ended := running.poll()) is None:
            following.look()
            if following.why_stop:
                ended = running.stop(why=following.why_stop)
                return _given_up(following, ended)
            if not goes_on():
                running.stop(why="the session ended")
                return Outcome("lost", why="the session ended; the same parameters were queued again")
            time.sleep(_POLL_SECONDS)
    following.look()
    if following.state == "diverged":
        return _given_up(following, ended)
    return judged(ended, following)


def _given_up(following: Following, ended: DrivenTrial) -> Outcome:
    """The outcome of a trial that was stopped; one that had diverged by then has not merely fallen behind."""
    points, run = tuple(following.points), _read(ended.path)
    limit = _limit(following.plan, run) if run is not None else math.nan
    value = points[-1] if points else math.nan
    state, why = following.state, following.why_stop
    if state == "pruned" and value > limit:
        state, why = "diverged", _above(following.plan, value)
    return Outcome(cast("Any", state), value, limit, why, ended.seconds, points, ended.steps)


def judged(ended: DrivenTrial, following: Following) -> Outcome:
    """The outcome of a trial whose script ended by itself.

    Raises:
        ObjectiveMissingError: it ended well, and the objective is not among what was recorded.
    """
    plan, run = following.plan, _read(ended.path)
    if ended.failure:
        if run is not None and _ends_badly(run):
            limit = _limit(plan, run)
            return Outcome("diverged", math.nan, limit, ended.failure, ended.seconds, (), ended.steps)
        return Outcome("failed", why=ended.failure, seconds=ended.seconds, steps=ended.steps)
    if run is None or not run.series:
        raise ObjectiveMissingError(
            "nothing was recorded: the script must train with an optimizer of torch.optim, in the Python "
            "that has traindoctor installed (`traindoctor run -- SCRIPT` shows what is recorded)"
        )
    series = run.get(plan.objective)
    if series is None:
        raise ObjectiveMissingError(missing_objective(plan.objective, run))
    points = tuple(float(value) for value in series.values)
    value, limit = score(points, plan), _limit(plan, run)
    state: Any = "complete"
    why = ""
    if not math.isfinite(value):
        state, why = "diverged", f"{plan.objective} ended as {value}"
    elif value > limit:
        state = "diverged"
        why = _above(plan, value)
    return Outcome(state, value, limit, why, ended.seconds, points, max(ended.steps, run.n_steps))


def score(points: Sequence[float], plan: Plan) -> float:
    """The one number of a trial, see `Plan.score`."""
    if plan.score == "best":
        finite = [value for value in points if math.isfinite(value)]
        if not finite:
            return points[-1]
        return min(finite) if plan.better == "lower" else max(finite)
    if len(points) <= LONG_SERIES:
        return points[-1]
    return float(np.median(points[-max(1, len(points) // 20) :]))


def missing_objective(name: str, run: Run) -> str:
    """What to say when the objective was not recorded."""
    known = sorted(known for known in run.series if run.get(known) is not None)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    reason = ""
    if name == "loss/validation":
        reason = " (no evaluation with gradients off and a loss was seen)"
    return (
        f"expected the series {name!r} to judge trials by, but it was not recorded{reason}; recorded were: "
        f"{', '.join(known[:30])}{hint}; name one with --objective"
    )


def _limit(plan: Plan, run: Run) -> float:
    """Above it a loss counts as diverged; NaN for other objectives and where the first one is unknown."""
    losses = run.get(LOSS_TRAIN)
    if plan.better != "lower" or not plan.objective.startswith("loss/") or losses is None:
        return math.nan
    level = float(losses.values[0])  # before any update: no learning rate has touched it
    return DIVERGED_FACTOR * level if math.isfinite(level) and level > 0 else math.nan


def _above(plan: Plan, value: float) -> str:
    return f"{plan.objective} was {value:.4g}, above {DIVERGED_FACTOR:g} x the first training loss"


def _ends_badly(run: Run) -> bool:
    losses = run.get(LOSS_TRAIN)
    return losses is not None and not bool(np.isfinite(losses.values[-1:]).all())


def _read(folder: Path) -> Run | None:
    try:
        return read_run(folder)
    except TraindoctorError:
        return None
