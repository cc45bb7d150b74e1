"""The sentences of a prescription that rests on a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping

from traindoctor.prescription import OBJECTIVE_WORDS, Sweep
from traindoctor.text import Text

from .setup import Setup
from .sweep import UNSCALED, starts_differ
from .wording import NOT_REPLAYED as NOT_REPLAYED
from .wording import replay_differs as replay_differs


def everything_diverged(sweep: Sweep) -> str:
    """No short run ended with a finite score."""
    low, high = sweep.points[0].lr, sweep.points[-1].lr
    return Text(
        "Every one of the {n_points} short runs diverged, at peak learning rates from "
        "{low:.2g} to {high:.2g}. That is rarely a learning-rate problem: look at the data "
        "(NaN, unscaled inputs), at the loss (log or division of zero) and at the "
        "initialisation first. Nothing is prescribed.",
        n_points=len(sweep.points),
        low=low,
        high=high,
    )


def flat(sweep: Sweep) -> str:
    """The score does not depend on the learning rate."""
    scores = [point.score for point in sweep.points]
    return Text(
        "The {objective} does not depend on the learning rate: it ended between {min:.4g} "
        "and {max:.4g} at peak learning rates from {lr:.2g} to {lr_2:.2g}. Either nothing is "
        "learned at any of them (labels, wiring, frozen parameters), or what is validated is "
        "not the model that is trained. Nothing is prescribed.",
        objective=OBJECTIVE_WORDS[sweep.objective],
        min=min(scores),
        max=max(scores),
        lr=sweep.points[0].lr,
        lr_2=sweep.points[-1].lr,
    )


def _estimate(setup: Setup, evidence: Mapping[str, float]) -> str:
    return Text(
        "{sweep_runs:.0f} short runs of {sweep_steps:.0f} steps ({sweep_share:.0f} % of the "
        "run, straight to zero, one seed) were best at a peak of {sweep_best_lr:.2g}, which "
        "makes {lr_estimate:.2g} for {horizon:.0f} steps{lowered}",
        sweep_runs=evidence["sweep_runs"],
        sweep_steps=evidence["sweep_steps"],
        sweep_share=100 * evidence["sweep_share"],
        sweep_best_lr=evidence["sweep_best_lr"],
        lr_estimate=evidence["lr_estimate"],
        horizon=evidence["horizon"],
        lowered=_lowered(setup),
    )


def _lowered(setup: Setup) -> str:
    return (
        Text(" (a factor of 1.8 lower than the sweep says, because the recorded run overfitted)")
        if setup.overfits
        else ""
    )


def kept(setup: Setup, evidence: Mapping[str, float]) -> str:
    """Reasons to keep learning rate and schedule."""
    return Text(
        "Keep both. {estimate}: within a factor of 3.2 of the present {lr_peak:.2g}, closer "
        "than a sweep can tell. The schedule ends at {final_lr_share:.0f} % of its peak and "
        "averages {mean_lr_share:.0f} % of it, as good ones do.",
        estimate=_estimate(setup, evidence),
        lr_peak=evidence["lr_peak"],
        final_lr_share=100 * evidence["final_lr_share"],
        mean_lr_share=100 * evidence["mean_lr_share"],
    )


def changed(
    setup: Setup, sweep: Sweep, evidence: Mapping[str, float], strength: str, keeps_shape: bool
) -> str:
    """Reasons for another learning rate."""
    factor = evidence["lr_factor"]
    direction = Text("Raise") if factor > 1 else Text("Lower")
    times = factor if factor > 1 else 1 / factor
    verb = (
        ""
        if strength == "change"
        else Text(" It may be worth it, no more: the gain is uncertain below x5.6.")
    )
    edge = (
        Text(" The best rate was the last one tried: the true optimum may lie beyond it.")
        if sweep.is_at_edge
        else ""
    )
    shape = (
        Text("The schedule keeps its shape.")
        if keeps_shape
        else Text(
            "The schedule changes, too: {shape_fault}; it warms up over 5 % of the steps and "
            "then falls to zero.",
            shape_fault=_shape_fault(setup, evidence),
        )
    )
    return Text(
        "{direction} the peak learning rate by a factor of {rounded}, from {lr_peak:.2g} to "
        "{lr_estimate:.2g}. {estimate}.{edge}{verb} {shape} All param groups are scaled by "
        "the same factor.{others}",
        direction=direction,
        rounded=_rounded(times),
        lr_peak=evidence["lr_peak"],
        lr_estimate=evidence["lr_estimate"],
        estimate=_estimate(setup, evidence),
        edge=edge,
        verb=verb,
        shape=shape,
        others=_others(setup),
    )


def reshaped(setup: Setup, evidence: Mapping[str, float]) -> str:
    """Reasons for another schedule at the same peak."""
    return Text(
        "Keep the peak of {lr_peak:.2g} and change the schedule: {shape_fault}. Warm up over "
        "5 % of the steps, then fall to zero. {estimate}: within a factor of 3.2 of the "
        "present peak, so that stays.{others}",
        lr_peak=evidence["lr_peak"],
        shape_fault=_shape_fault(setup, evidence),
        estimate=_estimate(setup, evidence),
        others=_others(setup),
    )


def _shape_fault(setup: Setup, evidence: Mapping[str, float]) -> str:
    facts = setup.facts
    final, mean = 100 * evidence["final_lr_share"], 100 * evidence["mean_lr_share"]
    if facts.rises_late:
        return Text("the present one rises again late in training")
    if facts.final_share > 0.12:
        return Text("the present one ends at {final:.0f} % of its peak, far from zero", final=final)
    if facts.mean_share < 0.25:
        return Text("the present one is spent early: it averages {mean:.0f} % of its peak", mean=mean)
    if facts.mean_share > 0.85:
        return Text("the present one averages {mean:.0f} % of its peak and falls too late", mean=mean)
    return Text("the present one cannot be scaled as it is, or a check found it mismatched")


def _rounded(times: float) -> str:
    return f"{times:.2g}" if times < 10 else f"{float(f'{times:.2g}'):,.0f}"


def _others(setup: Setup) -> str:
    first = setup.seen.first
    if first is None:
        return ""
    return Text(
        " {code} ({name}) was found as well and may remain at any learning rate.",
        code=first.code,
        name=first.name,
    )


def assumptions(setup: Setup, sweep: Sweep | None) -> tuple[str, ...]:
    """What a prescription from a sweep takes for granted."""
    return (
        Text(
            "The next run has {horizon} optimizer steps, and the same model, data, batch size "
            "and optimizer settings; after a change of any of these, make the sweep again.",
            horizon=setup.facts.horizon,
        ),
        _scaling(setup),
        Text(
            "The {objective} at the end of training is what counts.",
            objective=OBJECTIVE_WORDS[setup.judge.objective],
        ),
        _one_seed(sweep),
    )


def _scaling(setup: Setup) -> str:
    if setup.optimizer in UNSCALED:
        return Text(
            "With {optimizer} the best peak learning rate falls with the fourth root of the number of steps: "
            "its largest stable rate does not depend on the steps at all. Measured on four small tasks of "
            "300 to 400 steps.",
            optimizer=setup.optimizer,
        )
    return Text(
        "The best peak learning rate falls with the square root of the number of steps. "
        "Measured: right on average over 13 small tasks of 300 to 4000 steps; where little "
        "data is passed over many times it falls faster."
    )


def _one_seed(sweep: Sweep | None) -> str:
    if sweep is None or not starts_differ(sweep):
        return Text("One seed per learning rate is enough to tell rates a factor of 3.2 apart.")
    losses = [point.first_loss for point in sweep.points if math.isfinite(point.first_loss)]
    return Text(
        "That chance does not decide between the learning rates: the short runs had one seed and began "
        "with different losses all the same ({low:.6g} to {high:.6g}), so the script cannot be seeded from "
        "outside. If it takes a seed as an argument, name it: --seed-arg --seed.",
        low=min(losses),
        high=max(losses),
    )


def falsify_change(setup: Setup) -> tuple[str, ...]:
    """What would show a change to be wrong."""
    return (
        Text(
            "Paired runs at full length (`traindoctor prove`): wrong if the mean change of the "
            "{objective} is not below -1 %, or the seeds disagree about its sign.",
            objective=OBJECTIVE_WORDS[setup.judge.objective],
        ),
        Text("A second sweep with another --seed: wrong if its best rate is a factor of 3.2 or more away."),
    )


def falsify_keep(setup: Setup) -> tuple[str, ...]:
    """What would show keeping to be wrong."""
    return (
        Text(
            "A full run at 3.2 times the learning rate, or at a third of it, same seed: wrong if "
            "either ends with a {objective} more than 1 % lower.",
            objective=OBJECTIVE_WORDS[setup.judge.objective],
        ),
    )
