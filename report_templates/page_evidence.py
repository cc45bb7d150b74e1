"""The small plot inside a finding: its curves, zoomed on the steps at issue, with the evidence marked."""

from __future__ import annotations

import math

import numpy as np

from traindoctor import x_axis
from traindoctor.finding import Finding, Severity
from traindoctor.run import Run

from . import number_format as fmt
from .chart_model import Curve, Mark, MarkTone, Panel, Stack
from .evidence_curves import content
from .evidence_views import PLACES, VIEWS, View
from .language import _, evidence_name, spoken
from .page_curves import non_finite_marks, spans_decades, x_label, x_limits
from .page_model import Figure
from .thinning import exact_curve, noisy_curve

WIDTH = 4.6
"""Width of the drawing, inches: it stands beside the table."""
_COLUMNS = 160
_MARGIN = 0.4
"""Shown before and after the span, as a share of its length."""
_SHORT = 3.0
"""Length of a span, in reaches, up to which all of it is shown around a focus."""
_NEARLY_ALL = 0.9
"""Share of the run from which on all of it is shown."""
_LEAST_POINTS = 30
"""Places of the x axis shown at either side of a focus, at least."""
_TONES: dict[Severity, MarkTone] = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}


def evidence_figure(run: Run, finding: Finding, anchor: str, message: str) -> Figure | None:
    """The plot of a finding; None where its evidence is no curve, or nothing of it was recorded there.

    Args:
        run: what was recorded.
        finding: what was found.
        anchor: id of the finding on the page.
        message: its conclusion, which a screen reader says of the plot.
    """
    view = VIEWS.get(finding.code)
    if view is None:
        return None
    first, last = _window(run, finding, view)
    drawn = [_panel(run, finding, view, index, (first, last)) for index in range(len(view.panels))]
    panels = tuple(panel for panel in drawn if panel is not None)
    if drawn[0] is None or last <= first:
        return None
    span = _span_mark(finding, (first, last))
    moments = _moments(run, finding, view, (first, last))
    marked = tuple(
        _marked(panel, span, moments if panel is panels[0] else _unnamed(moments)) for panel in panels
    )
    drawing = Stack(marked, x_label(run), (first, last), is_fixed=True, width=WIDTH)
    return Figure(f"evidence-{anchor}", message, _caption(run, finding, marked, (first, last)), drawing)


def evidence_value(run_unit: str, name: str, value: float, unit: str) -> str:
    """A number of the evidence with its unit; a place on the x axis is no length: `step 1`, not `1 step`.

    >>> evidence_value("optimizer steps", "since", 1.0, "steps")
    'step 1'
    >>> evidence_value("optimizer steps", "length", 1.0, "steps")
    '1 step'
    """
    is_place = name.replace("_", " ") in PLACES and unit == x_axis.nouns(run_unit)[1]
    return fmt.place(run_unit, value) if is_place and math.isfinite(value) else fmt.quantity(value, unit)


def _window(run: Run, finding: Finding, view: View) -> tuple[float, float]:
    """First and last place shown: the span with a margin, or what lies around the focus."""
    low, high = x_limits(run)
    focus = finding.evidence.get(view.focus, math.nan)
    if math.isfinite(focus):
        reach = max(view.reach * (high - low), float(min(_LEAST_POINTS, high - low)))
        first, last = focus - reach, focus + reach
        if finding.last_step - finding.first_step <= _SHORT * reach:
            first = min(first, finding.first_step - reach / 2)
            last = max(last, finding.last_step + reach / 2)
    else:
        margin = max(_MARGIN * (finding.last_step - finding.first_step), 0.02 * (high - low))
        first, last = finding.first_step - margin, finding.last_step + margin
    first, last = float(np.floor(max(first, low))), float(np.ceil(min(last, high)))
    return (low, high) if last - first >= _NEARLY_ALL * (high - low) else (first, last)


