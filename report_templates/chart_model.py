"""Drawings as plain data: what stands in a chart, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from traindoctor.run import Floats

MarkKind = Literal["span", "point", "non-finite", "level", "moment"]
MarkTone = Literal["critical", "warning", "info", "neutral"]


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a chart, already thinned out.

    Attributes:
        label: name shown at the end of the line.
        x: shape (n,), same unit as the axis.
        y: shape (n,), finite.
        low: shape (m,), lower edge of the band over `band_x`; empty without a band.
        high: shape (m,), upper edge.
        band_x: shape (m,).
        colour: index into the palette, -1 for a muted line without a label.
        dash: index into the dash patterns, 0 is solid.
        is_stepped: the value holds until the next one (learning rates).
        spark: the curve as one line of block characters, "" where there is no time axis.
    """

    label: str
    x: Floats
    y: Floats
    low: Floats
    high: Floats
    band_x: Floats
    colour: int = 0
    dash: int = 0
    is_stepped: bool = False
    spark: str = ""


@dataclass(frozen=True)
class Mark:
    """Something pointed at: a span of steps, a point, steps with non-finite values, a height, one step."""

    kind: MarkKind
    first: float
    last: float
    label: str = ""
    tone: MarkTone = "neutral"
    y: float = float("nan")


@dataclass(frozen=True)
class Panel:
    """One plot of a stack.

    Attributes:
        y_label: quantity and unit.
        curves: the lines.
        marks: spans, points and rugs drawn on the panel.
        is_log: logarithmic y axis.
        height: relative height in the stack.
    """

    y_label: str
    curves: tuple[Curve, ...]
    marks: tuple[Mark, ...] = ()
    is_log: bool = False
    height: float = 1.0


@dataclass(frozen=True, eq=False)
class FurtherAxis:
    """Another way to count along an x axis: piecewise linear between the knots, never falling.

    Attributes:
        name: one word, for its button.
        label: axis title, with unit.
        prefix: stands before a value in a sentence.
        suffix: stands after it: the unit.
        steps: shape (n,), places on the drawn axis, increasing.
        values: shape (n,), the same places on this one.
    """

    name: str
    label: str
    prefix: str
    suffix: str
    steps: Floats
    values: Floats


@dataclass(frozen=True)
class Stack:
    """Plots below each other over one x axis.

    Attributes:
        panels: from top to bottom.
        x_label: title of the x axis.
        x_limits: first and last place on it.
        lanes: the findings, as bars underneath.
        axes: what a reader can switch the x axis to; drawn by a browser only.
        x_name: one word for the axis as it is drawn, for its button.
        is_whole: whether the x axis counts whole things, such as steps.
        is_fixed: shows one part of the run for a reason; a reader's zoom leaves it as it is.
        width: of the drawing, inches; 0 for as wide as the others.
    """

    kind: ClassVar[str] = "stack"
    panels: tuple[Panel, ...]
    x_label: str
    x_limits: tuple[float, float]
    lanes: tuple[Mark, ...] = ()
    axes: tuple[FurtherAxis, ...] = ()
    x_name: str = ""
    is_whole: bool = True
    is_fixed: bool = False
    width: float = 0.0


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Parameters x time.

    Attributes:
        rows: label of each row, in forward order.
        blocks: block of each row, same length; a change of block is drawn as a gap in the labels.
        values: shape (n_rows, n_bins); 0 is an exact zero, non-finite was recorded as such.
        is_recorded: shape (n_rows, n_bins), 0 or 1.
        x_limits: first and last step.
        limits: colour limits, log10 of the value.
        unit: unit at the colour bar.
        x_label: what the x axis counts.
        is_relative: values are multiples of a reference: the colours part at one.
    """

    kind: ClassVar[str] = "heat-map"
    rows: tuple[str, ...]
    blocks: tuple[str, ...]
    values: Floats
    is_recorded: Floats
    x_limits: tuple[float, float]
    limits: tuple[float, float]
    unit: str
    x_label: str
    is_relative: bool = False


@dataclass(frozen=True, eq=False)
class Matrix:
    """A confusion matrix: counts (n, n), rows are true classes, columns predicted ones."""

    kind: ClassVar[str] = "matrix"
    labels: tuple[str, ...]
    counts: Floats


@dataclass(frozen=True)
class UnitCurves:
    """Curves on the unit square; a baseline height, or the diagonal when it is NaN."""

    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    is_diagonal_chance: bool
    chance: float = float("nan")


@dataclass(frozen=True)
class UnitSquares:
    """Charts on the unit square side by side (precision-recall, ROC)."""

    kind: ClassVar[str] = "unit-squares"
    charts: tuple[UnitCurves, ...]


@dataclass(frozen=True, eq=False)
class Points:
    """One kind of points of a scatter chart.

    Attributes:
        label: shown in the legend.
        x: shape (n,).
        y: shape (n,); NaN for points without a value, which stand at the upper edge.
        colour: index into the palette.
        shape: `dot`, `ring` or `cross`: told apart without colour.
    """

    label: str
    x: Floats
    y: Floats
    colour: int = 0
    shape: Literal["dot", "ring", "cross"] = "dot"


@dataclass(frozen=True)
class Scatter:
    """Points over a quantity that is not time.

    Attributes:
        x_label: quantity and unit.
        y_label: quantity and unit.
        points: one entry per kind.
        curves: lines through them.
        marks: spans of x, and one point pointed at.
        is_x_log: logarithmic x axis.
        is_y_log: logarithmic y axis.
    """

    kind: ClassVar[str] = "scatter"
    x_label: str
    y_label: str
    points: tuple[Points, ...]
    curves: tuple[Curve, ...] = ()
    marks: tuple[Mark, ...] = ()
    is_x_log: bool = False
    is_y_log: bool = False


@dataclass(frozen=True)
class ScorePoint:
    """One short run of a sweep; `y` is NaN where it diverged."""

    x: float
    y: float
    label: str = ""


@dataclass(frozen=True, eq=False)
class SweepChart:
    """Score over learning rate, both logarithmic.

    Attributes:
        x_label: what the x axis is, with unit.
        y_label: what the score is, with unit.
        points: the short runs.
        curve_x: shape (n,), the parabola through the best three; empty without one.
        curve_y: shape (n,).
        marks: learning rates pointed at: first = last = the rate.
    """

    kind: ClassVar[str] = "sweep"
    x_label: str
    y_label: str
    points: tuple[ScorePoint, ...]
    curve_x: Floats
    curve_y: Floats
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class PairedPoint:
    """The two scores of one seed; NaN where a run diverged or failed."""

    label: str
    old: float
    new: float


@dataclass(frozen=True)
class PairedChart:
    """Scores of paired runs side by side, one line per pair."""

    kind: ClassVar[str] = "pairs"
    y_label: str
    sides: tuple[str, str]
    pairs: tuple[PairedPoint, ...]


Drawing = Stack | HeatMap | Matrix | UnitSquares | SweepChart | PairedChart | Scatter
