"""The report as one HTML file: no network, strict content security policy, readable without JavaScript."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from traindoctor.finding import Diagnosis

from .chart_data import chart_data
from .figures import figure_svg
from .language import WORDS, _
from .number_format import percent
from .page import build_page
from .page_model import Page, Spark
from .svg_images import without_need_of_images

_PACKAGE = __package__ or "traindoctor.report_templates"

SCRIPTS = ("report.js", "report_ticks.js", "report_chart.js", "report_reading.js")
"""What makes the charts answer, in this order; the report is complete without it."""

LONGEST_WORD = 28
"""Characters of a word that any table cell has room for."""


def html_report(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    """The HTML report, UTF-8. See `build_page` for the arguments."""
    return html_page(build_page(diagnosis, methods))


def html_page(page: Page) -> bytes:
    """Any page as one HTML file, UTF-8."""
    drawn = {figure.id: figure_svg(figure) for figure in page.screen_figures}
    style = asset("report.css") + asset("report_screen.css")
    script = without_comments("".join(asset(name) for name in SCRIPTS))
    text = (
        environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            svgs={name: Markup(without_need_of_images(one.svg)) for name, one in drawn.items()},
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            readouts=Markup(script_json(chart_data(page, drawn))),
        )
    )
    return text.encode("utf-8")


def without_comments(script: str) -> str:
    """A script of ours without the lines that only comment, and without indentation."""
    lines = (line.strip() for line in script.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def environment() -> Environment:
    """Templates that escape everything and refuse unknown names."""
    found = Environment(
        loader=PackageLoader(_PACKAGE, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["spark"] = spark_svg
    found.tests["long_worded"] = is_long_worded
    found.tests["plain"] = is_plain
    found.globals.update(WORDS)
    return found


def asset(name: str) -> str:
    """Text of one of our style sheets or scripts."""
    loader = PackageLoader(_PACKAGE, ".")
    source, _, _ = loader.get_source(Environment(autoescape=True), name)
    return source


def script_json(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it can end the element or start a comment."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def spark_svg(spark: Spark) -> Markup:
    """A tiny line for a table cell, in the colour of the text; gaps where nothing was recorded."""
    parts: list[str] = []
    is_down = False
    for index, value in enumerate(spark.points):
        if np.isfinite(value):
            x = 2 + index * 96 / max(len(spark.points) - 1, 1)
            parts.append(f"{'L' if is_down else 'M'}{x:.1f} {18 - 16 * value:.1f}")
        is_down = bool(np.isfinite(value))
    seen = spark.points[np.isfinite(spark.points)]
    told = (
        _("from {first} to {last} of its range", first=percent(seen[0], 2), last=percent(seen[-1], 2))
        if len(seen)
        else _("nothing recorded")
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 100 20" width="120" height="20" role="img" '
        'preserveAspectRatio="none"><title>{}</title>'
        '<path d="{}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" '
        'vector-effect="non-scaling-stroke"/></svg>'
    ).format(told, " ".join(parts))


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def is_long_worded(value: str) -> bool:
    """Whether a text holds a word so long that a table cell must break inside it.

    Breaking anywhere costs WeasyPrint time that grows with the square of a cell's length.
    """
    return any(len(word) > LONGEST_WORD for word in value.split())


def is_plain(value: object) -> bool:
    """Whether a text reads the same in any surroundings: only ASCII, which runs from left to right.

    Most cells are numbers. An element around each would double those of a page, and the time it opens in.

    >>> is_plain("9.15e-5"), is_plain("\u05e9\u05dc\u05d5\u05dd"), is_plain("x" * 99)
    (True, False, False)
    """
    return isinstance(value, str) and value.isascii() and not is_long_worded(value)
