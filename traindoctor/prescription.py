"""What is prescribed: schedule, learning rates, the sweep they rest on, and the proof by paired runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .run import Series
from .text import Text


@dataclass(frozen=True)
class Schedule:
    """The schedule recognised in an LR trace.

    Attributes:
        family: `constant`, `step`, `multistep`, `exponential`, `linear`, `polynomial`, `cosine`,
            `cosine-warm-restarts`, `cyclic`, `one-cycle`, `reduce-on-plateau`, `inverse-sqrt`, `wsd`,
            `custom`, `unknown`.
        parameters: by torch's argument names (`step_size`, `gamma`, `T_max`, `eta_min`, …),
            `warmup_steps`, `unit`.
        code: torch code that builds it.
        error: largest deviation of the fit, relative to the LR.
        group: param group it was read from.
    """

    family: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    code: str = ""
    error: float = float("nan")
    group: str = ""


Action = Literal["keep", "try", "change-lr", "change-schedule", "change-both", "cooldown", "cannot-tell"]
Basis = Literal["log", "sweep", "verified"]
Objective = Literal["validation loss", "validation error rate"]
Side = Literal["old", "new"]
Decision = Literal["adopt", "keep", "unfinished"]

OBJECTIVE_WORDS: Mapping[Objective, Text] = {
    "validation loss": Text("validation loss"),
    "validation error rate": Text("validation error rate"),
}
"""Each objective as it stands in a sentence."""

MOST_DIFFERENCE = math.log(100.0)
"""|ln(new / old)| that stands for a run that diverged beside one that did not."""

ACTION_WORDS: Mapping[Action, str] = {
    "keep": Text("Keep the learning rate and the schedule"),
    "try": Text("Try another learning rate, and compare"),
    "change-lr": Text("Change the learning rate, keep the shape of the schedule"),
    "change-schedule": Text("Change the schedule, keep the peak learning rate"),
    "change-both": Text("Change the learning rate and the schedule"),
    "cooldown": Text("Continue from the last checkpoint and anneal to zero"),
    "cannot-tell": Text("No prescription can be given"),
}
"""Each verdict in words."""

NOT_PROVEN = Text("Not proven yet: run `traindoctor prove` before you adopt it.")
"""Said of a change that rests on short runs alone."""

CHANGES_NOTHING: frozenset[Action] = frozenset({"keep", "cannot-tell"})
"""The verdicts after which there is nothing to apply."""


@dataclass(frozen=True)
class SweepPoint:
    """One short run of a sweep.

    Attributes:
        lr: its peak LR, first param group.
        score: the objective at its end, lower is better; infinite when it diverged.
        seconds: wall-clock time it took.
        first_loss: training loss of its first step, which tells equal starts from different ones.
    """

    lr: float
    score: float
    seconds: float = float("nan")
    first_loss: float = float("nan")


@dataclass(frozen=True)
class Sweep:
    """Short runs at several learning rates, and the parabola through the best three.

    Attributes:
        objective: what `score` is.
        points: by rising LR.
        steps: optimizer steps of each short run.
        share: `steps` over the horizon of the full run (h).
        best_lr: LR with the lowest point of the parabola, for a run of `steps` steps.
        lr: the estimate for the full run: `best_lr` times a root of `share`, the fourth with SGD, else the
            square root.
        parabola: (a, b, c) of ln score = a x² + b x + c with x = log10 LR; empty when there was none.
        is_at_edge: the best point still is the first or the last one.
        seed: seed of every short run.
    """

    objective: Objective
    points: tuple[SweepPoint, ...]
    steps: int
    share: float
    best_lr: float
    lr: float
    parabola: tuple[float, ...] = ()
    is_at_edge: bool = False
    seed: int = 0


@dataclass(frozen=True)
class ProofRun:
    """One full-length run of a proof.

    Attributes:
        side: `old` = the script as it is, `new` = under the prescription.
        seed: its seed.
        score: the objective at its end; infinite when it diverged, NaN when it failed.
        first_loss: training loss of its first step, which tells equal starts from different ones.
        steps: optimizer steps taken.
        seconds: wall-clock time.
        failure: why there is no score, "" when there is one.
        path: folder of its run log, "" when it was removed.
    """

    side: Side
    seed: int
    score: float
    first_loss: float
    steps: int
    seconds: float
    failure: str = ""
    path: str = ""


@dataclass(frozen=True)
class Proof:
    """Paired runs, old against new, and what follows from them.

    Attributes:
        decision: `adopt`, `keep` what you have, or `unfinished`.
        why: the decision in sentences.
        objective: what the scores are.
        runs: every run that was made, failed ones included.
        seeds: seeds of the pairs that count, in order.
        differences: ln(new / old) of those pairs; -0.05 is 5 % lower.
        mean: their mean, NaN without pairs.
        sd: their standard deviation (n - 1), NaN for one pair.
        upper: upper end of the paired t interval at 90 % (one-sided), NaN for one pair.
        n: independent pairs; 1 when the script gives the same run for every seed.
        notes: sentences about failed runs, ignored seeds, scripts that are not deterministic.
        seconds: wall-clock time of all runs.
        steps: optimizer steps of all runs.
        budget: optimizer steps that each run was given.
        command: the script and its arguments.
        challenger: another command that was run as `new`, empty when the prescription was.
        fingerprint: of command, plan and budget: runs of another fingerprint are not resumed.
    """

    decision: Decision
    why: str
    objective: Objective
    runs: tuple[ProofRun, ...] = ()
    seeds: tuple[int, ...] = ()
    differences: tuple[float, ...] = ()
    mean: float = float("nan")
    sd: float = float("nan")
    upper: float = float("nan")
    n: int = 0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    steps: int = 0
    budget: int = 0
    command: tuple[str, ...] = ()
    challenger: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def typical(self) -> float:
        """Mean of the differences of pairs in which no run diverged, NaN where there is none."""
        kept = [value for value in self.differences if abs(value) < MOST_DIFFERENCE]
        return sum(kept) / len(kept) if kept else float("nan")

    @property
    def n_diverged(self) -> int:
        """Pairs in which one of the two runs diverged."""
        return sum(abs(value) >= MOST_DIFFERENCE for value in self.differences)


@dataclass(frozen=True)
class Prescription:
    """The learning rate and schedule to use next.

    Attributes:
        action: what to change; `try` is a change of the LR that is worth a paired run, no more.
        basis: what it rests on; `log` is a hint, never more than likely.
        confidence: probability in 0..1 that following it gives a lower final loss.
        peak_lr: largest LR of the first param group, NaN when the action names none.
        schedule: family and parameters of the prescribed schedule.
        code: paste-ready torch code, shown only after its replay matched `lr`.
        why: reasons and limits in sentences.
        lr: the planned LR of the first group per step, None when nothing is prescribed.
        evidence: name -> number behind it.
        units: name -> unit.
        replay_error: largest |replayed - planned| LR, NaN when the code was not replayed.
        group_lrs: peak LR of every param group, group order.
        horizon_steps: optimizer steps that it is made for, 0 when nothing is prescribed.
        assumptions: what it takes for granted.
        falsify: what observation would show it to be wrong.
        alternative: code of a cheaper thing to try, "" when there is none.
        sweep: the short runs behind it, None for a hint from the log.
        proof: paired runs with it, None before them.
    """

    action: Action
    basis: Basis = "log"
    confidence: float = 0.0
    peak_lr: float = float("nan")
    schedule: Schedule | None = None
    code: str = ""
    why: str = ""
    lr: Series | None = None
    evidence: Mapping[str, float] = field(default_factory=dict[str, float])
    units: Mapping[str, str] = field(default_factory=dict[str, str])
    replay_error: float = float("nan")
    group_lrs: tuple[float, ...] = ()
    horizon_steps: int = 0
    assumptions: tuple[str, ...] = ()
    falsify: tuple[str, ...] = ()
    alternative: str = ""
    sweep: Sweep | None = None
    proof: Proof | None = None
