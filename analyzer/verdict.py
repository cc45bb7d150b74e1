"""The one sentence at the top: state, where, cost and action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from traindoctor import x_axis
from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Severity, Verdict
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run, Series
from traindoctor.text import Opening, Text, counted

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


def conclude(run: Run, findings: Sequence[Finding], n_passed: int) -> Verdict:
    """The verdict of a run.

    Args:
        run: the run.
        findings: root causes first.
        n_passed: number of checks that ran and found nothing.
    """
    serious = [finding for finding in findings if finding.severity is not Severity.INFO]
    if serious:
        what, action = Opening(serious[0].message), Opening(serious[0].remedy.text)
        return Verdict("findings", Text("{first} {second}", first=what, second=action) if action else what)
    why = _not_assessable(run)
    if why:
        return Verdict("not-assessable", why)
    return Verdict("healthy", _healthy(run, n_passed))


def _not_assessable(run: Run) -> str:
    """Why nothing can be concluded, and what to do; "" when something can."""
    if not any(len(series) for series in run.series.values()):
        return _nothing_recorded(run)
    if run.info.loss_role != "progress":
        return Text(
            "Not assessable: the objective is {loss_role}, whose value does not fall when "
            "training goes well. Judge the run by its own metric, such as reward or sample "
            "quality.",
            loss_role=run.info.loss_role,
        )
    curve = _longest_curve(run)
    if curve is None:
        return _no_curve(run)
    n, label = curve.values.size, curve.label
    least = max(ENOUGH, least_training_points(Series(curve.steps, curve.values), run))
    if curve.measure is not None:
        least = ENOUGH
    if n < least:
        return Text(
            "Not assessable: only {n} finite {plural}; {least} are the least that show a trend. {more}",
            n=n,
            plural=_plural(label, n),
            least=least,
            more=_more(run),
        )
    if not _has_improved(curve):
        return Text(
            "Not assessable: no check found a trouble, but the {label} hardly improved either: "
            "it began at {recorded:.3g} and ended at {recorded_2:.3g}. A log from the beginning "
            "of the training would tell more.",
            label=label,
            recorded=curve.recorded(_start(curve)),
            recorded_2=curve.recorded(_end(curve)),
        )
    return ""


def _nothing_recorded(run: Run) -> str:
    if is_native(run):
        return Text(
            "Not assessable: no optimizer step was recorded. "
            "Check that the script trains in the watched process and calls optimizer.step()."
        )
    return Text(
        "Not assessable: the log holds no values over the course of the training. {record_it}",
        record_it=_record_it(Text("the loss of each step or epoch")),
    )


def _no_curve(run: Run) -> str:
    covered = extent(run)
    recorded = run.get(LOSS_TRAIN)
    if recorded is not None:
        how = Text("Look for what made it NaN or infinite from the start.")
        return Text(
            "Not assessable: only 0 finite training losses among {n_recorded}. {how}",
            n_recorded=len(recorded),
            how=how,
        )
    if is_native(run):
        return Text(
            "Not assessable: {length} {x_unit} were recorded, but no training loss. Call "
            "backward() on the loss in the watched process, or log the loss of each step.",
            length=covered.length,
            x_unit=x_unit(run),
        )
    n = len(run.series)
    return Text(
        "Not assessable: the log holds {n} series, but no finite training loss, validation "
        "loss or metric whose direction is known. Name the loss with --map loss=NAME. {record_it}",
        n=n,
        record_it=_record_it(Text("the loss")),
    )


def _record_it(what: str) -> Text:
    """How to get something into a log of another tool."""
    return Text("Log {what} in the training script, or record the script with `traindoctor run`.", what=what)


def _more(run: Run) -> str:
    if is_native(run):
        return Text("Train longer, or log the loss more often.")
    return _record_it(Text("the loss more often"))


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
        return label if n == 1 else Text("{label}es", label=label)
    return counted("value of the {label}", "values of the {label}", n, label=label)


def _healthy(run: Run, n_passed: int) -> str:
    curve = main_curve(run)
    start, end = curve.recorded(_start(curve)), curve.recorded(_end(curve))
    endings = {"killed": Text("was killed"), "failed": Text("failed"), "damaged": Text("breaks off")}
    ended = endings.get(run.info.status)
    covered = extent(run)
    until = Text(" until it {ended} at {place}", ended=ended, place=place(run, covered.last)) if ended else ""
    over = _length(run, covered) if covered.first == 0 else _between(run, covered)
    limits = _limits(run, curve)
    checks = Text("none of the {n_passed} checks that could run found anything to act on", n_passed=n_passed)
    facts = {"until": until, "label": curve.label, "start": start, "end": end, "over": over, "checks": checks}
    if limits:
        return Text(
            "Healthy{until} as far as the {label} tells: it went from {start:.3g} to {end:.3g} "
            "over {over}, and {checks}. {limits}",
            **facts,
            limits=limits,
        )
    return Text(
        "Healthy{until}: the {label} went from {start:.3g} to {end:.3g} over {over}, and {checks}.", **facts
    )


def _length(run: Run, covered: Extent) -> str:
    unit = Text(run.info.x_unit) if run.info.x_unit in x_axis.NOUNS else run.info.x_unit
    return Text("{length} {nouns}", length=covered.length, nouns=unit)


def _between(run: Run, covered: Extent) -> str:
    return x_axis.span(run.info.x_unit, str(covered.first), str(covered.last))


def _limits(run: Run, curve: Curve) -> str:
    """What a log of another tool lacks for a verdict on the whole training; "" when it lacks nothing."""
    if is_native(run):
        return ""
    if curve.measure is not None:
        return Text("The log holds no training loss, so overfitting cannot be told from other causes.")
    if not held_out(run, FEW_POINTS):
        return Text("The log holds too few held-out values to tell whether the model overfits.")
    return ""
