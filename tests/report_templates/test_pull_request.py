"""Markdown for a pull request: budgets, a dozen visible lines, charts, nothing that pings."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.hall import comparisons
from traindoctor.comparing import compare
from traindoctor.finding import Diagnosis
from traindoctor.gating import judge
from traindoctor.report_templates.comparison_words import change_text, shown
from traindoctor.report_templates.mermaid import POINTS, XYChart, mermaid_text
from traindoctor.report_templates.pull_request import COMMENT_LIMIT, LEVELS, pull_request_text

from . import diagnoses
from .test_markdown import _outside_code, _with_findings

ALLOWED = {"<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>"}


def with_base() -> Diagnosis:
    base, this = diagnoses.healthy(), diagnoses.realistic()
    return replace(this, comparison=compare((base, this)), gate=judge(this, "high", base))


def visible(text: str) -> list[str]:
    folded = re.sub(r"(?s)<details>.*</details>", "", text)
    return [line for line in folded.splitlines() if line.strip() and not line.startswith("<!--")]


@pytest.mark.parametrize("make", [diagnoses.realistic, diagnoses.healthy, diagnoses.no_data, with_base])
def test_about_a_dozen_lines_are_visible(make) -> None:
    diagnosis = make()
    lines = visible(pull_request_text(diagnosis))
    assert len(lines) <= 14, lines
    assert diagnosis.verdict.sentence in lines[1].replace("\\", "")


def test_it_says_gate_and_base() -> None:
    text = pull_request_text(
        with_base(), report_url="https://github.com/o/r/actions/runs/5", marker="<!-- m -->"
    )
    assert text.startswith("<!-- m -->\n### ")
    assert "Gate failed: 1 new finding at or above high." in text
    assert "[files of this workflow run](https://github.com/o/r/actions/runs/5)" in text
    assert "One seed each" in text


def test_an_address_that_is_none_is_left_out() -> None:
    assert "files of this" not in pull_request_text(with_base(), report_url="javascript:alert(1)")


def test_the_numbers_are_those_of_the_comparison() -> None:
    diagnosis = with_base()
    text = re.sub(r"\\([^\w\s])", r"\1", pull_request_text(diagnosis))
    assert diagnosis.comparison is not None
    for number in [n for n in diagnosis.comparison.numbers if n.is_outcome]:
        cells = (number.name, shown(number, 0), shown(number, 1), change_text(number, 1))
        assert "| " + " | ".join(cells) + " |" in text


@pytest.mark.parametrize("limit", [1 << 20, COMMENT_LIMIT, 20_000, 9_000, 2_500])
def test_it_degrades_in_whole_parts(limit: int) -> None:
    text = pull_request_text(with_base(), limit=limit)
    assert len(text.encode()) <= limit
    assert text.count("<details>") == text.count("</details>")
    _outside_code(text)
    assert ("left out to fit" in text) == ("```mermaid" not in text)


@pytest.mark.parametrize(("n", "code"), [(120, "x = 1\n" * 40), (500, "x = 1"), (3, "y = 2\n" * 30_000)])
def test_large_diagnoses_fit_a_comment(n: int, code: str) -> None:
    text = pull_request_text(_with_findings(n, code))
    assert len(text) <= COMMENT_LIMIT
    assert "The run overfits from step 11,499" in text
    _outside_code(text)


def test_there_are_three_levels_and_each_is_shorter() -> None:
    sizes = [len(pull_request_text(with_base(), limit=limit)) for limit in (1 << 20, 20_000, 2_500)]
    assert len(LEVELS) == 3
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("limit", [1 << 20, 20_000, 2_500])
def test_nobody_is_pinged_and_nothing_is_linked(limit: int) -> None:
    pair = comparisons.hostile_pair()
    nasty = diagnoses.hostile()
    judged = (
        replace(pair[1], comparison=compare(pair), gate=judge(pair[1], "low", pair[0])),
        replace(nasty, comparison=compare((pair[0], nasty)), gate=judge(nasty, "low", pair[0])),
    )
    for diagnosis in judged:
        outside = _outside_code(pull_request_text(diagnosis, limit=limit))
        assert not re.search(r"@\w", outside)
        assert "://" not in outside
        assert not re.search(r"(?<![\\&])#\d", outside)
        assert set(re.findall(r"<[^>]*>", outside)) <= ALLOWED


GRAMMAR = re.compile(
    r'%%\{init: \{.*\}\}%%\nxychart-beta\n  title "[^"\n]+"\n  x-axis "[^"\n]+" -?[\d.]+ --> -?[\d.]+\n'
    r'  y-axis "[^"\n]+" -?[\d.]+ --> -?[\d.]+(\n  line \[-?[\d.]+(, -?[\d.]+)*\]){1,2}'
)


def charts(text: str) -> list[str]:
    return re.findall(r"(?s)```mermaid\n(.*?)\n```", text)


def test_charts_are_small_and_of_the_plain_grammar() -> None:
    found = charts(pull_request_text(with_base()))
    assert len(found) >= 1
    for chart in found:
        assert GRAMMAR.fullmatch(chart), chart
        assert "#0072B2, #D55E00" in chart
        assert len(chart) < 2000
        assert all(line.count(",") < POINTS for line in chart.splitlines() if line.startswith("  line"))


@pytest.mark.parametrize(
    "line", [np.full(3, 2.0), np.asarray([1e-9, 1e9]), np.asarray([-1.0, 0.0]), np.zeros(2)], ids=str
)
def test_a_chart_of_odd_numbers_has_no_exponent(line: np.ndarray) -> None:
    text = mermaid_text(XYChart('a "quoted" [title]', "x\ny", (0, 1e9), "y;z", [line]))
    assert GRAMMAR.fullmatch(text), text


def test_nan_and_infinity_reach_no_chart() -> None:
    text = pull_request_text(diagnoses.nan_losses())
    assert not any(re.search(r"nan|inf", chart.split("xychart-beta")[1]) for chart in charts(text))
