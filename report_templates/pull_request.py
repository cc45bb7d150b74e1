"""The diagnosis as a comment on a pull request: a dozen visible lines, the rest folded, within any budget."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from traindoctor import names
from traindoctor.comparing import aligned
from traindoctor.comparison import Comparison, Number
from traindoctor.finding import Diagnosis
from traindoctor.run import Floats, Run

from . import number_format as fmt
from .comparison_words import ONE_SEED, change_text, conclusion, shown
from .language import _, tr
from .markdown import Raw, markdown_environment
from .mermaid import POINTS, XYChart, mermaid_text
from .page import build_page, key_facts
from .page_comparison_curves import x_label
from .page_model import Cell, Code, Column, FindingCard, Page, Section, Spark, Table
from .thinning import sparkline

COMMENT_LIMIT = 65_536
"""Characters of a comment on GitHub."""
SUMMARY_LIMIT = 1 << 20
"""Bytes of a step summary on GitHub, all that the step wrote together."""

Level = Literal["verbose", "normal", "summary"]
LEVELS: tuple[Level, ...] = ("verbose", "normal", "summary")
_NORMAL = ("findings", "prescription", "comparison")
_ROWS = 5
_LOG_RANGE = 30.0
_SYMBOLS = {"critical": "❌", "warning": "⚠️", "info": "ℹ️", "good": "✅", "neutral": "ℹ️"}
_SERIES = {
    "validation loss": names.LOSS_VALIDATION,
    "training loss": names.LOSS_TRAIN,
    "validation accuracy": names.ACCURACY_VALIDATION,
}


@dataclass(frozen=True)
class Chart:
    """A mermaid chart with the words that say which line is which."""

    code: Code
    legend: str


def pull_request_text(
    diagnosis: Diagnosis, *, limit: int = COMMENT_LIMIT, report_url: str = "", marker: str = ""
) -> str:
    """Markdown for a comment or a step summary.

    Args:
        diagnosis: with its comparison and its gate where there is a base run.
        limit: largest size, counted in UTF-8 bytes, so that it holds for characters as well.
        report_url: page that has the HTML report, "" if none.
        marker: hidden first line, by which the comment is found again.

    Returns:
        The most that fits: everything; else findings, prescription and comparison without their evidence;
        else the visible part alone. Whole parts go, so no fence and no table is ever cut.
    """
    page = build_page(diagnosis)
    text = ""
    for level in LEVELS:
        text = _text(diagnosis, page, level, report_url, marker)
        if len(text.encode("utf-8")) <= limit:
            break
    return text


def _text(diagnosis: Diagnosis, page: Page, level: Level, report_url: str, marker: str) -> str:
    sections = [s for s in page.sections if level == "verbose" or (level == "normal" and s.id in _NORMAL)]
    left_out = [section.title for section in page.sections if section not in sections]
    template = markdown_environment().get_template("pull_request.md.j2")
    comparison = diagnosis.comparison
    text = template.render(
        page=page,
        symbol=_SYMBOLS[page.headline.tone],
        table=_numbers(diagnosis),
        conclusion=_conclusion(comparison),
        charts=_charts(diagnosis) if level == "verbose" else (),
        sections=[(section, _summary(section)) for section in sections],
        left_out=left_out,
        is_brief=level != "verbose",
        report_url=Raw(report_url if re.fullmatch(r"https?://[\w./:-]+", report_url) else ""),
    )
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    return f"{marker}\n{text}" if marker else text


def _summary(section: Section) -> str:
    """Title of a folded section, with what a reader wants to know before opening it."""
    cards = [block for block in section.blocks if isinstance(block, FindingCard)]
    return f"{section.title} ({len(cards)})" if cards else section.title


def _conclusion(comparison: Comparison | None) -> str:
    """What seeds allow to say, in one line; the numbers themselves stand in the table."""
    if comparison is None:
        return ""
    _tone, state, sentence = conclusion(comparison)
    return tr(ONE_SEED) if state == _("One seed each") else sentence


def _numbers(diagnosis: Diagnosis) -> Table | None:
    comparison = diagnosis.comparison
    if comparison is None:
        return _key_table(diagnosis)
    base = fmt.name(comparison.runs[0].run.name or comparison.runs[0].run.id, 24)
    known = [number for number in comparison.numbers if number.is_outcome]
    others = [number for number in comparison.numbers if not number.is_outcome and number.word(1) != "same"]
    rows = tuple(_number_row(number, comparison) for number in (*known, *others)[:_ROWS])
    columns = (
        Column(_("number")),
        Column(_("base ({base})", base=base), align="right"),
        Column(_("this run"), align="right"),
        Column(_("change")),
        Column(_("course, base")),
        Column(_("course, this run")),
    )
    return Table("", columns, rows) if rows else None


def _number_row(number: Number, comparison: Comparison) -> tuple[Cell, ...]:
    base, this = (one.run for one in comparison.runs[:2])
    name = _SERIES.get(number.name.partition(" ")[2], "")
    return (
        tr(number.name),
        shown(number, 0),
        shown(number, 1),
        change_text(number, 1),
        _course(base, name),
        _course(this, name),
    )


def _course(run: Run, name: str) -> Cell:
    series = run.get(name)
    if series is None or not len(series.finite()):
        return ""
    return Spark(*sparkline(series, float(series.steps[0]), float(series.steps[-1]), 16))


def _key_table(diagnosis: Diagnosis) -> Table | None:
    facts = key_facts(diagnosis)[:_ROWS]
    columns = (Column(_("number")), Column(_("value"), align="right"), Column(_("where")))
    return Table("", columns, tuple((f.label, f.value, f.note) for f in facts)) if facts else None


def _charts(diagnosis: Diagnosis) -> tuple[Chart, ...]:
    runs = [diagnosis.run]
    if diagnosis.comparison is not None:
        runs.append(diagnosis.comparison.runs[0].run)
    wanted = ((_("Validation loss"), names.LOSS_VALIDATION), (_("Training loss"), names.LOSS_TRAIN))
    found = (_chart(diagnosis, runs, title, name) for title, name in wanted)
    return tuple(chart for chart in found if chart is not None)


def _chart(diagnosis: Diagnosis, runs: Sequence[Run], title: str, name: str) -> Chart | None:
    having = [run for run in runs if (series := run.get(name)) is not None and len(series.finite()) > 1]
    if runs[0] not in having:
        return None
    comparison = diagnosis.comparison
    curves = [_places(run, name, comparison) for run in having]
    first, last = max(float(x[0]) for x, _ in curves), min(float(x[-1]) for x, _ in curves)
    if last <= first:
        return None
    lines = [_sampled(x, y, first, last) for x, y in curves]
    low, high = min(float(line.min()) for line in lines), max(float(line.max()) for line in lines)
    is_log = low > 0 and high > _LOG_RANGE * low
    label = _("log10 of the loss") if is_log else _("loss")
    drawn = [np.log10(line) for line in lines] if is_log else lines
    unit = x_label(comparison) if comparison is not None else _("step")
    text = mermaid_text(XYChart(title, unit, (first, last), label, drawn))
    legend = _("Blue: this run.") if len(having) == 1 else _("Blue: this run; orange: the base run.")
    return Chart(Code("", text, "mermaid"), legend)


def _places(run: Run, name: str, comparison: Comparison | None) -> tuple[Floats, Floats]:
    series = run.series[name].finite()
    x = series.steps.astype(np.float64)
    return (x if comparison is None else aligned(run, x, comparison.x)), series.values


def _sampled(x: Floats, y: Floats, first: float, last: float) -> Floats:
    """POINTS medians over equal stretches; one without a value lies between its neighbours."""
    edges = np.linspace(first, last, POINTS + 1)
    index = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, POINTS - 1)
    is_inside = (x >= first) & (x <= last)
    columns = np.unique(index[is_inside])
    middles = np.asarray([float(np.median(y[is_inside & (index == column)])) for column in columns])
    return np.asarray(np.interp(np.arange(POINTS), columns, middles))
