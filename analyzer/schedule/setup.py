"""What a sweep begins with: whether one can be made of this run, where, how long, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding
from traindoctor.prescription import Schedule
from traindoctor.run import Run

from ..phrases import is_native
from . import wording
from .evidence import MIN_HOT_SAMPLES, LrFacts, hot_update_ratio, lr_factor, lr_facts
from .objective import Judge, judge_of
from .signs import Signs, signs
from .sweep import MOST_EXTENSIONS, Sweeper, full_over_short, short_share

MIN_STEPS = 100
"""A full run of fewer optimizer steps is too short for a sweep."""


OVERFITTED = ("TD401", "TD403")
"""Checks that compare what was learned of the training set with what was learned of the validation set."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that is fixed before the first short run.

    Attributes:
        facts: the recorded learning rate.
        schedule: the schedule in use.
        seen: the findings, read for the learning rate.
        judge: how runs are scored.
        centre: peak LR of the first short run.
        source: where the centre comes from, one of our own phrases.
        steps: optimizer steps of a short run; it ends with an evaluation where the recorded run had one.
        overfits: a check found more learned of the training set than of the validation set, however grave.
        seconds: expected wall-clock time of one short run, NaN when unknown.
        optimizer: class name of the optimizer, "" when unknown.
    """

    facts: LrFacts
    schedule: Schedule
    seen: Signs
    judge: Judge
    centre: float
    source: str
    steps: int
    overfits: bool
    seconds: float
    optimizer: str

    @property
    def share(self) -> float:
        """Length of a short run over that of the full one (h)."""
        return self.steps / self.facts.horizon

    def sweeper(self, seed: int, most_runs: int = 3 + MOST_EXTENSIONS) -> Sweeper:
        """The sweep, which makes 3 to `most_runs` short runs."""
        return Sweeper(
            self.centre,
            self.steps,
            self.share,
            self.judge.objective,
            seed,
            min(most_runs - 3, MOST_EXTENSIONS),
            self.facts.peak / full_over_short(self.share, self.optimizer),
            self.optimizer,
        )


def sweep_setup(run: Run, schedule: Schedule, findings: Sequence[Finding]) -> Setup | str:
    """The setup, or a sentence that says why no sweep can be made of this run."""
    facts, seen, judge = lr_facts(run, schedule), signs(findings), judge_of(run)
    why = _obstacle(run, facts, seen)
    if why:
        return why
    if isinstance(judge, str):
        return judge
    assert facts is not None
    steps = _short_steps(run, judge, facts.horizon)
    optimizer = run.info.optimizers[0].name if run.info.optimizers else ""
    centre, source = _centre(run, facts, seen, full_over_short(steps / facts.horizon, optimizer))
    seconds = run.info.seconds * steps / max(run.n_steps, 1)
    overfits = any(finding.code in OVERFITTED for finding in findings)
    return Setup(facts, schedule, seen, judge, centre, source, steps, overfits, seconds, optimizer)


def _obstacle(run: Run, facts: LrFacts | None, seen: Signs) -> str:
    if run.n_steps == 0 or (facts is None and is_native(run) and not run.info.optimizers):
        return wording.NO_STEPS
    if facts is None:
        return wording.NO_LR
    if len(run.info.optimizers) > 1 or any(name.startswith("optimizer1/") for name in run.series):
        return wording.SEVERAL_OPTIMIZERS
    if run.info.loss_role != "progress":
        return wording.NOT_A_PROGRESS_LOSS
    if run.info.x_unit != "optimizer steps":
        return wording.OTHER_CLOCK
    if seen.first is not None and seen.first.code == "TD103":
        return wording.fix_first(seen.first)
    return wording.too_short(facts.recorded, MIN_STEPS) if facts.horizon < MIN_STEPS else ""


def _short_steps(run: Run, judge: Judge, horizon: int) -> int:
    """Steps of a short run: its share of the horizon, and on to the recorded run's next evaluation.

    The script evaluates when it wants to: the steps up to then are made anyway, so they are trained, too.
    """
    wanted = max(1, round(short_share(horizon) * horizon))
    ends = judge.evaluations(run) + 1
    later = ends[(ends >= wanted) & (ends <= horizon)]
    return int(later.min()) if later.size else int(np.clip(wanted, 1, horizon))


def _centre(run: Run, facts: LrFacts, seen: Signs, shrinkage: float) -> tuple[float, str]:
    """LR in the middle of the first three short runs, and where it comes from.

    Source: Ours. Where the sweep begins hardly matters: the current LR won as often as any hint.
    """
    if seen.diverged:
        return facts.peak / 10, "a tenth of the peak learning rate, at which the run diverged or nearly so"
    ratio, samples = hot_update_ratio(run, facts)
    if samples >= MIN_HOT_SAMPLES and math.isfinite(ratio) and ratio > 0:
        hint = facts.peak * lr_factor(ratio, facts.horizon)
        return hint / shrinkage, "the size of the updates in the recorded run"
    return facts.peak / shrinkage, "the peak learning rate of the recorded run"
