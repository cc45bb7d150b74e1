"""Plots over time below each other on one x axis, with the findings as bars underneath."""

from __future__ import annotations

from typing import Any
from unicodedata import east_asian_width

import numpy as np
from matplotlib.figure import Figure

from .chart_model import Curve, Mark, Panel, Stack
from .figure_parts import (
    AXIS,
    BAND,
    CURVE,
    END,
    HEADING,
    NAME,
    PANEL,
    POINT,
    POINT_NAME,
    SPAN,
    TITLE,
    VALUES,
    between,
)
from .figure_style import (
    AXIS_ALPHA,
    DASHES,
    GRID_ALPHA,
    INK,
    NON_FINITE,
    NORMAL,
    PALETTE,
    SMALL,
    TONES,
    WIDTH,
    calm,
    new_figure,
    place,
    step_ticks,
    value_ticks,
)

_LEFT, _RIGHT, _TOP, _BOTTOM = 0.6, 1.16, 0.22, 0.44
_UNIT, _GAP, _LANE = 1.25, 0.36, 0.27
_LABEL_DISTANCE = 11.0
_TICKS, _NARROW_TICKS = 7, 4
_CHARACTER = 0.068
"""Average width of a label's character, inches."""


def draw_stack(stack: Stack) -> tuple[Figure, tuple[Any, ...]]:
    """Draw the stack; returns the figure and the axes of its panels, top to bottom."""
    heights = [panel.height * _UNIT for panel in stack.panels]
    lanes = len(stack.lanes) * _LANE + (0.1 if stack.lanes else 0.0)
    total = _TOP + sum(heights) + _GAP * (len(heights) - 1) + lanes + _BOTTOM
    figure = new_figure(total, stack.width or WIDTH)
    width = (stack.width or WIDTH) - _LEFT - (_right_margin(stack) if stack.width else _RIGHT)
    limits = _padded(*stack.x_limits)
    drawn: list[Any] = []
    top = _TOP
    for panel, height in zip(stack.panels, heights, strict=True):
        axes = place(figure, _LEFT, top, width, height)
        axes.set_xlim(*limits)
        _draw_panel(axes, panel)
        drawn.append(axes)
        top += height + _GAP
    last = drawn[-1]
    if stack.lanes:
        last = place(figure, _LEFT, top - _GAP + 0.1, width, lanes - 0.1)
        _draw_lanes(last, stack.lanes, limits)
    for axes in dict.fromkeys((*drawn, last)):
        step_ticks(axes.xaxis, stack.x_limits, _NARROW_TICKS if stack.width else _TICKS)
        axes.tick_params(labelbottom=axes is last)
        axes.set_gid(PANEL)
        axes.xaxis.set_gid(AXIS)
        axes.yaxis.set_gid(VALUES)
    last.set_xlabel(stack.x_label, fontsize=NORMAL, labelpad=4, gid=TITLE)
    return figure, tuple(drawn)


def _right_margin(stack: Stack) -> float:
    """Room for the names at the right of a small drawing, inches."""
    names = [curve.label for panel in stack.panels for curve in panel.curves]
    names += [mark.label for panel in stack.panels for mark in panel.marks if mark.kind == "level"]
    return 0.25 + _CHARACTER * min(max((_columns(name) for name in names), default=0), 26)


def _columns(name: str) -> int:
    """Width of a text in Latin characters: a Chinese one is twice as wide."""
    return len(name) + sum(east_asian_width(character) in "WF" for character in name)


def _padded(first: float, last: float) -> tuple[float, float]:
    margin = 0.01 * (last - first) or 1.0
    return first - margin, last + margin


