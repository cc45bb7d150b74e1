"""Confusion matrix, and precision-recall and ROC curves on the unit square."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .chart_model import Matrix, UnitCurves, UnitSquares
from .figure_style import DASHES, INK, NORMAL, PALETTE, SMALL, WIDTH, calm, new_figure, place, value_ticks
from .language import _
from .number_format import count, name

_SIDE = 3.0
_MOST_COUNTS = 20
_MOST_LABELS = 40
_LABEL_LIMIT = 18


def draw_matrix(matrix: Matrix) -> Figure:
    """Counts in cells, shaded by the share of the true class; only the shades where the classes are many."""
    n = len(matrix.labels)
    side = min(max(0.42 * n, 2.2), 5.6)
    longest = min(max(len(label) for label in matrix.labels), _LABEL_LIMIT)
    left, top, bottom = 0.42 + 0.068 * longest, 0.12, 0.5 + 0.068 * longest
    figure = new_figure(top + side + bottom)
    axes = place(figure, left, top, side, side)
    totals = matrix.counts.sum(axis=1, keepdims=True)
    shares = np.divide(matrix.counts, totals, out=np.zeros_like(matrix.counts), where=totals > 0)
    scale = np.asarray(np.round(mpl.colormaps["Blues"](np.linspace(0.0, 0.9, 240)) * 255), dtype=np.uint8)
    level = np.clip(shares * 239, 0, 239).round().astype(int)
    axes.imshow(scale[level], interpolation="none", aspect="auto", extent=(0, n, n, 0))
    if n <= _MOST_COUNTS:
        _write_counts(axes, matrix, shares, side / n)
    _label_classes(axes, matrix.labels)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, pad=4, left=False, bottom=False, top=False)
    axes.set_ylabel(_("true class"), fontsize=NORMAL)
    axes.set_xlabel(_("predicted class"), fontsize=NORMAL)
    _share_bar(figure, scale, left + side + 0.3, top, min(side, 2.0))
    return figure


def _write_counts(axes: Any, matrix: Matrix, shares: Any, cell: float) -> None:
    # Fixed text colours: they stand on cells whose own colour does not follow the page.
    size = min(SMALL, 72 * cell / (0.75 * max(len(count(matrix.counts.max())), 2)))
    for (row, column), value in np.ndenumerate(matrix.counts):
        if value:
            colour = "#ffffff" if shares[row, column] > 0.55 else "#1b2733"
            axes.text(
                column + 0.5, row + 0.5, count(value), ha="center", va="center", fontsize=size, color=colour
            )


def _label_classes(axes: Any, labels: tuple[str, ...]) -> None:
    every = -(-len(labels) // _MOST_LABELS)
    at = list(range(0, len(labels), every))
    size = SMALL if len(labels) <= _MOST_COUNTS else 6.5
    texts = [name(labels[i], _LABEL_LIMIT) for i in at]
    is_short = max(len(text) for text in texts) <= 3 and len(labels) <= _MOST_COUNTS
    axes.set_xticks([i + 0.5 for i in at], texts, rotation=0 if is_short else 90, fontsize=size)
    axes.set_yticks([i + 0.5 for i in at], texts, fontsize=size)


def _share_bar(figure: Figure, scale: Any, left: float, top: float, height: float) -> None:
    axes = place(figure, left, top, 0.13, height)
    axes.imshow(scale[::-4][:, None, :], interpolation="none", aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"], fontsize=SMALL)
    axes.yaxis.tick_right()
    axes.set_xticks([])
    axes.tick_params(length=2.5, width=0.6, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    full_width, full_height = figure.get_size_inches()
    figure.text(
        left / full_width,
        1 - (top + height + 0.2) / full_height,
        _("share of\nthe true class"),
        fontsize=SMALL,
        va="top",
    )


def draw_unit_squares(squares: UnitSquares) -> Figure:
    """Charts on the unit square side by side, labels of the coloured curves below each."""
    rows = max(sum(1 for curve in chart.curves if curve.label) for chart in squares.charts)
    below = 0.55 + 0.18 * rows
    figure = new_figure(0.12 + _SIDE + below)
    left = 0.7
    for chart in squares.charts:
        axes = place(figure, left, 0.12, _SIDE, _SIDE)
        _draw_unit(figure, axes, chart, left)
        left += (WIDTH - 0.2) / 2
    return figure


def _draw_unit(figure: Figure, axes: Any, chart: UnitCurves, left: float) -> None:
    calm(axes)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    if chart.is_diagonal_chance:
        axes.plot([0, 1], [0, 1], color=INK, alpha=0.35, linewidth=0.9, linestyle=DASHES[2])
    for curve in reversed(chart.curves):
        is_muted = curve.colour < 0
        colour = INK if is_muted else PALETTE[curve.colour]
        style = {"alpha": 0.22, "linewidth": 0.9} if is_muted else {"linewidth": 1.6}
        axes.plot(curve.x, curve.y, color=colour, linestyle=DASHES[curve.dash], **style)
    for axis in (axes.xaxis, axes.yaxis):
        value_ticks(axis, is_log=False)
    axes.set_xlabel(chart.x_label, fontsize=NORMAL, labelpad=3)
    axes.set_ylabel(chart.y_label, fontsize=NORMAL, labelpad=3)
    _list_labels(figure, chart, left)


def _list_labels(figure: Figure, chart: UnitCurves, left: float) -> None:
    full_width, full_height = figure.get_size_inches()
    labelled = [curve for curve in chart.curves if curve.label]
    for row, curve in enumerate(labelled):
        y = 1 - (0.12 + _SIDE + 0.58 + 0.18 * row) / full_height
        line = Line2D(
            [left / full_width, (left + 0.3) / full_width],
            [y, y],
            color=PALETTE[curve.colour],
            linestyle=DASHES[curve.dash],
            linewidth=1.6,
            transform=figure.transFigure,
        )
        figure.add_artist(line)
        figure.text((left + 0.38) / full_width, y, curve.label, fontsize=SMALL, va="center")
