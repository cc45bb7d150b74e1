"""Figures of a hyper-parameter search: the trials over the learning rate, and over it by batch size."""

from __future__ import annotations

import math

import numpy as np

from traindoctor.run import Floats
from traindoctor.search import Interaction, Parameter, Search, Trial

from . import number_format as fmt
from .chart_model import Curve, Mark, Points, Scatter
from .language import _
from .page_model import Cell, Column, Figure, Table

_EMPTY = np.empty(0)


def region_figure(search: Search) -> Figure | None:
    """The objective of every trial over the learning rate, or over the first range that was searched."""
    parameter = _shown_parameter(search)
    if parameter is None:
        return None
    points = _points_by_state(search, parameter)
    if not points:
        return None
    marks, curves = _marks(search, parameter)
    drawing = Scatter(
        fmt.name(parameter.name, 60),
        objective_label(search),
        tuple(points),
        curves,
        marks,
        parameter.kind == "log",
        _is_wide(search),
    )
    title = _region_title(search, parameter)
    caption = _(
        "Each point is a trial. Pruned trials stand at the last value they reported: what "
        "they would have reached is not known. Diverged trials stand at the upper edge."
    )
    return Figure("search", title, caption, drawing)


def objective_label(search: Search) -> str:
    """The objective and which of its values are better."""
    objective = fmt.name(search.study.objective or _("objective"), 60)
    return (
        _("{objective} ({better} is better)", objective=objective, better=search.study.better)
        if search.study.better
        else objective
    )


def _shown_parameter(search: Search) -> Parameter | None:
    numeric = {p.name: p for p in search.study.parameters if p.is_numeric}
    for name in (
        search.region.parameter if search.region else "",
        search.threshold.parameter if search.threshold else "",
        next((name for name in numeric if "lr" in name.lower() or "learning" in name.lower()), ""),
    ):
        if name in numeric:
            return numeric[name]
    return next(iter(numeric.values()), None)


def _points_by_state(search: Search, parameter: Parameter) -> list[Points]:
    kinds: list[Points] = []
    for state, label, colour, shape in (
        ("complete", _("completed"), 0, "dot"),
        ("pruned", _("pruned (last value)"), 1, "ring"),
        ("diverged", _("diverged"), 3, "cross"),
    ):
        trials = [t for t in search.study.trials if t.state == state and _has(t, parameter)]
        if trials:
            x = np.array([float(t.parameters[parameter.name]) for t in trials])
            y = np.array([math.nan if state == "diverged" else t.value for t in trials])
            kinds.append(Points(label, x, _positive(search, y), colour, shape))  # type: ignore[arg-type]
    return kinds


def _positive(search: Search, values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan) if _is_wide(search) else values


def _has(trial: Trial, parameter: Parameter) -> bool:
    value = trial.parameters.get(parameter.name)
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return is_number and (parameter.kind != "log" or float(value) > 0)  # type: ignore[arg-type]


def _is_wide(search: Search) -> bool:
    """Whether the completed trials' values span so much that only a logarithmic axis shows the good ones."""
    values = [t.value for t in search.study.of_state("complete", "pruned") if math.isfinite(t.value)]
    return bool(values) and min(values) > 0 and max(values) > 20 * min(values)


def _marks(search: Search, parameter: Parameter) -> tuple[tuple[Mark, ...], tuple[Curve, ...]]:
    marks: list[Mark] = []
    curves: tuple[Curve, ...] = ()
    region, threshold, best = search.region, search.threshold, search.best
    if region is not None and region.parameter == parameter.name:
        label = _("{level} interval", level=fmt.percent(region.level, 2))
        marks.append(Mark("span", region.low, region.high, label, "info"))
        fitted = [(x, y) for x, y in region.curve if y > 0 or not _is_wide(search)]
        if fitted:
            x, y = (np.array(column) for column in zip(*fitted, strict=True))
            curves = (Curve(_("fit"), x, y, _EMPTY, _EMPTY, _EMPTY, 2, 1),)
    if threshold is not None and threshold.parameter == parameter.name:
        marks.append(Mark("span", threshold.low, threshold.high, _("divergence begins"), "critical"))
    if best is not None and _has(best, parameter):
        at = float(best.parameters[parameter.name])
        marks.append(Mark("point", at, at, _("best trial"), y=best.value))
    return tuple(marks), curves


def _region_title(search: Search, parameter: Parameter) -> str:
    region, name = search.region, fmt.name(parameter.name, 40)
    if region is not None and region.parameter == parameter.name:
        low, high = fmt.number(region.low, 3), fmt.number(region.high, 3)
        return _("The best {name} lies between {low} and {high}", name=name, low=low, high=high)
    return _("Objective of the trials over {name}", name=name)


def interaction_figure(search: Search, found: Interaction) -> Figure:
    """The objective over the learning rate, one line for each batch size."""
    parameter = next(p for p in search.study.parameters if p.name == found.parameter)
    shapes = ("dot", "ring", "dot", "ring")
    points: list[Points] = []
    curves: list[Curve] = []
    for k, level in enumerate(found.levels[:4]):
        x, y = np.array(level.x), _positive(search, np.array(level.y))
        points.append(Points(fmt.name(level.label, 40), x, y, k, shapes[k]))  # type: ignore[arg-type]
        curves.append(Curve(level.label, x, y, _EMPTY, _EMPTY, _EMPTY, k, k))
    drawing = Scatter(
        fmt.name(found.parameter, 60),
        objective_label(search),
        tuple(points),
        tuple(curves),
        (),
        parameter.kind == "log",
        _is_wide(search),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (fmt.name(level.label, 60), fmt.count(len(level.x)), fmt.number(level.best, 3))
        for level in found.levels
    )
    best = Column(_("best {parameter}", parameter=fmt.name(found.parameter, 40)), align="right")
    columns = (Column(_("level")), Column(_("completed trials"), align="right"), best)
    title = _(
        "{parameter} and {other}", parameter=fmt.name(found.parameter, 40), other=fmt.name(found.other, 40)
    )
    caption = _("Completed trials; lines join those of one level, whatever their other parameters were.")
    return Figure("interaction", title, caption, drawing, Table(_("Best per level"), columns, rows))
