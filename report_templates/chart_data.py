"""What the script of the HTML report knows about the charts over time: values, places, words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .chart_model import Curve, FurtherAxis, Panel, Stack
from .figures import DrawnFigure, PlotArea
from .language import _
from .page_model import Figure, Page


def chart_data(page: Page, drawn: Mapping[str, DrawnFigure]) -> dict[str, Any]:
    """JSON values: the words of the controls, and an entry for each figure with a time axis.

    Args:
        page: what is shown.
        drawn: id of a figure -> its drawing.
    """
    charts: dict[str, Any] = {}
    lists = _Lists()
    for figure in page.figures:
        if drawn[figure.id].areas:
            charts[figure.id] = _chart(figure, drawn[figure.id], lists)
            is_further = figure is page.headline.figure or charts[figure.id]["fixed"]
            charts[figure.id]["has_controls"] = not is_further
    return {"words": words(), "charts": charts, "lists": lists.kept}


class _Lists:
    """Lists of numbers, each kept once: the same curve stands in several charts."""

    def __init__(self) -> None:
        self.kept: list[list[float | None]] = []
        self._places: dict[tuple[float | None, ...], int] = {}

    def place(self, values: list[float | None]) -> int:
        """Index of the list."""
        place = self._places.setdefault(tuple(values), len(self.kept))
        if place == len(self.kept):
            self.kept.append(values)
        return place


def words() -> dict[str, str]:
    """Every word that the script writes."""
    return {
        "copy": _("Copy code"),
        "copied": _("Copied"),
        "selected": _("Selected, press Ctrl+C"),
        "axis": _("x axis"),
        "reset": _("Reset zoom"),
        "hint": _("Drag to zoom, double-click to reset. Keys: ← → read, + − zoom, 0 reset."),
    }


def _chart(figure: Figure, drawn: DrawnFigure, lists: _Lists) -> dict[str, Any]:
    stack = figure.drawing
    assert isinstance(stack, Stack)
    panels = [
        _panel(panel, area, len(stack.panels), lists)
        for panel, area in zip(stack.panels, drawn.areas, strict=True)
    ]
    return {
        "unit": stack.x_label,
        "whole": stack.is_whole,
        "fixed": stack.is_fixed,
        "name": stack.x_name,
        "limits": list(stack.x_limits),
        "panels": panels,
        "axes": [_axis(axis, lists) for axis in stack.axes],
    }


def _panel(panel: Panel, area: PlotArea, n_panels: int, lists: _Lists) -> dict[str, Any]:
    return {
        "area": [round(v, 2) for v in (area.left, area.top, area.right, area.bottom)],
        "x": [area.x_first, area.x_last],
        "y": [area.y_first, area.y_last],
        "log": panel.is_log,
        "label": panel.y_label if n_panels > 1 else "",
        "curves": [_curve(curve, lists) for curve in panel.curves],
    }


def _axis(axis: FurtherAxis, lists: _Lists) -> dict[str, Any]:
    return {
        "name": axis.name,
        "label": axis.label,
        "prefix": axis.prefix,
        "suffix": axis.suffix,
        "steps": lists.place([_place(x) for x in axis.steps]),
        "values": lists.place([_rounded(x, 7) for x in axis.values]),
    }


def _curve(curve: Curve, lists: _Lists) -> dict[str, Any]:
    return {
        "label": curve.label,
        "x": lists.place([_place(x) for x in curve.x]),
        "y": lists.place([_rounded(y, 4) for y in curve.y]),
        "stepped": curve.is_stepped,
    }


def _place(x: float) -> float:
    """Whole numbers where the axis is long; epochs and shares of a run with five digits."""
    return round(float(x)) if abs(x) >= 1000 or float(x).is_integer() else float(f"{x:.5g}")


def _rounded(value: float, digits: int) -> float | None:
    """A value with the significant digits that are shown: every format shows the same four."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
