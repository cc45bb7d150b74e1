"""A learning-rate schedule whose length or unit does not fit the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import EPOCH
from traindoctor.run import Floats, Run, Series
from traindoctor.text import Text

from ..extent import extent
from ..optimizer_code import optimizer_code
from ..outcome import final_skill, validation_skill
from ..phases import main_group, main_learning_rate
from ..phrases import is_native, place, x_unit

MIN_POINTS = 20
RESTARTING = {"CosineAnnealingWarmRestarts", "CyclicLR"}
"""Schedulers that are meant to rise again."""


@dataclass(frozen=True)
class ScheduleMismatch:
    """Reports schedules that ran too fast, too slowly, or past their end.

    Read from the learning-rate trace of the main param group, with its largest value as the peak: *zero*:
    the rate was 0 throughout; *too short*: it fell below `spent` of the peak for good before `too_early` of
    the run was over; *rises again*: after falling below half the peak it climbed smoothly (no step of more
    than a fifth of the peak) by more than `rise` of the peak, as CosineAnnealingLR does past T_max; *never
    out of warm-up*: it only rose until the end, by more than 2 %, or stayed below half of the `max_lr` that
    was set. A warning, unless it cost nothing: a note when the run had reached `solved_skill` in training and
    `fair_skill` in validation, though not for a `max_lr` that was never reached; where
    ReduceLROnPlateau ended the schedule, which waits until nothing gets better, and for a
    rise that leaves the final rate below a fifth of the peak; in logs of other tools also for a rate that
    rises twice or more, and for a warm-up in a run that may not be over.

    Why it matters: the scheduler counts its own steps, nothing checks them against the loop. A horizon in
    epochs that is stepped per batch ends after a few batches; one stepped per epoch hardly begins; N
    processes that each step it make it N times too fast.

    When it is wrong: cyclic rates by a scheduler of your own; a run that was stopped early on purpose while
    still warming up; a final phase at a tiny rate on purpose.

    What to try: give the scheduler the number of `optimizer.step()` calls as its horizon and step it right
    after each of them.

    Source: the list of real cases in torch issue 65417 and others (see docs/schedules.md); thresholds are
    ours.

    Example:
        >>> lr = 0.1 * np.r_[np.linspace(1, 0, 50), np.zeros(450)]
        >>> run = Run("r", "r", {"lr/0": Series(np.arange(500), lr)})
        >>> [(f.evidence["spent at"], f.message.split(":")[0]) for f in ScheduleMismatch().check(run)]
        [(49.0, 'The schedule ends too early')]
    """

    code: str = "TD306"
    name: str = "schedule-mismatch"
    needs: tuple[str, ...] = ("lr/",)
    spent: float = 0.01
    too_early: float = 0.6
    rise: float = 0.3
    solved_skill: float = 0.95
    fair_skill: float = 0.8

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield the first mismatch that applies."""
        trace = main_learning_rate(run)
        if trace is None or len(trace) < MIN_POINTS:
            return
        peak = float(trace.values.max())
        if peak <= 0.0:
            yield self._zero(run, trace)
            return
        for look in (self._too_short, self._rises_again, self._never_warm):
            found = look(run, trace, peak)
            if found is not None:
                yield found
                return

    def _zero(self, run: Run, trace: Series) -> Finding:
        return self._finding(
            run,
            Severity.CRITICAL,
            int(trace.steps[0]),
            Text(
                "The learning rate is zero: all {n_trace} recorded values are 0; nothing was trained.",
                n_trace=len(trace),
            ),
            {"recorded values": (float(len(trace)), "values")},
        )

    def _too_short(self, run: Run, trace: Series, peak: float) -> Finding | None:
        alive = np.flatnonzero(trace.values >= self.spent * peak)
        last = int(alive[-1]) + 1
        if last >= len(trace):
            return None
        first = int(trace.steps[last])
        share = extent(run).share_before(first)
        if share >= self.too_early:
            return None
        # The decay that ends too early is to blame from where it starts, not only once it is over.
        decay = int(np.flatnonzero(trace.values >= 0.9 * peak)[-1]) + 1
        return self._finding(
            run,
            Severity.INFO if _scheduler(run) == "ReduceLROnPlateau" else self._cost(run),
            int(trace.steps[decay]),
            Text(
                "The schedule ends too early: from {place} on, after {share:.0%} of the run, the "
                "learning rate stayed below {spent:.0%} of its peak {peak:.3g}, so the other "
                "{share_2:.0%} of the run hardly trained.",
                place=place(run, first),
                share=share,
                spent=self.spent,
                peak=peak,
                share_2=1.0 - share,
            ),
            {
                "spent at": (float(first), x_unit(run)),
                "share of run before": (share, "fraction"),
                "share of run after": (1.0 - share, "fraction"),
                "peak": (peak, "1/step"),
                "spent below": (self.spent, "share of peak"),
            },
        )

    def _rises_again(self, run: Run, trace: Series, peak: float) -> Finding | None:
        if _scheduler(run) in RESTARTING:
            return None
        lr = trace.values
        low = np.minimum.accumulate(np.where(np.arange(lr.size) > top_of(lr), lr, np.inf))
        has_fallen = low < 0.5 * peak
        climbed = np.where(has_fallen, lr - low, 0.0)
        top = float(climbed.max())
        if top <= self.rise * peak or not _is_smooth(lr, peak):
            return None
        bottom = int(np.argmin(np.where(np.arange(lr.size) <= int(np.argmax(climbed)), low_at(lr), np.inf)))
        first, end = int(trace.steps[bottom]), float(lr[-1]) / peak
        turns = _n_turns(lr, peak)
        is_cycle = turns >= 2 and not _scheduler(run)  # a log that names no scheduler may cycle on purpose
        severity = self._cost(run) if end > 0.2 and not is_cycle else Severity.INFO
        return self._finding(
            run,
            severity,
            first,
            Text(
                "The schedule rises again: the learning rate fell to {lr:.3g} at {place} and then "
                "climbed back, {turns} time(s), ending at {end:.0%} of its peak {peak:.3g}. A "
                "scheduler stepped past its horizon does that.",
                lr=lr[bottom],
                place=place(run, first),
                turns=turns,
                end=end,
                peak=peak,
            ),
            {
                "lowest": (float(lr[bottom]), "1/step"),
                "rises": (float(turns), "rises"),
                "final share of peak": (end, "fraction"),
                "peak": (peak, "1/step"),
            },
        )

    def _never_warm(self, run: Run, trace: Series, peak: float) -> Finding | None:
        lr = trace.values
        planned = _planned_peak(run)
        only_rises = bool(np.all(np.diff(lr) >= -1e-12 * peak)) and lr[-1] > 1.02 * lr[0]
        # A warm-up that has just ended is no fault: it must rise until the end.
        still_rises = only_rises and _rises_until_the_end(lr)
        misses_plan = planned > 0.0 and peak < 0.5 * planned
        if not (still_rises or misses_plan):
            return None
        reached = (
            Text(
                ", {planned:.0%} of the {planned_2:.3g} that was set",
                planned=peak / planned,
                planned_2=planned,
            )
            if misses_plan
            else ""
        )
        unit = Text(" It changed only between epochs.") if _changes_per_epoch(run, trace) else ""
        evidence = {"first": (float(lr[0]), "1/step"), "peak": (peak, "1/step")}
        if misses_plan:
            evidence |= {"planned peak": (planned, "1/step"), "share of plan": (peak / planned, "fraction")}
        may_go_on = not is_native(run) and not misses_plan and run.info.status != "finished"
        return self._finding(
            run,
            Severity.INFO if may_go_on else Severity.WARNING if misses_plan else self._cost(run),
            int(trace.steps[0]),
            Text(
                "The schedule never leaves its warm-up: the learning rate began at {lr:.3g} and only "
                "reached {peak:.3g} by the end{reached}.{unit}",
                lr=lr[0],
                peak=peak,
                reached=reached,
                unit=unit,
            ),
            evidence,
        )

    def _cost(self, run: Run) -> Severity:
        is_solved = final_skill(run) >= self.solved_skill and not validation_skill(run) < self.fair_skill
        return Severity.INFO if is_solved else Severity.WARNING

    def _finding(
        self, run: Run, severity: Severity, first: int, message: str, evidence: dict[str, tuple[float, str]]
    ) -> Finding:
        return Finding(
            self.code,
            self.name,
            severity,
            0.9,
            first,
            max(first, run.n_steps - 1),
            message,
            {"since": float(first), **{name: value for name, (value, _) in evidence.items()}},
            {"since": x_unit(run), **{name: unit for name, (_, unit) in evidence.items()}},
            _remedy(run),
        )


