"""Line charts that GitHub and GitLab draw from Markdown: mermaid's xychart, at most 60 points by 2 lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from traindoctor.run import Floats

from .figure_palette import PALETTE

POINTS = 60
_SETTINGS = {
    "theme": "base",
    "themeVariables": {
        "xyChart": {
            "backgroundColor": "transparent",
            "plotColorPalette": ", ".join(PALETTE[:2]),
            **dict.fromkeys(
                (
                    *("titleColor", "xAxisLabelColor", "xAxisTitleColor", "xAxisTickColor", "xAxisLineColor"),
                    *("yAxisLabelColor", "yAxisTitleColor", "yAxisTickColor", "yAxisLineColor"),
                ),
                "#7A828C",
            ),
        }
    },
    "xyChart": {"width": 720, "height": 300},
}
"""Grey words read on a light and on a dark page; lines have the colours of our other charts."""


@dataclass(frozen=True, eq=False)
class XYChart:
    """One chart; all words in it are ours, never a name from a log.

    Attributes:
        title: above the chart.
        x_label: what the x axis counts.
        x_limits: first and last x.
        y_label: what the y axis is.
        lines: one or two vectors of at most POINTS finite values each, evenly spaced over the x axis.
    """

    title: str
    x_label: str
    x_limits: tuple[float, float]
    y_label: str
    lines: Sequence[Floats]


def mermaid_text(chart: XYChart) -> str:
    """The source of the chart, without its fence."""
    low = min(float(line.min()) for line in chart.lines)
    high = max(float(line.max()) for line in chart.lines)
    margin = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
    first, last = chart.x_limits
    rows = [
        f"%%{{init: {json.dumps(_SETTINGS, separators=(',', ':'))}}}%%",
        "xychart-beta",
        f'  title "{_words(chart.title)}"',
        f'  x-axis "{_words(chart.x_label)}" {_plain(first)} --> {_plain(last)}',
        f'  y-axis "{_words(chart.y_label)}" {_plain(low - margin)} --> {_plain(high + margin)}',
        *(f"  line [{', '.join(_plain(float(value)) for value in line)}]" for line in chart.lines),
    ]
    return "\n".join(rows)


def _plain(value: float) -> str:
    """Four digits without an exponent, which the chart's grammar does not know."""
    return np.format_float_positional(float(f"{value:.4g}"), trim="-")


def _words(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c in " .,-%()/:")
