"""The sweep as scores over learning rates, and the proof as pairs of scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .chart_model import PairedChart, ScorePoint, SweepChart
from .figure_style import (
    DASHES,
    INK,
    NON_FINITE,
    NORMAL,
    PALETTE,
    SMALL,
    WIDTH,
    calm,
    new_figure,
    place,
    value_ticks,
)

_LEFT, _TOP, _BOTTOM, _HEIGHT = 0.75, 0.3, 0.5, 2.3
_PAIR_WIDTH = 3.4


def draw_sweep(chart: SweepChart) -> Figure:
    """Points, the parabola through the best three, the present and the estimated rate as vertical lines."""
    figure = new_figure(_TOP + _HEIGHT + _BOTTOM)
    axes = place(figure, _LEFT, _TOP, WIDTH - _LEFT - 0.35, _HEIGHT)
    calm(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(chart.y_label, loc="left", fontsize=NORMAL, pad=8, color=INK)
    axes.set_xlabel(chart.x_label, fontsize=NORMAL, labelpad=4)
    finite = [point for point in chart.points if math.isfinite(point.y)]
    if len(chart.curve_x):
        axes.plot(chart.curve_x, chart.curve_y, color=PALETTE[0], linewidth=1.4, linestyle=DASHES[1])
    axes.plot([p.x for p in finite], [p.y for p in finite], "o", color=PALETTE[0], markersize=6)
    _limits(axes, chart, finite)
    _diverged(axes, [point for point in chart.points if not math.isfinite(point.y)])
    for index, mark in enumerate(chart.marks):
        _rate(axes, mark.first, mark.label, index)
    value_ticks(axes.xaxis, is_log=True)
    value_ticks(axes.yaxis, is_log=True)
    return figure


def _limits(axes: Any, chart: SweepChart, finite: list[ScorePoint]) -> None:
    rates = [point.x for point in chart.points] + [mark.first for mark in chart.marks]
    axes.set_xlim(min(rates) / 1.6, max(rates) * 1.6)
    values = [point.y for point in finite] + [float(y) for y in chart.curve_y]
    if values:
        low, high = min(values), max(values)
        room = max(high / low, 1.05) ** 0.18
        axes.set_ylim(low / room**2.5, high * room)  # the names of the rates stand below the points


def _diverged(axes: Any, points: list[ScorePoint]) -> None:
    """Crosses at the upper edge, the first one named."""
    for index, point in enumerate(points):
        axes.plot(
            [point.x], [0.94], "x", color=NON_FINITE, markersize=7, transform=axes.get_xaxis_transform()
        )
        if index == 0:
            axes.annotate(
                "diverged",
                (point.x, 0.94),
                xycoords=axes.get_xaxis_transform(),
                xytext=(-8, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=SMALL,
                color=NON_FINITE,
            )


def _rate(axes: Any, rate: float, label: str, index: int) -> None:
    """A vertical line at a learning rate; labels alternate in height so that close ones do not overlap."""
    colour = (PALETTE[1], PALETTE[2])[index % 2]
    axes.axvline(rate, color=colour, linewidth=1.2, linestyle=DASHES[index % 2])
    low, high = np.log(axes.get_xlim())
    is_right = (math.log(rate) - low) / (high - low) > 0.6
    axes.annotate(
        label,
        (rate, 0.04 + 0.11 * (index % 2)),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-4 if is_right else 4, 0),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="bottom",
        fontsize=SMALL,
        color=colour,
    )


def draw_pairs(chart: PairedChart) -> Figure:
    """Old on the left, new on the right, a line for each seed."""
    figure = new_figure(_TOP + _HEIGHT + 0.4)
    axes = place(figure, _LEFT, _TOP, _PAIR_WIDTH, _HEIGHT)
    calm(axes)
    axes.set_title(chart.y_label, loc="left", fontsize=NORMAL, pad=8, color=INK)
    axes.set_xlim(-0.25, 1.25)
    axes.set_xticks([0, 1], chart.sides, fontsize=NORMAL)
    values = [value for pair in chart.pairs for value in (pair.old, pair.new) if math.isfinite(value)]
    if values:
        low, high = min(values), max(values)
        margin = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
        axes.set_ylim(low - margin, high + margin)
    is_log = bool(values) and min(values) > 0 and max(values) > 30 * min(values)
    if is_log:
        axes.set_yscale("log")
        axes.set_ylim(min(values) / 1.5, max(values) * 1.5)
    for index, pair in enumerate(chart.pairs):
        _draw_pair(axes, pair.old, pair.new, index)
    value_ticks(axes.yaxis, is_log)
    _name_pairs(axes, chart, is_log)
    return figure


def _draw_pair(axes: Any, old: float, new: float, index: int) -> None:
    """A line between two scores; a cross beside the upper edge for a run without one."""
    colour, dash = PALETTE[index % len(PALETTE)], DASHES[index % len(DASHES)]
    transform = axes.get_xaxis_transform()
    for x, value in ((0, old), (1, new)):
        if math.isfinite(value):
            axes.plot([x], [value], "o", color=colour, markersize=6)
        else:
            beside = x + 0.06 * (index % len(PALETTE))
            axes.plot([beside], [0.97], "x", color=colour, markersize=7, transform=transform)
    if math.isfinite(old) and math.isfinite(new):
        axes.plot([0, 1], [old, new], color=colour, linewidth=1.4, linestyle=dash)


def _name_pairs(axes: Any, chart: PairedChart, is_log: bool) -> None:
    """Seeds beside their new scores, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    scale = math.log if is_log else float
    floor = -math.inf
    shown = [(pair.new if math.isfinite(pair.new) else high, index) for index, pair in enumerate(chart.pairs)]
    for value, index in sorted(shown):
        place_at = (scale(value) - scale(low)) / (scale(high) - scale(low))
        floor = max(place_at, floor + 0.075)
        axes.annotate(
            chart.pairs[index].label,
            (1.08, floor),
            xycoords=("data", "axes fraction"),
            va="center",
            fontsize=SMALL,
            color=PALETTE[index % len(PALETTE)],
            annotation_clip=False,
        )
