"""From a figure of the page to SVG or PNG: one drawing serves every format."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from traindoctor.errors import MissingDependencyError

from .chinese_font import warn_of_missing_font

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas
except ImportError as error:
    raise MissingDependencyError(
        "the HTML and PDF reports need matplotlib: pip install matplotlib; the others (md, json, junit, "
        f"github, text) do not (found: {error.__class__.__name__}: {error})"
    ) from error

from .chart_model import HeatMap, Matrix, PairedChart, Scatter, Stack, SweepChart, UnitSquares
from .figure_classification import draw_matrix, draw_unit_squares
from .figure_heat_map import draw_heat_map
from .figure_prescription import draw_pairs, draw_sweep
from .figure_scatter import draw_scatter
from .figure_stack import draw_stack
from .figure_style import figure_settings
from .page_model import Figure
from .svg import clean_svg


@dataclass(frozen=True)
class PlotArea:
    """Where a panel stands in the SVG, in its view-box units: left, top, right, bottom; and its limits."""

    left: float
    top: float
    right: float
    bottom: float
    x_first: float
    x_last: float
    y_first: float
    y_last: float


@dataclass(frozen=True)
class DrawnFigure:
    """A figure as inline SVG, with the places of its panels (empty where there is no time axis)."""

    svg: str
    areas: tuple[PlotArea, ...] = ()


def figure_svg(figure: Figure) -> DrawnFigure:
    """One `<svg>` element, the same bytes for the same figure."""
    with figure_settings():
        canvas, axes = _draw(figure)
        stored = io.StringIO()
        backend: Any = FigureCanvasSVG(canvas)
        backend.print_svg(stored, metadata={"Date": None})
        areas = tuple(_area(canvas, one) for one in axes)
    return DrawnFigure(clean_svg(stored.getvalue(), f"fig-{figure.id}", figure.title), areas)


def figure_png(figure: Figure, dpi: int = 150) -> bytes:
    """The same figure as a PNG on white."""
    warn_of_missing_font()
    with figure_settings():
        canvas, _ = _draw(figure)
        canvas.set_dpi(dpi)
        canvas.set_facecolor("#ffffff")
        stored = io.BytesIO()
        backend: Any = FigureCanvasAgg(canvas)
        backend.print_png(stored, metadata={"Software": None})
    return stored.getvalue()


def _draw(figure: Figure) -> tuple[Canvas, tuple[Any, ...]]:
    drawing = figure.drawing
    if isinstance(drawing, Stack):
        return draw_stack(drawing)
    if isinstance(drawing, HeatMap):
        return draw_heat_map(drawing), ()
    if isinstance(drawing, Matrix):
        return draw_matrix(drawing), ()
    if isinstance(drawing, Scatter):
        return draw_scatter(drawing), ()
    if isinstance(drawing, SweepChart):
        return draw_sweep(drawing), ()
    if isinstance(drawing, PairedChart):
        return draw_pairs(drawing), ()
    assert isinstance(drawing, UnitSquares)
    return draw_unit_squares(drawing), ()


def _area(canvas: Canvas, axes: Any) -> PlotArea:
    width, height = canvas.get_size_inches() * 72
    box = axes.get_position()
    corners = (box.x0 * width, (1 - box.y1) * height, box.x1 * width, (1 - box.y0) * height)
    return PlotArea(*(float(value) for value in (*corners, *axes.get_xlim(), *axes.get_ylim())))
