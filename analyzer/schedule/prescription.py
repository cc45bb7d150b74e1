"""The learning rate and schedule to use next, as far as a log alone can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from traindoctor.finding import Action, Finding, Prescription, Schedule
from traindoctor.run import Run
from traindoctor.text import Text

from . import wording
from .evidence import (
    MIN_HOT_SAMPLES,
    LrFacts,
    hot_update_ratio,
    lr_factor,
    lr_facts,
    rises_at_end,
    target_update_ratio,
    units_of,
)
from .plan import TOLERANCE, Plan, Replay, cooldown, over_the_run, replay_error, same_schedule
from .signs import Signs, signs

MIN_STEPS = 100
"""Shorter runs give no hint; the measurements behind it cover 300 to 4000 steps."""

TRY, CHANGE = 0.5, 0.75
"""Decades between the LR and the hint from which on to try another one (x3.2), and to change it (x5.6)."""

CONFIDENCE = {
    "try": 0.67,
    "change": 0.8,
    "diverged": 0.8,
    "change-schedule": 0.67,
    "cooldown": 0.8,
    "keep": 0.6,
}
"""Measured shares, the lower end of a range. Source: Ours: on 13 tasks x 13 faults the log-only policy won
67 % gated at x3.2 and 80 % ungated, its LR was within x3.2 of the best in 56-67 %; a cooldown helped constant
rates in 80-100 %."""


def prescribe(
    run: Run, schedule: Schedule, findings: Sequence[Finding], replay: Replay | None = None
) -> Prescription:
    """What to do about the learning rate, from the log alone: a hint, never more than likely.

    Args:
        run: the run.
        schedule: as `recognise(run)` gave it.
        findings: what the detectors found.
        replay: runs generated code on a real torch optimizer; code that gives another LR than
            planned is withheld. None where torch is not installed: the code is then shown with a sentence
            that says so.

    Source: Ours: update ratio at its measured target 0.2/sqrt(T), gates at x3.2 and x5.6.
    """
    facts = lr_facts(run, schedule)
    seen = signs(findings)
    reason = _obstacle(run, facts, seen)
    if reason or facts is None:
        return Prescription("cannot-tell", why=reason)
    evidence = {
        "lr_peak": facts.peak,
        "horizon": float(facts.horizon),
        "final_lr_share": facts.final_share,
        "mean_lr_share": facts.mean_share,
    }
    if seen.diverged:
        evidence |= _interval(facts.peak, seen.factor or 0.1)
        return _changed(run, schedule, facts, seen, evidence, "diverged", replay)
    return _from_update_ratio(run, schedule, facts, seen, evidence, replay)


def _from_update_ratio(
    run: Run,
    schedule: Schedule,
    facts: LrFacts,
    seen: Signs,
    evidence: dict[str, float],
    replay: Replay | None,
) -> Prescription:
    """For a run that did not diverge: the size of its updates against that of well-tuned runs."""
    ratio, samples = hot_update_ratio(run, facts)
    if samples < MIN_HOT_SAMPLES:
        why = wording.no_update_ratio(samples)
        return Prescription("cannot-tell", why=why, evidence=evidence, units=units_of(evidence))
    prefers_low = seen.overfits or rises_at_end(run)
    factor = lr_factor(ratio, facts.horizon) * (10**-0.25 if prefers_low else 1.0)
    if seen.lr_too_low and seen.factor and factor > 1.0:
        factor = seen.factor
    evidence |= {
        "update_ratio": ratio,
        "update_ratio_target": target_update_ratio(facts.horizon),
        "samples": float(samples),
    }
    evidence |= _interval(facts.peak, factor)
    return _weighed(run, schedule, facts, seen, evidence, replay)


def _obstacle(run: Run, facts: LrFacts | None, seen: Signs) -> str:
    """Why nothing can be said, or ""."""
    several = len(run.info.optimizers) > 1 or any(name.startswith("optimizer1/") for name in run.series)
    if facts is None:
        return wording.NO_LR
    if several:
        return wording.SEVERAL_OPTIMIZERS
    if run.info.loss_role != "progress":
        return wording.NOT_A_PROGRESS_LOSS
    if run.info.x_unit != "optimizer steps":
        return wording.OTHER_CLOCK
    if seen.first is not None:
        return wording.fix_first(seen.first)
    return wording.too_short(facts.recorded, MIN_STEPS) if facts.recorded < MIN_STEPS else ""


def _interval(peak: float, factor: float) -> dict[str, float]:
    hint = peak * factor
    return {
        "lr_factor": factor,
        "lr_hint": hint,
        "lr_hint_low": hint / 4,
        "lr_hint_high": hint * 4,
        "decades_off": abs(math.log10(factor)),
    }


def _weighed(
    run: Run,
    schedule: Schedule,
    facts: LrFacts,
    seen: Signs,
    evidence: dict[str, float],
    replay: Replay | None,
) -> Prescription:
    """The decision for a run that did not diverge."""
    off, factor = evidence["decades_off"], evidence["lr_factor"]
    is_sane = (facts.ends_low if seen.is_healthy else facts.is_sane) and not seen.bad_schedule
    if seen.lr_too_low and factor <= 1.0:
        return Prescription(
            "cannot-tell", why=wording.CONTRADICTION, evidence=evidence, units=units_of(evidence)
        )
    if seen.overfits and not seen.names_lr and (off < CHANGE or factor > 1.0):
        return _kept(schedule, facts, evidence, wording.OVERFITS)
    if off >= TRY and not seen.is_healthy:
        return _changed(run, schedule, facts, seen, evidence, "change" if off >= CHANGE else "try", replay)
    if is_sane:
        return _kept(schedule, facts, evidence, wording.kept(evidence, off >= TRY))
    action: Action = "cooldown" if schedule.family == "constant" else "change-schedule"
    plan = cooldown(facts, schedule) if action == "cooldown" else over_the_run(run, facts, schedule, 1.0)
    why = wording.reshaped(action, facts, evidence, off >= TRY)
    return _planned(run, facts, plan, action, CONFIDENCE[action], why, evidence, replay)


def _kept(schedule: Schedule, facts: LrFacts, evidence: dict[str, float], why: str) -> Prescription:
    return Prescription(
        "keep",
        confidence=CONFIDENCE["keep"],
        peak_lr=facts.peak,
        schedule=schedule,
        why=why,
        evidence=evidence,
        units=units_of(evidence),
    )


def _changed(
    run: Run,
    schedule: Schedule,
    facts: LrFacts,
    seen: Signs,
    evidence: dict[str, float],
    strength: str,
    replay: Replay | None,
) -> Prescription:
    """Another LR; the schedule stays when it was sane and can be rebuilt."""
    factor = evidence["lr_factor"]
    is_sane = facts.is_sane and not seen.bad_schedule and facts.horizon == facts.recorded
    same = same_schedule(run, facts, schedule, factor) if is_sane else None
    plan = same or over_the_run(run, facts, schedule, factor)
    action: Action = "change-lr" if same else "change-both"
    confidence = min(CONFIDENCE[strength], 0.67 if seen.overfits else 1.0)
    why = wording.changed(strength, facts, evidence, seen.overfits, same is not None)
    return _planned(run, facts, plan, action, confidence, why, evidence, replay)


def _planned(
    run: Run,
    facts: LrFacts,
    plan: Plan,
    action: Action,
    confidence: float,
    why: str,
    evidence: dict[str, float],
    replay: Replay | None,
) -> Prescription:
    """The prescription with its code, once the replay agreed with the plan."""
    name = run.info.optimizers[0].name if run.info.optimizers else "SGD"
    error = replay_error(plan, name, facts.group_peaks, replay) if replay else math.nan
    if error > TOLERANCE:
        return Prescription(
            "cannot-tell",
            why=wording.replay_differs(error),
            evidence=evidence,
            units=units_of(evidence),
            replay_error=error,
        )
    if math.isnan(error):
        why = Text("{first} {second}", first=why, second=wording.NOT_REPLAYED)
    return Prescription(
        action,
        confidence=confidence,
        peak_lr=float(plan.ticks.max()),
        schedule=plan.schedule,
        code=plan.schedule.code,
        why=why,
        lr=plan.lr,
        evidence=evidence,
        units=units_of(evidence),
        replay_error=error,
        group_lrs=plan.peaks,
        horizon_steps=len(plan.lr),
    )
