"""Names for the parts of a chart that a browser moves when the x axis changes."""

from __future__ import annotations

from .chart_model import Mark

PANEL = "x-panel"
"""One plot of a stack, or the bars of the findings beneath it."""
AXIS = "x-axis"
"""An x axis: its ticks, their labels, its title."""
TITLE = "x-title"
HEADING = "x-heading"
"""What a plot shows, above it; the values under the pointer are written beside it."""
VALUES = "y-axis"
"""A y axis: its ticks, their labels, the grid lines."""
CURVE = "x-curve"
"""A line with its markers: every point moves, as with bands and single points."""
BAND = "x-band"
POINT = "x-point"
SPAN = "x-span"
"""A bar from the first to the last place of a mark."""
NAME = "x-name"
"""The text that stands at a mark."""
POINT_NAME = "x-point-name"
END = "x-end"
"""The name at the right end of a curve, in the order of the curves."""
PARTS = frozenset({PANEL, AXIS, TITLE, HEADING, VALUES, CURVE, BAND, POINT, SPAN, NAME, POINT_NAME, END})


def between(part: str, mark: Mark) -> str:
    """The name of a part that belongs to a stretch of the axis; `place_of` reads it.

    >>> between(SPAN, Mark("span", 3, 7.5)), place_of("x-span;3;7.5"), place_of("fig-3")
    ('x-span;3;7.5', ('x-span', ('3', '7.5')), ('', ()))
    """
    return f"{part};{mark.first:.12g};{mark.last:.12g}"


def place_of(name: str) -> tuple[str, tuple[str, ...]]:
    """Part and ends of what `between` names; ("", ()) for any other name."""
    part, *ends = name.split(";")
    return (part, tuple(ends)) if part in PARTS else ("", ())