def _remedy(run: Run) -> Remedy:
    """The horizon in the unit the log counts; without a number where that is neither steps nor epochs."""
    unit = run.info.x_unit
    if unit not in ("optimizer steps", "epochs"):
        return Remedy(Text("Give the scheduler as its horizon the number of times its step() is called."))
    is_epochs = unit == "epochs"
    horizon = max(extent(run).length if is_epochs else run.n_steps, 1)
    what, when = (
        ("epochs", Text("at the end of each epoch"))
        if is_epochs
        else ("optimizer steps", Text("once per batch"))
    )
    calls = "scheduler.step()" if is_epochs else "optimizer.step()\nscheduler.step()"
    return Remedy(
        Text(
            "Give the scheduler a horizon of {horizon} {what} and step it once after each.",
            horizon=horizon,
            what=what,
        ),
        f"{optimizer_code(run)}\n"
        "scheduler = torch.optim.lr_scheduler.LinearLR(\n"
        f"    optimizer, start_factor=1.0, end_factor=0.0, total_iters={horizon})\n"
        f"# in the loop, {when}:\n{calls}",
    )


def low_at(lr: Floats) -> Floats:
    """The rates from the peak on; infinite before it, so that the start of a warm-up is no bottom."""
    return np.where(np.arange(lr.size) >= top_of(lr), lr, np.inf)


