"""The sentences of a prescription that rests on a sweep."""

from __future__ import annotations

from collections.abc import Mapping

from traindoctor.prescription import Sweep

from .setup import Setup
from .wording import NOT_REPLAYED as NOT_REPLAYED
from .wording import replay_differs as replay_differs


def everything_diverged(sweep: Sweep) -> str:
    """No short run ended with a finite score."""
    low, high = sweep.points[0].lr, sweep.points[-1].lr
    return (
        f"Every one of the {len(sweep.points)} short runs diverged, at peak learning rates from "
        f"{low:.2g} to {high:.2g}. That is rarely a learning-rate problem: look at the data "
        "(NaN, unscaled inputs), at the loss (log or division of zero) and at the initialisation first. "
        "Nothing is prescribed."
    )


def flat(sweep: Sweep) -> str:
    """The score does not depend on the learning rate."""
    scores = [point.score for point in sweep.points]
    return (
        f"The {sweep.objective} does not depend on the learning rate: it ended between {min(scores):.4g} "
        f"and {max(scores):.4g} at peak learning rates from {sweep.points[0].lr:.2g} to "
        f"{sweep.points[-1].lr:.2g}. "
        "Either nothing is learned at any of them (labels, wiring, frozen parameters), or what is validated "
        "is not the model that is trained. Nothing is prescribed."
    )


def _estimate(setup: Setup, evidence: Mapping[str, float]) -> str:
    return (
        f"{evidence['sweep_runs']:.0f} short runs of {evidence['sweep_steps']:.0f} steps "
        f"({100 * evidence['sweep_share']:.0f} % of the run, straight to zero, one seed) were best at a peak "
        f"of {evidence['sweep_best_lr']:.2g}, which makes {evidence['lr_estimate']:.2g} for "
        f"{evidence['horizon']:.0f} steps{_lowered(setup)}"
    )


def _lowered(setup: Setup) -> str:
    return (
        " (a factor of 1.8 lower than the sweep says, because the validation loss rises at the end)"
        if setup.overfits
        else ""
    )


def kept(setup: Setup, evidence: Mapping[str, float]) -> str:
    """Reasons to keep learning rate and schedule."""
    return (
        f"Keep both. {_estimate(setup, evidence)}: within a factor of 3.2 of the present "
        f"{evidence['lr_peak']:.2g}, closer than a sweep can tell. The schedule ends at "
        f"{100 * evidence['final_lr_share']:.0f} % of its peak and averages "
        f"{100 * evidence['mean_lr_share']:.0f} % of it, as good ones do."
    )


def changed(
    setup: Setup, sweep: Sweep, evidence: Mapping[str, float], strength: str, keeps_shape: bool
) -> str:
    """Reasons for another learning rate."""
    factor = evidence["lr_factor"]
    direction = "Raise" if factor > 1 else "Lower"
    times = factor if factor > 1 else 1 / factor
    verb = "" if strength == "change" else " It may be worth it, no more: the gain is uncertain below x5.6."
    edge = (
        " The best rate was the last one tried: the true optimum may lie beyond it."
        if sweep.is_at_edge
        else ""
    )
    shape = (
        "The schedule keeps its shape."
        if keeps_shape
        else f"The schedule changes, too: {_shape_fault(setup, evidence)}; it warms up over 5 % of the steps "
        "and then falls to zero."
    )
    return (
        f"{direction} the peak learning rate by a factor of {_rounded(times)}, "
        f"from {evidence['lr_peak']:.2g} to {evidence['lr_estimate']:.2g}. {_estimate(setup, evidence)}."
        f"{edge}{verb} {shape} All param groups "
        f"are scaled by the same factor. {_others(setup)}"
    ).rstrip()


def reshaped(setup: Setup, evidence: Mapping[str, float]) -> str:
    """Reasons for another schedule at the same peak."""
    return (
        f"Keep the peak of {evidence['lr_peak']:.2g} and change the schedule: "
        f"{_shape_fault(setup, evidence)}. Warm up over 5 % of the steps, then fall to zero. "
        f"{_estimate(setup, evidence)}: within a factor of 3.2 of the present peak, so that stays. "
        f"{_others(setup)}"
    ).rstrip()


def _shape_fault(setup: Setup, evidence: Mapping[str, float]) -> str:
    facts = setup.facts
    final, mean = 100 * evidence["final_lr_share"], 100 * evidence["mean_lr_share"]
    if facts.rises_late:
        return "the present one rises again late in training"
    if facts.final_share > 0.12:
        return f"the present one ends at {final:.0f} % of its peak, far from zero"
    if facts.mean_share < 0.25:
        return f"the present one is spent early: it averages {mean:.0f} % of its peak"
    if facts.mean_share > 0.85:
        return f"the present one averages {mean:.0f} % of its peak and falls too late"
    return "the present one cannot be scaled as it is, or a check found it mismatched"


def _rounded(times: float) -> str:
    return f"{times:.2g}" if times < 10 else f"{float(f'{times:.2g}'):,.0f}"


def _others(setup: Setup) -> str:
    first = setup.seen.first
    if first is None:
        return ""
    return f"{first.code} ({first.name}) was found as well and may remain at any learning rate. "


def assumptions(setup: Setup) -> tuple[str, ...]:
    """What a prescription from a sweep takes for granted."""
    return (
        f"The next run has {setup.facts.horizon} optimizer steps, and the same model, data, batch size and "
        "optimizer settings; after a change of any of these, make the sweep again.",
        "The best peak learning rate falls with the square root of the number of steps. Measured: right on "
        "average over 13 small tasks of 300 to 4000 steps; where little data is passed over many times it "
        "falls faster.",
        f"The {setup.judge.objective} at the end of training is what counts.",
        "One seed per learning rate is enough to tell rates a factor of 3.2 apart.",
    )


def falsify_change(setup: Setup) -> tuple[str, ...]:
    """What would show a change to be wrong."""
    return (
        "Paired runs at full length (`traindoctor prove`): wrong if the mean change of the "
        f"{setup.judge.objective} is not below -1 %, or the seeds disagree about its sign.",
        "A second sweep with another --seed: wrong if its best rate is a factor of 3.2 or more away.",
    )


def falsify_keep(setup: Setup) -> tuple[str, ...]:
    """What would show keeping to be wrong."""
    return (
        "A full run at 3.2 times the learning rate, or at a third of it, same seed: wrong if either ends "
        f"with a {setup.judge.objective} more than 1 % lower.",
    )
