"""Scoring: what `diagnose` says about each trial, and the counts that follow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from traindoctor.finding import Diagnosis, Finding, Severity
from traindoctor.run import Run

from .faults import FAULTS
from .trials import Trial

ACCEPTED: dict[str, tuple[str, ...]] = {kind.name: kind.accepts for kind in FAULTS} | {
    "overfits-by-itself": ("TD401", "TD403", "TD407"),
    "learns-nothing": ("TD107", "TD108", "TD402", "TD302"),
}
"""Fault kind -> codes that name its cause."""

Diagnose = Callable[[Run], Diagnosis]


@dataclass(frozen=True)
class Share:
    """A count out of a number of runs, with its Wilson interval."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson, J. Am. Stat. Assoc. 22, 1927, p. 209); (0, 1) of nothing."""
        if not self.n:
            return 0.0, 1.0
        z, p, n = 1.959963984540054, self.value, self.n
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        """Such as `3/40 = 7.5 % [2.6, 19.9]`."""
        if not self.n:
            return "0/0"
        low, high = self.interval
        return f"{self.hits}/{self.n} = {100 * self.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def share_of(claims: Iterable[bool]) -> Share:
    """How many of the claims are true."""
    values = list(claims)
    return Share(sum(values), len(values))


@dataclass(frozen=True, eq=False)
class Judgement:
    """What was said about one trial.

    Attributes:
        trial: what was judged.
        alarms: findings of severity warning or critical, in the order of the diagnosis.
        skipped: code -> why the check could not answer.
    """

    trial: Trial
    alarms: tuple[Finding, ...]
    skipped: dict[str, str]

    @property
    def first(self) -> str:
        """Code of the alarm named first; "" when there is none."""
        return self.alarms[0].code if self.alarms else ""

    @property
    def names_cause(self) -> bool:
        """Whether the first alarm names the cause of the fault."""
        return self.first in ACCEPTED.get(self.trial.fault, ())


def judge(trial: Trial, diagnose: Diagnose) -> Judgement:
    """The verdict of `diagnose` on one trial."""
    diagnosis = diagnose(trial.run)
    alarms = tuple(finding for finding in diagnosis.findings if finding.severity is not Severity.INFO)
    return Judgement(trial, alarms, {skipped.code: skipped.why for skipped in diagnosis.skipped})


def healthy(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Those whose every alarm is false."""
    return [j for j in judgements if j.trial.healthy]


def faulty(judgements: Sequence[Judgement], *, held_out: bool | None = None) -> list[Judgement]:
    """Those with an injected, verified harmful fault; only (not) held-out kinds when asked for."""
    kinds = {kind.name for kind in FAULTS}
    return [
        j
        for j in judgements
        if j.trial.fault in kinds and j.trial.harmful and held_out in (None, j.trial.held_out)
    ]


def false_alarms(judgements: Sequence[Judgement]) -> Share:
    """Healthy runs with at least one alarm."""
    return share_of(bool(j.alarms) for j in healthy(judgements))


def recall(judgements: Iterable[Judgement]) -> Share:
    """Runs with at least one alarm."""
    return share_of(bool(j.alarms) for j in judgements)


def cause_first(judgements: Iterable[Judgement]) -> Share:
    """Runs whose first alarm names the cause; a run without alarm counts against it."""
    return share_of(j.names_cause for j in judgements)


def onset(trial: Trial) -> float:
    """Step at which the fault of a trial begins; NaN for one that was there from the start."""
    fault = trial.config.fault
    shares = (fault.nan_at, fault.bad_batch_at, fault.lr_jump_at, fault.reset_at)
    return next((float(round(s * trial.config.n_steps)) for s in shares if s >= 0.0), math.nan)


def onset_errors(judgements: Iterable[Judgement]) -> dict[str, list[float]]:
    """Fault kind -> how far from the fault the first alarm that names its cause begins, shares of the run."""
    errors: dict[str, list[float]] = {}
    for judgement in judgements:
        trial, began = judgement.trial, onset(judgement.trial)
        right = [f for f in judgement.alarms if f.code in ACCEPTED.get(trial.fault, ())]
        if not math.isnan(began) and right:
            error = abs(right[0].first_step - began) / trial.config.n_steps
            errors.setdefault(trial.fault, []).append(error)
    return errors


def by_detector(judgements: Sequence[Judgement]) -> list[tuple[str, Share, Share, Share]]:
    """Code, healthy runs and harmful faults with it, and how often it is right where it is named first."""
    sound, broken = healthy(judgements), faulty(judgements)
    codes = sorted({finding.code for j in (*sound, *broken) for finding in j.alarms})
    return [
        (
            code,
            share_of(any(f.code == code for f in j.alarms) for j in sound),
            share_of(any(f.code == code for f in j.alarms) for j in broken),
            share_of(j.names_cause for j in broken if j.first == code),
        )
        for code in codes
    ]


def first_codes(judgements: Iterable[Judgement]) -> str:
    """The codes named first, such as `TD301 x5, none x1`."""
    return ", ".join(
        f"{code} x{n}" for code, n in Counter(j.first or "none" for j in judgements).most_common()
    )


def abstentions(judgements: Sequence[Judgement]) -> dict[str, tuple[Share, str]]:
    """Code -> runs on which the check could not answer, and the commonest reason."""
    reasons: dict[str, Counter[str]] = {}
    for judgement in judgements:
        for code, why in judgement.skipped.items():
            reasons.setdefault(code, Counter())[why] += 1
    return {
        code: (Share(counts.total(), len(judgements)), counts.most_common(1)[0][0])
        for code, counts in sorted(reasons.items())
    }
