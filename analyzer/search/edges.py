"""Bounds of the searched range at which the best value lies: there the search should be widened."""

from __future__ import annotations

from collections.abc import Sequence

from traindoctor.search import Edge, Importance, Parameter, Region, Trial
from traindoctor.text import Text

from .scale import as_number, bounds, from_position, positions

NEAR = 0.05
"""Share of the range that counts as its edge."""

LEAST_SHARE = 0.05
"""Importance below which it does not matter where in its range a parameter lies."""


def edges_of(
    parameters: Sequence[Parameter],
    best: Trial,
    trials: Sequence[Trial],
    region: Region | None,
    importances: Sequence[Importance],
) -> tuple[Edge, ...]:
    """The bounds that the best trial touches.

    A parameter is at an edge when its best value lies within `NEAR` of the range from a bound, or when no
    other tried value lies between, and for the learning rate also the estimate does. Parameters that are
    known to explain less than `LEAST_SHARE` of the variance are left out.

    Source: Ours.
    """
    idle = {one.parameter for one in importances if one.high < LEAST_SHARE}
    found: list[Edge] = []
    for parameter in parameters:
        if not parameter.is_numeric or parameter.name in idle:
            continue
        at = float(positions(parameter, [best])[0])
        tried = positions(parameter, trials)
        low, high = bounds(parameter)
        if region is not None and region.parameter == parameter.name:
            estimate = float(positions(parameter, [Trial(0, "complete", {parameter.name: region.best})])[0])
        else:
            estimate = at
        margin = NEAR * (high - low)
        if min(at, estimate) <= low + margin or at <= tried[tried == tried].min() < low + 4 * margin:
            found += _edge(parameter, best, is_upper=False)
        elif max(at, estimate) >= high - margin or at >= tried[tried == tried].max() > high - 4 * margin:
            found += _edge(parameter, best, is_upper=True)
    return tuple(found)


def _edge(parameter: Parameter, best: Trial, *, is_upper: bool) -> list[Edge]:
    low, high = bounds(parameter)
    beyond = 1.0 if parameter.kind == "log" else (high - low) / 2
    moved = from_position(parameter, high + beyond if is_upper else low - beyond)
    bound = parameter.high if is_upper else parameter.low
    if parameter.kind != "log" and not is_upper and parameter.low >= 0:
        moved = max(moved, 0.0)
        if moved == parameter.low:  # 0, below which nothing makes sense for most parameters
            return []
    if parameter.kind == "int":
        moved = float(round(moved))
    value = as_number(best.parameters[parameter.name])
    sentence = Text(
        "The best {name} ({value:.3g}) is at the {side} edge of the searched range ({low:g} "
        "to {high:g}): widen it to {moved:.3g} and continue.",
        name=parameter.name,
        value=value,
        side=Text("upper") if is_upper else Text("lower"),
        low=parameter.low,
        high=parameter.high,
        moved=moved,
    )
    return [Edge(parameter.name, "upper" if is_upper else "lower", bound, moved, sentence)]
