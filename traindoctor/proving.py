"""Proves a prescription: the script as it is against the script under it, paired seeds, equal steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError
from .prescription import Prescription, Proof, ProofRun, Side
from .prescription_file import lr_plan, write_prescription
from .run import Floats, Run
from .trial_score import Outcome, Script, recorded_seconds

if TYPE_CHECKING:
    from .analyzer.schedule.objective import Judge

VERIFIED_CONFIDENCE = 0.96
"""Confidence after a proof. Source: Ours: after one paired run the loss rate was 0-4 %."""

Told = Callable[[int, int, Side, int], None]
"""Called before each run: its number from 1 on, how many there are, its side, its seed."""


@dataclass(frozen=True, eq=False)
class Trial:
    """What is to be proven.

    Attributes:
        run: the recorded run.
        prescription: what is tried; its plan is applied to the `new` runs unless there is a challenger.
        judge: how runs are scored.
        script: the command as it is.
        challenger: another command, or other optimizer settings, for the `new` runs, which then keep their
            own schedule and may end early; None to apply the prescription.
        budget: optimizer steps of every run.
        seeds: seeds of the pairs.
        path: where the prescription is written with its proof, after every run.
    """

    run: Run
    prescription: Prescription
    judge: Judge
    script: Script
    challenger: Script | None
    budget: int
    seeds: tuple[int, ...]
    path: Path

    @property
    def fingerprint(self) -> str:
        """Of everything that makes two runs comparable; runs of another fingerprint are not resumed."""
        plan = None if self.prescription.lr is None else self.prescription.lr.values.tobytes().hex()
        other = None if self.challenger is None else challenged(self.challenger)
        facts = (self.script.command, self.script.seed_argument, other, self.budget, self.judge.series, plan)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def finished(self) -> list[ProofRun]:
        """The runs of an earlier, interrupted proof of the same thing, of the seeds that are asked for."""
        before = self.prescription.proof
        if before is None or before.fingerprint != self.fingerprint:
            return []
        return [run for run in before.runs if run.seed in self.seeds]

    def cost(self) -> str:
        """What is still to be run, with units."""
        left = 2 * len(self.seeds) - len(self.finished())
        seconds = self.run.info.seconds * self.budget / max(self.run.n_steps, 1)
        return (
            f"proof: {_plural(left, 'run')} of {self.budget} optimizer steps each "
            f"({_plural(len(self.seeds), 'seed')}, old and new), "
            f"about {recorded_seconds(left * seconds)} in all (from the recorded run)"
        )


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def challenged(script: Script) -> tuple[str, ...]:
    """The command, with what is set in its optimizer from outside."""
    return (*script.command, *(f"[{name}={value:g}]" for name, value in script.settings))


def open_trial(
    run: Run,
    prescription: Prescription,
    script: Script,
    challenger: Script | None,
    seeds: Sequence[int],
    path: Path,
) -> Trial:
    """Check that there is something to prove.

    Raises:
        UsageError: nothing is prescribed, the plan does not start at step 0, or the run has no validation.
    """
    from .analyzer.schedule.objective import judge_of

    judge = judge_of(run)
    if isinstance(judge, str):
        raise UsageError(judge)
    if run.n_steps == 0:
        raise UsageError(
            "expected a recorded run with optimizer steps, found none: there is nothing to compare"
        )
    budget = run.n_steps if challenger is not None else len(lr_plan(prescription))
    return Trial(run, prescription, judge, script, challenger, budget, tuple(seeds), path)


def prove(trial: Trial, told: Told | None = None) -> Prescription:
    """Make the runs that are still missing, and write file and decision after each of them.

    An interrupt leaves what was done in the file; calling it again goes on from there.

    Raises:
        UsageError: the command cannot be started.
    """
    runs = trial.finished()
    done = {(run.side, run.seed) for run in runs}
    total = 2 * len(trial.seeds)
    concluded = _written(trial, runs)
    for seed in trial.seeds:
        sides: tuple[Side, Side] = ("old", "new")
        for side in sides:
            if (side, seed) in done:
                continue
            if told is not None:
                told(len(runs) + 1, total, side, seed)
            runs.append(_proof_run(side, seed, _one_run(trial, side, seed)))
            concluded = _written(trial, runs)
    return concluded


def _one_run(trial: Trial, side: Side, seed: int) -> Outcome:
    from .collectors.driving.orders import Orders, absolute

    script, plan = trial.script, None
    if side == "new" and trial.challenger is not None:
        script = replace(trial.challenger, may_end_early=True)
    elif side == "new":
        plan = lr_plan(trial.prescription)
    orders = Orders(
        lr_plan=None if plan is None else absolute(_listed(plan)),
        max_steps=trial.budget,
        wait_for_evaluation=True,
    )
    outcome = script.run(orders, trial.judge, f"proof {side} seed {seed}", seed, plan)
    return outcome if script.is_kept else replace(outcome, path=None)


def _listed(plan: Floats) -> list[float]:
    return [float(value) for value in plan]


def _proof_run(side: Side, seed: int, outcome: Outcome) -> ProofRun:
    return ProofRun(
        side,
        seed,
        outcome.score,
        outcome.first_loss,
        outcome.steps,
        outcome.seconds,
        outcome.failure,
        str(outcome.path or ""),
    )


def _written(trial: Trial, runs: Sequence[ProofRun]) -> Prescription:
    """The prescription with what the runs say so far, as it was written to the file."""
    from .analyzer.schedule.proof import conclude_proof
    from .analyzer.schedule.proof_notes import proof_notes

    concluded = conclude_proof(runs, trial.judge.objective, len(trial.seeds))
    proof = replace(
        concluded,
        notes=(*concluded.notes, *proof_notes(runs, trial.budget, trial.challenger is not None)),
        budget=trial.budget,
        command=trial.script.command,
        challenger=() if trial.challenger is None else challenged(trial.challenger),
        fingerprint=trial.fingerprint,
    )
    prescription = with_proof(trial.prescription, proof)
    write_prescription(prescription, trial.path, trial.run)
    return prescription


def with_proof(prescription: Prescription, proof: Proof) -> Prescription:
    """The prescription as it stands after a proof; its basis changes once the proof is finished."""
    if proof.decision == "unfinished":
        return replace(prescription, proof=proof)
    confidence = VERIFIED_CONFIDENCE if proof.decision == "adopt" else 1.0 - VERIFIED_CONFIDENCE
    return replace(prescription, basis="verified", confidence=confidence, proof=proof)
