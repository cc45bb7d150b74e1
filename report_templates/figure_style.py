"""The look of every figure: palette, dashes, type sizes, matplotlib settings nothing outside can change."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from . import number_format as fmt
from .chinese_font import font_families
from .figure_palette import PALETTE as PALETTE

INK = "#010203"
"""Stands for the colour of the text around the figure; becomes `currentColor` in SVG."""
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
TONES = {"critical": "#D03030", "warning": "#B07800", "info": "#6B7A90", "neutral": INK}
NON_FINITE = "#D03030"
WIDTH = 8.6
"""Width of every figure, inches."""
SMALL, NORMAL = 8.0, 9.0
"""Type sizes, points."""
GRID_ALPHA, AXIS_ALPHA = 0.13, 0.45

_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "traindoctor",
    "text.parse_math": False,
    "text.usetex": False,
    "font.size": NORMAL,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "axes.labelsize": NORMAL,
    "figure.facecolor": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "path.simplify": True,
    "path.simplify_threshold": 0.1,
    "savefig.facecolor": "none",
}


@contextmanager
def figure_settings() -> Generator[None]:
    """Draw with our settings only: a user's matplotlibrc or style must not change a report.

    Warnings about glyphs that DejaVu lacks are silenced: SVG keeps the text itself, and the reader's own
    fonts draw it.
    """
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fonts.setLevel(logging.ERROR)  # a Chinese font may lack a bold face
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS | {"font.family": font_families()})
        try:
            yield
        finally:
            fonts.setLevel(level)


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, sizes in inches. Object API: no pyplot, no global state."""
    return Figure(figsize=(width, height), dpi=72)


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Any:
    """Axes at a position given in inches from the upper left corner."""
    full_width, full_height = figure.get_size_inches()
    bottom = full_height - top - height
    return figure.add_axes(
        (left / full_width, bottom / full_height, width / full_width, height / full_height)
    )


def calm(axes: Any) -> None:
    """Only the left and bottom spine, a faint grid, small ticks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_alpha(AXIS_ALPHA)
        axes.spines[side].set_linewidth(0.8)
    axes.grid(visible=True, axis="y", color=INK, alpha=GRID_ALPHA, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=2.5, width=0.6, pad=3)
    axes.tick_params(which="minor", length=0)


def value_ticks(axis: Any, is_log: bool) -> None:
    """At most five labelled ticks with our number format; no mathtext."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if is_log:
        low, high = sorted(axis.get_view_interval())
        has_few_decades = low > 0 and high / low < 300
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if has_few_decades else (1.0,), numticks=7))
    else:
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    is_small = 0 < max(abs(end) for end in axis.get_view_interval()) < 0.02 and not is_log
    digits = 3 if is_log else tick_digits([float(tick) for tick in axis.get_majorticklocs()])
    axis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, is_small, digits)))
    axis.set_minor_formatter(NullFormatter())


def tick_digits(ticks: list[float]) -> int:
    """Significant digits, three to ten, that write evenly spaced ticks without rounding them.

    >>> tick_digits([0.0, 0.5, 1.0]), tick_digits([0.0975, 0.099, 0.1005]), tick_digits([1000.5, 1001.0])
    (3, 4, 5)
    """
    largest = max((abs(tick) for tick in ticks), default=0.0)
    exact = [d for d in range(3, 10) if all(abs(float(f"{t:.{d}g}") - t) <= 1e-9 * largest for t in ticks)]
    return exact[0] if exact else 10


def _tick(value: float, is_small: bool, digits: int) -> str:
    """All ticks of an axis in one notation: powers of ten where the largest is small."""
    text = fmt.number(value, digits)
    if is_small and value and "e" not in text:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return text.replace("-", "−")


def step_ticks(axis: Any, limits: tuple[float, float], most: int = 7) -> None:
    """At most `most` whole steps with thousands separators; a run of one step has one tick."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    is_single = limits[0] == limits[1]
    axis.set_major_locator(FixedLocator([limits[0]]) if is_single else MaxNLocator(most, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: fmt.count(value)))