def _draw_panel(axes: Any, panel: Panel) -> None:
    calm(axes)
    axes.set_title(panel.y_label, loc="left", fontsize=NORMAL, pad=5, color=INK, gid=HEADING)
    if panel.is_log:
        axes.set_yscale("log")
    for curve in panel.curves:
        _draw_curve(axes, curve)
    if panel.curves:
        _set_limits(axes, panel)
        value_ticks(axes.yaxis, panel.is_log)
    else:  # every value was NaN or infinite: the rug alone tells
        axes.set_yticks([])
    moments = [mark for mark in panel.marks if mark.kind == "moment"]
    n_above = sum(bool(mark.label) and mark.kind in {"span", "non-finite"} for mark in panel.marks)
    if any(mark.label for mark in moments):
        _make_room(axes, ((n_above + len(moments)) * _LABEL_DISTANCE + 4) / (panel.height * _UNIT * 72))
    for row, mark in enumerate(moments, start=n_above):
        _draw_moment(axes, mark, row)
    for mark in panel.marks:
        if mark.kind == "level":
            axes.axhline(mark.y, color=INK, alpha=0.75, linewidth=0.9, linestyle=DASHES[2])
        elif mark.kind != "moment":
            _draw_mark(axes, mark)
    _label_ends(axes, panel.curves, tuple(mark for mark in panel.marks if mark.kind == "level"))


def _draw_curve(axes: Any, curve: Curve) -> None:
    colour, dash = PALETTE[curve.colour], DASHES[curve.dash]
    if len(curve.band_x):
        axes.fill_between(
            curve.band_x, curve.low, curve.high, color=colour, alpha=0.22, linewidth=0, gid=BAND
        )
    style = "steps-post" if curve.is_stepped else "default"
    # A handful of points is shown as points: a line alone would hide where the measurements are.
    marker = "o" if len(curve.x) == 1 or (len(curve.x) <= 30 and not curve.is_stepped) else ""
    axes.plot(
        curve.x,
        curve.y,
        color=colour,
        linestyle=dash,
        linewidth=1.6,
        drawstyle=style,
        marker=marker,
        markersize=3,
        gid=CURVE,
    )


def _set_limits(axes: Any, panel: Panel) -> None:
    """A little air; zero where it is near; a constant curve amid a plain axis."""
    levels = np.asarray([mark.y for mark in panel.marks if mark.kind == "level"])
    values = np.concatenate([levels, *(part for c in panel.curves for part in (c.y, c.low, c.high))])
    low, high = float(values.min()), float(values.max())
    if panel.is_log:
        axes.set_ylim(low / 1.4, high * 1.4)
    elif high - low <= 1e-9 * max(abs(high), abs(low)):
        span = abs(high) or 1.0
        axes.set_ylim(min(0.0, low - span / 2), high + span / 2)
    else:
        is_near_zero = 0 <= low < 0.35 * high
        axes.set_ylim(0.0 if is_near_zero else low - 0.06 * (high - low), high + 0.08 * (high - low))


def _make_room(axes: Any, share: float) -> None:
    """Leave a share of the height free above the curves, for the names that stand there."""
    low, high = (float(axes.transData.transform((0, end))[1]) for end in axes.get_ylim())
    top = axes.transData.inverted().transform((0, low + (high - low) / (1 - share)))[1]
    axes.set_ylim(top=float(top))


def _draw_mark(axes: Any, mark: Mark) -> None:
    if mark.kind == "point":
        _draw_point(axes, mark)
        return
    low, high = axes.get_xlim()
    least = (high - low) * 0.004
    first, last = mark.first, max(mark.last, mark.first + least)
    colour = NON_FINITE if mark.kind == "non-finite" else TONES[mark.tone]
    axes.axvspan(first, last, color=colour, alpha=0.16, linewidth=0, gid=between(SPAN, mark))
    if mark.label:
        is_right = first > low + 0.6 * (high - low)
        axes.annotate(
            mark.label,
            (last if is_right else first, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-3 if is_right else 3, -3),
            textcoords="offset points",
            ha="right" if is_right else "left",
            va="top",
            fontsize=SMALL,
            color=colour,
            gid=between(NAME, mark),
        )