def top_of(lr: Floats) -> int:
    """Index at which the rate first reaches its peak, to 1 %; a later rise may go a rounding error higher."""
    return int(np.argmax(lr >= 0.99 * lr.max()))


def _scheduler(run: Run) -> str:
    return run.info.optimizers[0].scheduler if run.info.optimizers else ""


def _planned_peak(run: Run) -> float:
    """Largest `max_lr` that a scheduler wrote into the main group's settings; 0 when there is none."""
    label = main_group(run)
    for optimizer in run.info.optimizers[:1]:
        for group in optimizer.groups:
            value = group.get("max_lr")
            if str(group.get("label", label)) == label and isinstance(value, (int, float)):
                return float(value)
    return 0.0


def _is_smooth(lr: Floats, peak: float) -> bool:
    """Whether no rise after the peak from one distinct value to the next is a jump, as a restart is.

    The largest rise must be at most 2.5 times the median change, or a fifth of the peak.
    """
    changes = np.diff(lr[top_of(lr) :])
    changes = changes[np.abs(changes) > 1e-9 * peak]
    rises = changes[changes > 0.0]
    if not rises.size:
        return False
    return bool(rises.max() <= max(0.2 * peak, 2.5 * float(np.median(np.abs(changes)))))


def _n_turns(lr: Floats, peak: float) -> int:
    """How often the rate climbed from below to above the middle of its range after its first fall."""
    middle = 0.5 * (float(lr.min()) + peak)
    above = lr[top_of(lr) :] >= middle
    return max(1, int(np.sum(~above[:-1] & above[1:])))


def _rises_until_the_end(lr: Floats) -> bool:
    """Whether the last rise is no longer ago than a tenth of the run, or than 1.5 times the usual pause."""
    rises = np.flatnonzero(np.diff(lr) > 1e-6 * lr.max())
    if rises.size < 3:
        return False
    pause = float(np.median(np.diff(rises)))
    return lr.size - 1 - int(rises[-1]) <= max(0.1 * lr.size, 1.5 * pause)


def _changes_per_epoch(run: Run, trace: Series) -> bool:
    epochs = run.get(EPOCH)
    changed = trace.steps[1:][np.diff(trace.values) != 0.0]
    if epochs is None or not changed.size or len(epochs) < 2:
        return False
    starts = epochs.steps[1:][np.diff(epochs.values) != 0.0]
    return bool(np.isin(changed, starts).all()) and starts.size < 0.5 * len(trace)
