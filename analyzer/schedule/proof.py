"""The proof: paired runs, the rule by which a change is adopted, and what it says. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from traindoctor.prescription import MOST_DIFFERENCE, OBJECTIVE_WORDS, Decision, Objective, Proof, ProofRun
from traindoctor.text import Text, counted

LEAST_GAIN = 0.01
"""-ln(new / old) that a change has to bring to be adopted. Source: Ours; one pair at this bound cut the
harm of every policy to 1.2 % or less."""

T_90 = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)
"""90 % points of Student's t for 1 to 10 degrees of freedom (one-sided); 1.282 is its limit."""

_LIMIT = 1.282


@dataclass(frozen=True)
class Pair:
    """The two runs of one seed; `old` or `new` is None while it is missing or when it failed."""

    seed: int
    old: ProofRun | None
    new: ProofRun | None

    @property
    def is_complete(self) -> bool:
        """Whether both runs ended with a score."""
        return self.old is not None and self.new is not None

    @property
    def starts_equal(self) -> bool:
        """Whether both runs began with the same training loss: same weights, same first batch."""
        return self.is_complete and self.old.first_loss == self.new.first_loss  # type: ignore[union-attr]


def difference(old: float, new: float) -> float:
    """ln(new / old) within +-ln 100; a score that is not finite counts as the worst.

    Example:
        >>> round(difference(2.0, 1.0), 3), round(difference(math.inf, 1.0), 3)
        (-0.693, -4.605)
    """
    if not math.isfinite(old) or not math.isfinite(new):
        if math.isfinite(new):
            return -MOST_DIFFERENCE
        return MOST_DIFFERENCE if math.isfinite(old) else 0.0
    if old <= 0 or new <= 0:
        return 0.0 if old == new else math.copysign(MOST_DIFFERENCE, new - old)
    return float(np.clip(math.log(new / old), -MOST_DIFFERENCE, MOST_DIFFERENCE))


def conclude_proof(runs: Sequence[ProofRun], objective: Objective, wanted: int) -> Proof:
    """What the runs made so far say.

    A run under the prescription that failed where the old one did not counts as diverged; any other failed
    run takes its pair out. Seeds that give the same runs count once.

    Args:
        runs: every run, failed ones included, in any order.
        objective: what the scores are.
        wanted: number of seeds that were asked for.
    """
    pairs = [_counted(pair) for pair in _pairs(runs)]
    complete = [pair for pair in pairs if pair.is_complete]
    kept, same = _independent(complete)
    values = [_pair_difference(pair) for pair in kept]
    mean = float(np.mean(values)) if values else math.nan
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    upper = mean + t_90(len(values) - 1) * sd / math.sqrt(len(values)) if len(values) > 1 else math.nan
    tried = {run.seed for run in runs if run.side == "new" or run.failure}
    is_finished = len(tried) >= wanted and not any(_is_open(runs, seed) for seed in tried)
    decision: Decision = "unfinished"
    if is_finished:
        decision = "adopt" if is_adopted(values) else "keep"
    proof = Proof(
        decision,
        "",
        objective,
        tuple(runs),
        tuple(pair.seed for pair in kept),
        tuple(values),
        mean,
        sd,
        upper,
        len(values),
        (*_failures(runs), *_seed_notes(complete, same)),
        float(sum(run.seconds for run in runs if math.isfinite(run.seconds))),
        sum(run.steps for run in runs),
    )
    return replace(proof, why=_why(proof, wanted))


def is_adopted(differences: Sequence[float]) -> bool:
    """One pair: better by more than 1 %. More: so on average, and all agree or the t bound is below zero.

    Example:
        >>> is_adopted([-0.02]), is_adopted([-0.005]), is_adopted([-0.03, 0.001, -0.001]), is_adopted([])
        (True, False, False, False)
    """
    if not differences or float(np.mean(differences)) >= -LEAST_GAIN:
        return False
    if len(differences) == 1 or max(differences) < 0:
        return True
    n = len(differences)
    bound = float(np.mean(differences)) + t_90(n - 1) * float(np.std(differences, ddof=1)) / math.sqrt(n)
    return bound < 0


def t_90(degrees: int) -> float:
    """One-sided 90 % point of Student's t; between 10 and infinity by its expansion in 1 / degrees.

    Source: Abramowitz & Stegun 26.7.5, first two terms.
    """
    if degrees <= len(T_90):
        return T_90[max(degrees, 1) - 1]
    z = _LIMIT
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def _pairs(runs: Sequence[ProofRun]) -> list[Pair]:
    found: dict[int, dict[str, ProofRun]] = {}
    for run in runs:
        found.setdefault(run.seed, {})[run.side] = run
    return [Pair(seed, sides.get("old"), sides.get("new")) for seed, sides in found.items()]