def _panel(run: Run, finding: Finding, view: View, index: int, window: tuple[float, float]) -> Panel | None:
    """One plot with its levels; None where nothing was recorded in the window."""
    found = content(run, finding, view, view.panels[index])
    if found is None:
        return None
    heading, lines = found
    curves: list[Curve] = []
    rugs: list[Mark] = []
    for line in lines:
        part = line.series.between(int(window[0]), int(window[1]))
        rugs += non_finite_marks(part)
        if line.is_noisy:
            curve = noisy_curve(part, line.label, line.colour, _COLUMNS)
        else:
            curve = exact_curve(part, line.label, line.colour, is_stepped=view.panels[index] == "lr")
        curves += [curve] if len(curve.x) else []
    if not curves and not rugs:
        return None
    levels = _levels(finding, view, index)
    heights = [mark.y for mark in levels]
    is_log = spans_decades(curves) and all(y > 0 for y in heights)
    named = rugs[:1] + [Mark(rug.kind, rug.first, rug.last, "", rug.tone) for rug in rugs[1:]]
    return Panel(heading, tuple(curves), (*named, *levels), is_log, 0.85 if len(view.panels) > 1 else 1.25)


def _levels(finding: Finding, view: View, index: int) -> tuple[Mark, ...]:
    """Numbers of the evidence as horizontal lines, and the ring of the first plot."""
    marks = [
        Mark("level", 0, 0, f"{evidence_name(name)} {fmt.number(value, 3)}", "neutral", value)
        for name, at in (view.levels or {}).items()
        if at == index and math.isfinite(value := finding.evidence.get(name, math.nan))
    ]
    place, height = (finding.evidence.get(name, math.nan) for name in view.point or ("", ""))
    if index == 0 and math.isfinite(place) and math.isfinite(height):
        label = f"{evidence_name((view.point or ('', ''))[1])} {fmt.number(height, 3)}"
        marks.append(Mark("point", place, place, label, "neutral", height))
    return tuple(marks)


def _moments(run: Run, finding: Finding, view: View, window: tuple[float, float]) -> tuple[Mark, ...]:
    return tuple(
        Mark(
            "moment",
            at,
            at,
            f"{evidence_name(name)} {fmt.place(run.info.x_unit, at)}",
            _TONES[finding.severity],
        )
        for name in view.moments
        if window[0] <= (at := finding.evidence.get(name, math.nan)) <= window[1]
    )


def _unnamed(moments: tuple[Mark, ...]) -> tuple[Mark, ...]:
    return tuple(Mark(mark.kind, mark.first, mark.last, "", mark.tone) for mark in moments)


def _span_mark(finding: Finding, window: tuple[float, float]) -> tuple[Mark, ...]:
    """The steps of the finding, shaded; nothing where they fill the plot."""
    first, last = max(finding.first_step, window[0]), min(finding.last_step, window[1])
    fills = last - first >= 0.98 * (window[1] - window[0])
    return () if fills or last < first else (Mark("span", first, last, "", _TONES[finding.severity]),)


def _marked(panel: Panel, span: tuple[Mark, ...], moments: tuple[Mark, ...]) -> Panel:
    return Panel(panel.y_label, panel.curves, (*span, *panel.marks, *moments), panel.is_log, panel.height)


def _shown_span(run: Run, first: float, last: float) -> str:
    return fmt.span(run.info.x_unit, round(first), round(last))


def _caption(run: Run, finding: Finding, panels: tuple[Panel, ...], window: tuple[float, float]) -> str:
    """What is shown, and how the evidence is marked in it."""
    low, high = x_limits(run)
    kinds = {mark.kind for panel in panels for mark in panel.marks}
    is_part = window[0] > low or window[1] < high
    shown = _shown_span(run, *window)
    parts = [_("Zoomed on {span}.", span=shown) if is_part else _("The whole run.")]
    if "span" in kinds:
        parts.append(
            _("Shaded: {span}.", span=fmt.span(run.info.x_unit, finding.first_step, finding.last_step))
        )
    if "level" in kinds:
        parts.append(_("Dotted lines: numbers of the evidence."))
    return (" " if spoken() == "en" else "").join(parts)
