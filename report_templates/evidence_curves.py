"""The curves of the small plot inside a finding: which series it is about, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor import names
from traindoctor.finding import Finding
from traindoctor.run import Floats, Run, Series
from traindoctor.text import Text

from . import number_format as fmt
from .evidence_views import View
from .language import _, tr
from .page_curves import is_same
from .page_metrics import held_out_word, main_metrics, panel_title

_MOST_PARAMETERS = 2
_MOST_LR_GROUPS = 3
_QUANTITIES = {
    "update_ratio": Text("update ratio"),
    "grad_norm": Text("gradient norm"),
    "weight_rms": Text("weight rms"),
    "grad_dead_rows": Text("dead units"),
}


@dataclass(frozen=True)
class Line:
    """One series of a plot.

    Attributes:
        label: name at its end.
        colour: index into the palette.
        series: what was recorded.
        is_noisy: drawn as a band with its median.
    """

    label: str
    colour: int
    series: Series
    is_noisy: bool = False


Content = tuple[str, list[Line]]
"""Heading of a plot, and its series."""


def content(run: Run, finding: Finding, view: View, kind: str) -> Content | None:
    """What a plot of a kind (see `View.panels`) shows of a run; None where nothing of it was recorded."""
    if kind == "measure":
        return _measure(run, finding, view)
    if kind == "ratio":
        median = _median(run, "update_ratio")
        return (tr(_QUANTITIES["update_ratio"]), [Line(_("median"), 0, median)]) if median else None
    if kind.startswith("parameters:"):
        return _parameters(run, finding, kind.partition(":")[2])
    if kind == "time":
        times = run.get(names.STEP_TIME)
        return (_("time per step, s"), [Line(_("step"), 0, times, True)]) if times is not None else None
    if kind == "lr":
        return _learning_rates(run)
    return _gradient(run) if kind == "gradient" else _losses(run, is_train_only=kind == "train")


def _losses(run: Run, *, is_train_only: bool = False) -> Content | None:
    lines: list[Line] = []
    train, validation = run.get(names.LOSS_TRAIN), run.get(names.LOSS_VALIDATION)
    if train is not None:
        lines.append(Line(_("train"), 0, train, True))
    if validation is not None and not is_train_only:
        lines.append(Line(held_out_word(run, names.LOSS_VALIDATION), 1, validation))
    return (_("loss"), lines) if lines else None


def _learning_rates(run: Run) -> Content | None:
    """The first learning rates that differ."""
    distinct: list[tuple[str, Series]] = []
    for group, series in run.learning_rates().items():
        if all(not is_same(series, other) for _group, other in distinct):
            distinct.append((group, series))
    lines = [
        Line(
            _("recorded") if len(distinct) == 1 else fmt.name(_("group {label}", label=group), 20),
            index,
            series,
        )
        for index, (group, series) in enumerate(distinct[:_MOST_LR_GROUPS])
    ]
    return (_("learning rate"), lines) if lines else None


def _gradient(run: Run) -> Content | None:
    before, used = run.get(names.GRAD_NORM_PRECLIP), run.get(names.GRAD_NORM)
    lines = [Line(_("before clipping"), 3, before, True)] if before is not None else []
    if used is not None:
        lines.append(Line(_("after clipping") if before is not None else _("all gradients"), 0, used, True))
    return (_("gradient norm"), lines) if lines else None


def _parameters(run: Run, finding: Finding, quantity: str) -> Content | None:
    """The worst parameters of the finding, and the median of the matrices."""
    table = run.parameter(quantity)
    lines = [
        Line(fmt.name(name, 20), colour, table[name])
        for colour, name in enumerate(finding.parameters[:_MOST_PARAMETERS])
        if name in table and len(table[name])
    ]
    middle = _median(run, quantity)
    if middle is not None and len(table) > len(lines):
        lines.append(Line(_("median"), 3, middle))
    return (tr(_QUANTITIES[quantity]), lines) if lines else None


def _median(run: Run, quantity: str) -> Series | None:
    """Median over the matrices (all parameters where none is known as one) at every sampled place."""
    table = {name: one for name, one in run.parameter(quantity).items() if len(one)}
    matrices = {info.name for info in run.info.parameters if info.role == "matrix"}
    kept = [one for name, one in table.items() if name in matrices] or list(table.values())
    if not kept:
        return None
    steps = np.concatenate([one.steps for one in kept])
    values = np.concatenate([one.values for one in kept])
    order = np.argsort(steps, kind="stable")
    own, starts = np.unique(steps[order], return_index=True)
    middle: Floats = np.asarray([float(np.median(part)) for part in np.split(values[order], starts[1:])])
    return Series(own, middle)


def _measure(run: Run, finding: Finding, view: View) -> Content | None:
    """What the evidence was measured on: the losses, or the held-out metric that reaches its levels."""
    wanted = {*(view.levels or ()), *(view.point or ())[1:], "fall"} & set(finding.evidence)
    if all(finding.units[name] == "loss units" for name in wanted):
        return _losses(run)
    heights = [finding.evidence[name] for name in wanted - {"fall", "nothing or chance"}]
    for quantity in main_metrics(run):
        for split, colour in (("validation", 1), ("test", 2)):
            series = run.get(f"{quantity}/{split}")
            kept = series.finite() if series is not None else None
            if kept is not None and len(kept) > 1 and _reaches(kept, heights):
                return panel_title(run, quantity), [
                    Line(held_out_word(run, f"{quantity}/{split}"), colour, kept)
                ]
    return None


def _reaches(series: Series, heights: list[float]) -> bool:
    """Whether all heights lie among the values of a series, but for a hundredth of their range."""
    low, high = float(series.values.min()), float(series.values.max())
    slack = 0.01 * (high - low)
    return all(low - slack <= height <= high + slack for height in heights)
