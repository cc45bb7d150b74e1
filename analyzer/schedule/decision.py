"""From a sweep to a prescription: the gates, the plan, what it assumes and how to show that it is wrong."""

from __future__ import annotations

import math
from dataclasses import replace

from traindoctor.prescription import Action, Prescription, Sweep
from traindoctor.run import Run
from traindoctor.text import Text

from . import sweep_wording as words
from .evidence import units_of
from .plan import TOLERANCE, Plan, Replay, cooldown, over_the_run, replay_error, same_schedule
from .setup import Setup
from .sweep import all_diverged, is_flat

TRY, CHANGE = 0.5, 0.75
"""Decades between recorded and estimated LR from which on to try it (x3.2), and to change it (x5.6)."""

OVERFIT_SHIFT = 0.25
"""Decades that are taken off the estimate where the recorded run overfitted. Not measured by itself."""

CONFIDENCE = {"keep": 0.94, "try": 0.62, "change": 0.83, "change-schedule": 0.81}
"""Measured shares. Source: Ours: controls kept; wins at x3.2 too high; wins of the gated sweep at four times
the horizon it was made for; wins of a straight line to zero where the LR was right."""


def decide(
    run: Run, setup: Setup, sweep: Sweep, replay: Replay | None = None, shape: str = "linear"
) -> Prescription:
    """The prescription that a sweep gives.

    Args:
        run: the recorded run.
        setup: what the sweep began with.
        sweep: its result.
        replay: runs generated code on a torch optimizer; None where torch is not installed.
        shape: schedule to change to, a key of `templates.TEMPLATES`.

    Source: Ours: gates at x3.2 and x5.6; a schedule is kept that ends at 12 % of its peak or less, averages
    25-85 % of it, and does not rise late.
    """
    evidence = _evidence(setup, sweep)
    blank = Prescription("cannot-tell", "sweep", sweep=sweep, evidence=evidence, units=units_of(evidence))
    if all_diverged(sweep):
        return replace(blank, why=words.everything_diverged(sweep))
    if is_flat(sweep):
        return replace(blank, why=words.flat(sweep))
    off, shifted = evidence["decades_off"], evidence["decades_off_shifted"]
    is_sane = setup.facts.is_sane and not setup.seen.bad_schedule
    is_off = min(off, shifted) >= TRY
    if is_sane and not is_off:
        return _kept(blank, setup, words.kept(setup, evidence))
    if is_sane:
        strength = "change" if off >= CHANGE else "try"
        same = same_schedule(run, setup.facts, setup.schedule, evidence["lr_factor"])
        plan = same or over_the_run(run, setup.facts, setup.schedule, evidence["lr_factor"], shape)
        action: Action = "try" if strength == "try" else ("change-lr" if same else "change-both")
        why = words.changed(setup, sweep, evidence, strength, same is not None)
        return _planned(run, blank, plan, action, CONFIDENCE[strength], why, setup, replay)
    if not is_off:
        plan = over_the_run(run, setup.facts, setup.schedule, 1.0, shape)
        why = words.reshaped(setup, evidence)
        return _planned(
            run, blank, plan, "change-schedule", CONFIDENCE["change-schedule"], why, setup, replay
        )
    plan = over_the_run(run, setup.facts, setup.schedule, evidence["lr_factor"], shape)
    why = words.changed(setup, sweep, evidence, "change", False)
    return _planned(run, blank, plan, "change-both", CONFIDENCE["change"], why, setup, replay)


def _evidence(setup: Setup, sweep: Sweep) -> dict[str, float]:
    """The numbers behind the decision; the shift for overfitting acts on the estimate that is used."""
    facts = setup.facts
    shifted = sweep.lr * 10**-OVERFIT_SHIFT if setup.overfits else sweep.lr
    return {
        "lr_peak": facts.peak,
        "lr_estimate": shifted,
        "lr_factor": shifted / facts.peak,
        "decades_off": abs(math.log10(sweep.lr / facts.peak)),
        "decades_off_shifted": abs(math.log10(shifted / facts.peak)),
        "sweep_best_lr": sweep.best_lr,
        "sweep_steps": float(sweep.steps),
        "sweep_share": sweep.share,
        "sweep_runs": float(len(sweep.points)),
        "horizon": float(facts.horizon),
        "final_lr_share": facts.final_share,
        "mean_lr_share": facts.mean_share,
    }


def _kept(blank: Prescription, setup: Setup, why: str) -> Prescription:
    return replace(
        blank,
        action="keep",
        confidence=CONFIDENCE["keep"],
        peak_lr=setup.facts.peak,
        schedule=setup.schedule,
        why=why,
        assumptions=words.assumptions(setup, blank.sweep),
        falsify=words.falsify_keep(setup),
    )


def _planned(
    run: Run,
    blank: Prescription,
    plan: Plan,
    action: Action,
    confidence: float,
    why: str,
    setup: Setup,
    replay: Replay | None,
) -> Prescription:
    """The prescription with its code, once the replay agreed with the plan."""
    name = run.info.optimizers[0].name if run.info.optimizers else "SGD"
    error = replay_error(plan, name, setup.facts.group_peaks, replay) if replay else math.nan
    if error > TOLERANCE:
        return replace(blank, why=words.replay_differs(error), replay_error=error)
    return replace(
        blank,
        action=action,
        confidence=confidence,
        peak_lr=float(plan.ticks.max()),
        schedule=plan.schedule,
        code=plan.schedule.code,
        why=Text("{first} {second}", first=why, second=words.NOT_REPLAYED) if math.isnan(error) else why,
        lr=plan.lr,
        replay_error=error,
        group_lrs=plan.peaks,
        horizon_steps=len(plan.lr),
        assumptions=words.assumptions(setup, blank.sweep),
        falsify=words.falsify_change(setup),
        alternative=_alternative(setup),
    )


def _alternative(setup: Setup) -> str:
    """Code that finishes a run of constant LR from its checkpoint; "" for any other schedule."""
    if setup.schedule.family != "constant":
        return ""
    return cooldown(setup.facts, setup.schedule).schedule.code