def _counted(pair: Pair) -> Pair:
    """The pair without its failed runs; only a new run that failed alone stays, as one that diverged."""
    old = pair.old if pair.old is not None and not pair.old.failure else None
    new = pair.new
    if new is not None and new.failure:
        new = replace(new, score=math.inf) if old is not None else None
    return Pair(pair.seed, old, new)


def _pair_difference(pair: Pair) -> float:
    assert pair.old is not None
    assert pair.new is not None
    return difference(pair.old.score, pair.new.score)


def _independent(pairs: Sequence[Pair]) -> tuple[list[Pair], bool]:
    """The pairs without repetitions, and whether there were some: the same old and new run for two seeds."""
    seen: dict[tuple[float, float, float, float], Pair] = {}
    for pair in pairs:
        assert pair.old is not None
        assert pair.new is not None
        key = (pair.old.first_loss, pair.old.score, pair.new.first_loss, pair.new.score)
        seen.setdefault(key, pair)
    return list(seen.values()), len(seen) < len(pairs)


def _is_open(runs: Sequence[ProofRun], seed: int) -> bool:
    """Whether a run of this seed is still to be made."""
    return len({run.side for run in runs if run.seed == seed}) < 2


def _failures(runs: Sequence[ProofRun]) -> tuple[str, ...]:
    failed = [run for run in runs if run.failure]
    old_failed = {run.seed for run in failed if run.side == "old"}
    return tuple(
        Text(
            "The {side} run of seed {seed} failed: {failure}. ",
            side=Text(run.side),
            seed=run.seed,
            failure=run.failure.rstrip("."),
        )
        + (
            Text("It counts as diverged, as the old one did not fail.")
            if run.side == "new" and run.seed not in old_failed
            else Text("Its pair does not count.")
        )
        for run in failed
    )


def _seed_notes(pairs: Sequence[Pair], same: bool) -> tuple[str, ...]:
    notes: list[str] = []
    if same:
        notes.append(
            Text(
                "Different seeds gave identical runs: the script ignores the seed, so those pairs "
                "count as one. If it takes a seed as an argument, name it: --seed-arg --seed."
            )
        )
    unequal = [pair.seed for pair in pairs if not pair.starts_equal and _has_both_starts(pair)]
    if unequal:
        notes.append(
            Text(
                "Old and new run of the same seed ({seeds}) began with different losses: the script is "
                "not deterministic under a seed, so the pairs share nothing and chance weighs more.",
                seeds=", ".join(map(str, unequal)),
            )
        )
    return tuple(notes)


def _has_both_starts(pair: Pair) -> bool:
    return all(run is not None and math.isfinite(run.first_loss) for run in (pair.old, pair.new))


def _why(proof: Proof, wanted: int) -> str:
    """The decision in sentences."""
    if not proof.differences:
        return (
            Text("No pair of runs ended with a score, so nothing is proven: keep what you have.")
            if proof.decision != "unfinished"
            else Text("No pair of runs has been finished yet.")
        )
    measured = _measured(proof)
    if proof.decision == "unfinished":
        return Text("So far: {measured}. {wanted} seeds were asked for.", measured=measured, wanted=wanted)
    if proof.decision == "adopt":
        return Text("Adopt it: {measured}.", measured=measured)
    return Text("Keep what you have: {measured}. {short_of}", measured=measured, short_of=_short_of(proof))


def _measured(proof: Proof) -> str:
    """What came out, pairs with a run that diverged told apart: they have no percentage."""
    pairs = counted("{n} pair", "{n} pairs", proof.n)
    if not proof.n_diverged:
        worse = sum(value >= 0 for value in proof.differences)
        spread: str = ""
        if proof.n > 1:
            spread = Text(
                ", standard deviation {sd:.1f} points, {worse} of them worse", sd=100 * proof.sd, worse=worse
            )
        change = f"{100 * math.expm1(proof.mean):+.1f} %"
        return Text(
            "{objective} {change} over {pairs} at equal seeds and steps{spread}",
            objective=OBJECTIVE_WORDS[proof.objective],
            change=change,
            pairs=pairs,
            spread=spread,
        )
    old = sum(value <= -MOST_DIFFERENCE for value in proof.differences)
    new = proof.n_diverged - old
    diverged = Text(
        "of {pairs} the old run diverged in {old} and the new one in {new}", pairs=pairs, old=old, new=new
    )
    if proof.n_diverged == proof.n:
        return diverged
    change = f"{100 * math.expm1(proof.typical):+.1f} %"
    return Text(
        "{diverged}; over the others the {objective} changed by {change}",
        diverged=diverged,
        objective=OBJECTIVE_WORDS[proof.objective],
        change=change,
    )


def _short_of(proof: Proof) -> str:
    if proof.mean >= -LEAST_GAIN:
        return Text("A change is adopted only below -1 %.")
    return Text(
        "The seeds disagree, and the upper 90 % bound of the mean change ({upper:+.1f} %) is not below zero.",
        upper=100 * (math.exp(proof.upper) - 1),
    )
