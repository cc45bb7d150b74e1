"""Points over a quantity that is not time, such as the trials of a search over their learning rates."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from .chart_model import Mark, Points, Scatter
from .figure_style import (
    DASHES,
    INK,
    NORMAL,
    PALETTE,
    SMALL,
    TONES,
    WIDTH,
    calm,
    new_figure,
    place,
    value_ticks,
)
from .number_format import number

_LEFT, _RIGHT, _TOP, _BOTTOM, _HEIGHT = 0.7, 1.75, 0.3, 0.5, 2.6
_MARKERS = {"dot": "o", "ring": "o", "cross": "x"}
_EDGE = 0.97
"""Height, as a share of the axes, at which points without a value stand."""


def draw_scatter(scatter: Scatter) -> Figure:
    """Draw the chart with its legend on the right."""
    figure = new_figure(_TOP + _HEIGHT + _BOTTOM)
    axes = place(figure, _LEFT, _TOP, WIDTH - _LEFT - _RIGHT, _HEIGHT)
    calm(axes)
    axes.set_title(scatter.y_label, loc="left", fontsize=NORMAL, pad=5, color=INK)
    axes.set_xlabel(scatter.x_label, fontsize=NORMAL, labelpad=4)
    if scatter.is_x_log:
        axes.set_xscale("log")
    if scatter.is_y_log:
        axes.set_yscale("log")
    _set_limits(axes, scatter)
    named = {points.label for points in scatter.points}
    for curve in scatter.curves:
        label = "" if curve.label in named else curve.label
        look: dict[str, Any] = {"color": PALETTE[curve.colour], "linestyle": DASHES[curve.dash]}
        axes.plot(curve.x, curve.y, linewidth=1.3, label=label, **look)
    for points in scatter.points:
        _draw_points(axes, points)
    value_ticks(axes.yaxis, scatter.is_y_log)
    value_ticks(axes.xaxis, scatter.is_x_log)
    if scatter.is_x_log:
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    for mark in scatter.marks:
        _draw_mark(axes, mark)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=SMALL)
    return figure


def _set_limits(axes: Any, scatter: Scatter) -> None:
    x = np.concatenate([points.x for points in scatter.points])
    y = np.concatenate([*(points.y for points in scatter.points), *(curve.y for curve in scatter.curves)])
    y = y[np.isfinite(y)]
    axes.set_xlim(*_padded(x, scatter.is_x_log, 0.04))
    if y.size:
        axes.set_ylim(*_padded(y, scatter.is_y_log, 0.1))


def _padded(values: Any, is_log: bool, share: float) -> tuple[float, float]:
    at = np.log10(values) if is_log else values
    low, high = float(at.min()), float(at.max())
    margin = share * (high - low) or (0.1 if is_log else 0.1 * abs(high) or 1.0)
    low, high = low - margin, high + margin
    return (10**low, 10**high) if is_log else (low, high)


def _draw_points(axes: Any, points: Points) -> None:
    has_value = np.isfinite(points.y)
    colour = PALETTE[points.colour] if points.shape != "cross" else TONES["critical"]
    look: dict[str, Any] = {"color": colour, "linestyle": "none", "marker": _MARKERS[points.shape]}
    look |= {"markersize": 5.5, "markeredgewidth": 1.3}
    if points.shape == "ring":
        look["markerfacecolor"] = "none"
    if has_value.any():
        axes.plot(points.x[has_value], points.y[has_value], label=points.label, **look)
    without = points.x[~has_value]
    if without.size:
        # An empty label would still stand in the legend beside the one of the points with a value.
        label = "_" if has_value.any() else points.label
        height = np.full(without.size, _EDGE)
        axes.plot(without, height, transform=axes.get_xaxis_transform(), label=label, **look)


def _draw_mark(axes: Any, mark: Mark) -> None:
    if mark.kind == "point":
        axes.plot(
            [mark.first],
            [mark.y],
            marker="o",
            markersize=10,
            markerfacecolor="none",
            color=INK,
            markeredgewidth=1.1,
            linestyle="none",
            label=mark.label or number(mark.y),
        )
        return
    axes.axvspan(mark.first, mark.last, color=TONES[mark.tone], alpha=0.13, linewidth=0, label=mark.label)
