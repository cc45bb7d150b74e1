"""What the runs of a proof say about the script: seeds and changes that do nothing, early ends."""

from __future__ import annotations

import math
from collections.abc import Sequence

from traindoctor.prescription import ProofRun
from traindoctor.text import Text


def proof_notes(runs: Sequence[ProofRun], budget: int, is_challenge: bool) -> tuple[str, ...]:
    """Sentences about the runs that ended with a score.

    Args:
        runs: every run, failed ones included.
        budget: optimizer steps that each run was given.
        is_challenge: whether `new` is another command or other settings.
    """
    scored = [run for run in runs if not run.failure]
    notes = (_equal_starts(scored), _no_effect(scored, is_challenge), _early_end(scored, budget))
    return tuple(note for note in notes if note)


def _equal_starts(runs: Sequence[ProofRun]) -> str:
    """Different seeds with one first loss, unless their scores are equal as well, which is said elsewhere."""
    old = [run for run in runs if run.side == "old" and math.isfinite(run.first_loss)]
    starts = {run.first_loss for run in old}
    if len(old) < 2 or len(starts) > 1 or len({run.score for run in old}) == 1:
        return ""
    return Text(
        "Different seeds began with the same training loss ({loss:.6g}): the script seeds itself, or begins "
        "with fixed weights and a fixed batch. The pairs differ by less than chance would make them, so "
        "they prove less than {n} independent ones. If it takes a seed as an argument, name it: "
        "--seed-arg --seed.",
        loss=old[0].first_loss,
        n=len(old),
    )


def _no_effect(runs: Sequence[ProofRun], is_challenge: bool) -> str:
    """Old and new run alike to the last digit, for every seed."""
    sides = {(run.side, run.seed): run for run in runs}
    pairs = [
        (run, sides["new", run.seed]) for run in runs if run.side == "old" and ("new", run.seed) in sides
    ]
    alike = [old.score == new.score and old.first_loss == new.first_loss for old, new in pairs]
    if not is_challenge or not alike or not all(alike) or not all(math.isfinite(o.score) for o, _ in pairs):
        return ""
    return Text(
        "Old and new run ended with exactly the same score for every seed: the change did not reach the "
        "training. Does the script use the argument that was changed?"
    )


def _early_end(runs: Sequence[ProofRun], budget: int) -> str:
    """New runs that stopped before their budget was spent."""
    early = [run for run in runs if run.side == "new" and run.steps < budget and math.isfinite(run.score)]
    if not early:
        return ""
    return Text(
        "The new run stopped early: after {steps} of {budget} optimizer steps (seed {seed}). It is judged by "
        "its last evaluation.",
        steps=early[0].steps,
        budget=budget,
        seed=early[0].seed,
    )
