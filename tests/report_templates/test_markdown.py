"""The Markdown report: fits a comment, pings nobody, never cuts a fence."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from traindoctor.finding import Diagnosis, Remedy
from traindoctor.report_templates.markdown import LIMIT, escape_markdown, fenced, markdown_report
from traindoctor.report_templates.page_model import Code

from . import diagnoses


def _text(diagnosis: Diagnosis) -> str:
    return markdown_report(diagnosis, {}).decode()


def _outside_code(text: str) -> str:
    """The Markdown without fenced blocks and code spans: where names could act."""
    kept: list[str] = []
    fence = ""
    for line in text.splitlines():
        opening = re.match(r"(`{3,})", line)
        if fence:
            if line.strip() == fence:
                fence = ""
        elif opening:
            fence = opening.group(1)
        else:
            kept.append(line)
    assert not fence, "a fence was opened and not closed"
    return re.sub(r"(?<!\\)`[^`\n]*`", "", "\n".join(kept))


@pytest.fixture(scope="module")
def hostile() -> str:
    return _text(diagnoses.hostile())


def test_nobody_is_mentioned_and_nothing_is_linked(hostile: str) -> None:
    outside = _outside_code(hostile)
    assert "everyone" in outside
    assert not re.search(r"@\w", outside)
    assert "://" not in outside
    assert not re.search(r"(?<![\\&])#\d", outside)


def test_only_our_own_html(hostile: str) -> None:
    assert set(re.findall(r"<[^>]*>", _outside_code(hostile))) <= {
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
    }


def test_tables_keep_their_columns(hostile: str) -> None:
    rows: list[int] = []
    for line in _outside_code(hostile).splitlines():
        if line.startswith("|"):
            rows.append(len(re.findall(r"(?<!\\)\|", line)))
        elif rows:
            assert len(set(rows)) == 1, rows
            rows = []
    assert re.search(r"^\| --- \|", hostile, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@team/a", "@&#8203;team/a"),
        ("layers[/0]", "layers\\[/0\\]"),
        ("`a` | b", "\\`a\\` \\| b"),
        ("$\\frac$", "\\$\\\\frac\\$"),
        ("<!-- x -->", "&lt;\\!-- x --&gt;"),
        ("fixes #12", "fixes \\#&#8203;12"),
        ("gh-7", "GH&#8203;-7"),
        ("https://x.y", "https:&#8203;//x.y"),
        ("www.x.y", "www&#8203;.x.y"),
        ("1. first", "1\\. first"),
        ("0.55", "0.55"),
        ("- item", "\\- item"),
        ("---", "\\---"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


def test_a_fence_is_longer_than_the_ticks_inside() -> None:
    assert fenced(Code("", "a\n````\nb")) == "`````python\na\n````\nb\n`````"


def _with_findings(n: int, code: str) -> Diagnosis:
    diagnosis = diagnoses.realistic()
    one = diagnosis.findings[2]
    many = tuple(
        replace(one, remedy=Remedy("Do it.", code), message=f"Trouble number {i}.") for i in range(n)
    )
    return replace(diagnosis, findings=many)


@pytest.mark.parametrize(
    ("n", "code", "is_left_out"),
    [(3, "x = 1", False), (120, "x = 1\n" * 40, True), (500, "x = 1", True), (3, "y = 2\n" * 30_000, True)],
)
def test_always_fits_a_comment(n: int, code: str, *, is_left_out: bool) -> None:
    text = _text(_with_findings(n, code))
    assert len(text) <= LIMIT
    assert ("Left out to fit" in text) == is_left_out
    assert "The run overfits from step 11,499" in text
    assert text.count("<details>") == text.count("</details>")
    _outside_code(text)
