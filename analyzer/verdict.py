"""The one sentence at the top: state, where, cost and action."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from traindoctor import x_axis
from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Severity, Verdict
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run, Series

from .extent import Extent, extent
from .measures import held_out
from .phrases import is_native, place, x_unit
from .reference import FEW_POINTS, Curve, least_training_points, main_curve, training_curve
from .signal import mann_kendall_z
from .trend import SIGNIFICANT

ENOUGH = 10
"""Fewer points than this carry no verdict on the whole of a run, whatever single checks may find in them."""

LEAST_FALL = 0.02
"""A loss that fell by less than this share of its first level has not learned anything that shows."""

RECORD_IT = "Log {} in the training script, or record the script with `traindoctor run`."

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def first_sentence(text: str) -> str:
    """The first sentence of a text, with its full stop."""
    return SENTENCE_END.split(text.strip(), maxsplit=1)[0]


def conclude(run: Run, findings: Sequence[Finding], n_passed: int) -> Verdict:
    """The verdict of a run.

    Args:
        run: the run.
        findings: root causes first.
        n_passed: number of checks that ran and found nothing.
    """
    serious = [finding for finding in findings if finding.severity is not Severity.INFO]
    if serious:
        what, action = first_sentence(serious[0].message), first_sentence(serious[0].remedy.text)
        return Verdict("findings", f"{what} {action}".strip())
    why = _not_assessable(run)
    if why:
        return Verdict("not-assessable", why)
    return Verdict("healthy", _healthy(run, n_passed))


def _not_assessable(run: Run) -> str:
    """Why nothing can be concluded, and what to do; "" when something can."""
    if not any(len(series) for series in run.series.values()):
        return _nothing_recorded(run)
    if run.info.loss_role != "progress":
        return (
            f"Not assessable: the objective is {run.info.loss_role}, whose value does not fall when training "
            "goes well. Judge the run by its own metric, such as reward or sample quality."
        )
    curve = _longest_curve(run)
    if curve is None:
        return _no_curve(run)
    n, label = curve.values.size, curve.label
    least = max(ENOUGH, least_training_points(Series(curve.steps, curve.values), run))
    if curve.measure is not None:
        least = ENOUGH
    if n < least:
        return (
            f"Not assessable: only {n} finite {_plural(label, n)}; {least} are the least that show a trend. "
            f"{_more(run)}"
        )
    if not _has_improved(curve):
        return (
            f"Not assessable: no check found a trouble, but the {label} hardly improved either: it began at "
            f"{curve.recorded(_start(curve)):.3g} and ended at {curve.recorded(_end(curve)):.3g}. "
            "A log from the beginning of the training would tell more."
        )
    return ""


def _nothing_recorded(run: Run) -> str:
    if is_native(run):
        return (
            "Not assessable: no optimizer step was recorded. "
            "Check that the script trains in the watched process and calls optimizer.step()."
        )
    return (
        "Not assessable: the log holds no values over the course of the training. "
        f"{RECORD_IT.format('the loss of each step or epoch')}"
    )


def _no_curve(run: Run) -> str:
    covered = extent(run)
    recorded = run.get(LOSS_TRAIN)
    if recorded is not None:
        how = "Look for what made it NaN or infinite from the start."
        return f"Not assessable: only 0 finite training losses among {len(recorded)}. {how}"
    if is_native(run):
        return (
            f"Not assessable: {covered.length} {x_unit(run)} were recorded, but no training loss. "
            "Call backward() on the loss in the watched process, or log the loss of each step."
        )
    n = len(run.series)
    return (
        f"Not assessable: the log holds {n} series, but no finite training loss, validation loss or metric "
        "whose direction is known. Name the loss with --map loss=NAME. "
        f"{RECORD_IT.format('the loss')}"
    )


def _more(run: Run) -> str:
    if is_native(run):
        return "Train longer, or log the loss more often."
    return RECORD_IT.format("the loss more often")


def _longest_curve(run: Run) -> Curve | None:
    """The main curve, however few points it has; None when there is none."""
    found: list[Curve] = []
    for read, least in ((main_curve, FEW_POINTS), (training_curve, 1), (main_curve, 1)):
        try:
            found.append(read(run, least))
        except NotAssessable:
            continue
    if found and found[0].values.size >= FEW_POINTS:
        return found[0]
    return max(found, key=lambda curve: curve.values.size, default=None)


def _start(curve: Curve) -> float:
    return float(np.median(curve.values[:3]))


def _end(curve: Curve) -> float:
    return float(np.median(curve.values[-max(1, curve.values.size // 20) :]))


def _has_improved(curve: Curve) -> bool:
    """Whether the level at the end is proven and materially below that at the start.

    Proven: by three standard errors of the two medians, or by Mann and Kendall's score of the block medians.
    Material, for a loss: by `LEAST_FALL` of its level at the start, what is taken as no change in the check
    for a loss that is stuck. A metric has no such scale.
    """
    start, end = max(_start(curve), float(curve.values[0])), min(_end(curve), float(curve.medians[-1]))
    fall = start - end
    n_start, n_end = min(3, curve.values.size), max(1, curve.values.size // 20)
    error = 1.25 * float(np.nan_to_num(curve.noise)) * float(np.sqrt(1.0 / n_start + 1.0 / n_end))
    is_proven = fall > 3.0 * error or mann_kendall_z(curve.medians) < SIGNIFICANT
    return fall > 0.0 and is_proven and (not curve.is_loss or fall > LEAST_FALL * abs(start))


def _plural(label: str, n: int) -> str:
    if label.endswith("loss"):
        return label if n == 1 else f"{label}es"
    return f"{'value' if n == 1 else 'values'} of the {label}"


def _healthy(run: Run, n_passed: int) -> str:
    curve = main_curve(run)
    start, end = curve.recorded(_start(curve)), curve.recorded(_end(curve))
    endings = {"killed": "was killed", "failed": "failed", "damaged": "breaks off"}
    ended = endings.get(run.info.status)
    covered = extent(run)
    until = f" until it {ended} at {place(run, covered.last)}" if ended else ""
    over = f"{covered.length} {run.info.x_unit}" if covered.first == 0 else _between(run, covered)
    limits = _limits(run, curve)
    checks = f"none of the {n_passed} checks that could run found anything to act on"
    if limits:
        return (
            f"Healthy{until} as far as the {curve.label} tells: it went from {start:.3g} to {end:.3g} over "
            f"{over}, and {checks}. {limits}"
        )
    return f"Healthy{until}: the {curve.label} went from {start:.3g} to {end:.3g} over {over}, and {checks}."


def _between(run: Run, covered: Extent) -> str:
    return x_axis.span(run.info.x_unit, str(covered.first), str(covered.last))


def _limits(run: Run, curve: Curve) -> str:
    """What a log of another tool lacks for a verdict on the whole training; "" when it lacks nothing."""
    if is_native(run):
        return ""
    if curve.measure is not None:
        return "The log holds no training loss, so overfitting cannot be told from other causes."
    if not held_out(run, FEW_POINTS):
        return "The log holds too few held-out values to tell whether the model overfits."
    return ""