def _draw_moment(axes: Any, mark: Mark, row: int) -> None:
    """A vertical line, its name at the top; names of further ones stand in rows below."""
    low, high = axes.get_xlim()
    is_right = mark.first > (low + high) / 2
    axes.axvline(mark.first, color=TONES[mark.tone], linewidth=1.1)
    axes.annotate(
        mark.label,
        (mark.first, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if is_right else 4, -3 - _LABEL_DISTANCE * row),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="top",
        fontsize=SMALL,
        color=TONES[mark.tone],
    )


def _draw_point(axes: Any, mark: Mark) -> None:
    axes.plot(
        [mark.first],
        [mark.y],
        marker="o",
        markersize=7,
        markerfacecolor="none",
        color=INK,
        markeredgewidth=1.1,
        gid=POINT,
    )
    low, high = axes.get_xlim()
    share = (mark.first - low) / (high - low)
    align = "left" if share < 0.12 else ("right" if share > 0.88 else "center")
    position = axes.transAxes.inverted().transform(axes.transData.transform((mark.first, mark.y)))[1]
    above = position < 0.75
    axes.annotate(
        mark.label,
        (mark.first, mark.y),
        xytext=(0, 9 if above else -9),
        textcoords="offset points",
        ha=align,
        va="bottom" if above else "top",
        fontsize=SMALL,
        color=INK,
        fontweight="bold",
        gid=between(POINT_NAME, mark),
    )


def _label_ends(axes: Any, curves: tuple[Curve, ...], levels: tuple[Mark, ...]) -> None:
    """Names at the right of curves and levels, pushed apart where they would overlap (points)."""
    edge = axes.get_xlim()[1]
    ends = [(c.label, float(c.x[-1]), float(c.y[-1]), PALETTE[c.colour], END) for c in curves]
    ends += [(mark.label, edge, mark.y, INK, "") for mark in levels]
    heights = [float(axes.transData.transform((x, y))[1]) for _, x, y, _, _ in ends]
    placed: dict[int, float] = {}
    floor = -np.inf
    for index in sorted(range(len(ends)), key=lambda i: heights[i]):
        placed[index] = max(heights[index], floor + _LABEL_DISTANCE)
        floor = placed[index]
    ceiling = float(axes.transAxes.transform((0, 1))[1]) + _LABEL_DISTANCE
    for index in sorted(placed, key=lambda i: -placed[i]):
        placed[index] = min(placed[index], ceiling - _LABEL_DISTANCE)
        ceiling = placed[index]
    right = float(axes.transAxes.transform((1, 0))[0])
    for index, (label, x, y, colour, part) in enumerate(ends):
        end = axes.transData.transform((x, y))
        axes.annotate(
            label,
            (x, y),
            xytext=(right - end[0] + 7, placed[index] - heights[index]),
            textcoords="offset points",
            va="center",
            ha="left",
            fontsize=SMALL,
            color=colour,
            annotation_clip=False,
            gid=part or None,
        )


def _draw_lanes(axes: Any, lanes: tuple[Mark, ...], limits: tuple[float, float]) -> None:
    axes.set_xlim(*limits)
    axes.set_ylim(len(lanes), 0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_alpha(AXIS_ALPHA)
    axes.tick_params(left=False, labelleft=False, length=2.5, width=0.6, pad=3)
    span = limits[1] - limits[0]
    for row, lane in enumerate(lanes):
        first, last = max(lane.first, limits[0]), min(lane.last, limits[1])
        last = max(last, first + 0.006 * span)
        axes.plot([limits[0], limits[1]], [row + 0.82] * 2, color=INK, alpha=GRID_ALPHA, linewidth=0.6)
        axes.barh(
            row + 0.82,
            last - first,
            left=first,
            height=0.22,
            color=TONES[lane.tone],
            linewidth=0,
            gid=between(SPAN, lane),
        )
        is_right = first > limits[0] + 0.65 * span
        axes.annotate(
            lane.label,
            (last if is_right else first, row + 0.66),
            fontsize=SMALL,
            color=TONES[lane.tone],
            ha="right" if is_right else "left",
            va="bottom",
            annotation_clip=False,
            gid=between(NAME, lane),
        )
