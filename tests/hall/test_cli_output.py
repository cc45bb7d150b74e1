"""Which formats a command writes."""

from __future__ import annotations

import pytest

from traindoctor.cli_output import formats_asked_for
from traindoctor.errors import UsageError


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, "html"),
        ("-", "html"),
        ("report.pdf", "pdf"),
        ("out/REPORT.PDF", "pdf"),
        ("notes.md", "md"),
        ("results.junit.xml", "junit"),
        ("lines.github.txt", "github"),
        ("lines.txt", "text"),
        ("page.htm", "html"),
        ("pdf", "html"),
    ],
)
def test_a_file_says_its_format(output: str | None, expected: str):
    assert formats_asked_for(None, output) == [expected]


def test_what_was_asked_for_goes_before_the_ending():
    assert formats_asked_for("json", "report.pdf") == ["json"]


def test_one_file_holds_one_format():
    with pytest.raises(UsageError, match="found 2 formats"):
        formats_asked_for("html, pdf", "report.pdf")
    with pytest.raises(UsageError, match="found 'docx'"):
        formats_asked_for("docx", None)
    with pytest.raises(UsageError, match="--report: expected html"):
        formats_asked_for("docx", None, "--report")
