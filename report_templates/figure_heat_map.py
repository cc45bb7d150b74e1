"""Parameters x time as one palette image, with flat colours for zero, non-finite and not recorded."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .chart_model import HeatMap
from .figure_style import INK, NORMAL, SMALL, WIDTH, new_figure, place, step_ticks
from .language import _, looked_up
from .number_format import name, number

ZERO, NOT_FINITE, NOT_RECORDED = "#000000", "#E8384F", "#B9BDC4"
_LEVELS = 64
"""Steps of a colour scale: more of them are not told apart, and cost a quarter of the picture's bytes."""
_RIGHT, _TOP, _BOTTOM = 1.0, 0.12, 0.78
_CHARACTER = 0.068
"""Average width of a label's character, inches."""
_ROW, _MIN_HEIGHT, _MAX_HEIGHT = 0.155, 0.9, 6.6
_LABEL_LIMIT = 30


def draw_heat_map(heat: HeatMap) -> Figure:
    """Draw one heat map with its colour bar and its legend of flat colours."""
    height = min(max(len(heat.rows) * _ROW, _MIN_HEIGHT), _MAX_HEIGHT)
    figure = new_figure(_TOP + height + _BOTTOM)
    left = 0.15 + _CHARACTER * min(max(len(row) for row in heat.rows), _LABEL_LIMIT)
    axes = place(figure, left, _TOP, WIDTH - left - _RIGHT, height)
    first, last = heat.x_limits
    extent = (first, max(last, first + 1), len(heat.rows), 0)
    axes.imshow(_pixels(heat), interpolation="none", aspect="auto", extent=extent)
    _label_rows(axes, heat, height)
    step_ticks(axes.xaxis, heat.x_limits)
    axes.set_xlabel(heat.x_label, fontsize=NORMAL, labelpad=3)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=2.5, width=0.6, pad=3)
    axes.tick_params(axis="y", left=False)
    _colour_bar(figure, heat, height)
    _legend(figure, heat, left)
    return figure


def colours(*, is_relative: bool = False) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The levels of a scale, shape (64, 4). Their darkest parts are left out: they would pass for zero.

    Values relative to a reference have two hues that part at one: teal below, brown above.
    """
    if is_relative:
        scale = mpl.colormaps["BrBG_r"](np.linspace(0.06, 0.94, _LEVELS))
    else:
        scale = mpl.colormaps["viridis"](np.linspace(0.16, 1.0, _LEVELS))
    return np.asarray(np.round(scale * 255), dtype=np.uint8)


def _pixels(heat: HeatMap) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Shape (n_rows, n_bins, 4): the colours of the scale and the three flat ones."""
    low, high = heat.limits
    is_positive = np.isfinite(heat.values) & (heat.values > 0)
    logs = np.log10(np.where(is_positive, heat.values, 1.0))
    level = np.clip((logs - low) / (high - low) * (_LEVELS - 1), 0, _LEVELS - 1).round().astype(int)
    pixels: np.ndarray[Any, np.dtype[np.uint8]] = colours(is_relative=heat.is_relative)[level]
    # A negative value (a mean, say) has no logarithm; no quantity shown here can be negative.
    pixels[heat.values == 0] = _rgba(ZERO)
    pixels[~np.isfinite(heat.values)] = _rgba(NOT_FINITE)
    pixels[heat.is_recorded == 0] = _rgba(NOT_RECORDED)
    return pixels


def _rgba(colour: str) -> tuple[int, int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16), 255


def _label_rows(axes: Any, heat: HeatMap, height: float) -> None:
    """Every row where there is room; otherwise as many first rows of blocks, or plain rows, as fit."""
    n_rows = len(heat.rows)
    most = max(1, int(height / 0.135))
    rows = list(range(n_rows))
    labels = list(heat.rows)
    if n_rows > most:
        blocks = [i for i in rows if i == 0 or heat.blocks[i] != heat.blocks[i - 1]]
        rows = blocks if len(blocks) > 3 else rows
        rows = rows[:: -(-len(rows) // most)]
        labels = [heat.rows[i] for i in rows]
    axes.set_yticks(
        [row + 0.5 for row in rows], [name(label, _LABEL_LIMIT) for label in labels], fontsize=SMALL
    )


def _colour_bar(figure: Figure, heat: HeatMap, height: float) -> None:
    bar_height = min(height, 2.4)
    axes = place(figure, WIDTH - _RIGHT + 0.16, _TOP, 0.13, bar_height)
    low, high = heat.limits
    scale = colours(is_relative=heat.is_relative)
    axes.imshow(scale[::-1][:, None, :], interpolation="none", aspect="auto", extent=(0, 1, low, high))
    decades = np.arange(np.ceil(low), np.floor(high) + 1)
    ticks = decades if len(decades) >= 2 else np.linspace(low, high, 3)
    ticks = ticks[:: -(-len(ticks) // 6)]
    sign = "×" if heat.is_relative else ""
    labels = [f"{number(10.0**tick, 2).replace('-', '−')}{sign}" for tick in ticks]
    axes.set_yticks(list(ticks), labels, fontsize=SMALL)
    axes.yaxis.tick_right()
    axes.set_xticks([])
    axes.tick_params(length=2.5, width=0.6, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _legend(figure: Figure, heat: HeatMap, left: float) -> None:
    """The flat colours in words, below the map; only those that occur, and the unit of the colour bar."""
    recorded = heat.is_recorded > 0
    entries = [
        (ZERO, _("exactly zero"), bool((recorded & (heat.values == 0)).any())),
        (NOT_FINITE, _("NaN or infinite"), bool((recorded & ~np.isfinite(heat.values)).any())),
        (NOT_RECORDED, _("not recorded"), bool((~recorded).any())),
    ]
    full_width, full_height = figure.get_size_inches()
    y = 0.14 / full_height
    x = left
    for colour, label, is_present in entries:
        if not is_present:
            continue
        side = 0.11
        patch = Rectangle(
            (x / full_width, y - 0.02 / full_height),
            side / full_width,
            side / full_height,
            transform=figure.transFigure,
            facecolor=colour,
            edgecolor=INK,
            linewidth=0.4,
        )
        figure.add_artist(patch)
        figure.text((x + side + 0.06) / full_width, y, label, fontsize=SMALL, va="baseline")
        x += side + 0.06 + 0.075 * len(label) + 0.22
    unit = (
        _("log colour scale")
        if heat.unit in {"", "dimensionless"}
        else _("{unit}, log colour scale", unit=looked_up(heat.unit))
    )
    figure.text((full_width - 0.04) / full_width, y, unit, fontsize=SMALL, va="baseline", ha="right")
