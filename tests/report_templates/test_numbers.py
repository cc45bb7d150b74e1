"""The same numbers in every format: tables and values are parsed back and compared, cell by cell."""

from __future__ import annotations

import html
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from traindoctor.report_templates import number_format as fmt
from traindoctor.report_templates.formats import render
from traindoctor.report_templates.pull_request import pull_request_text

from . import diagnoses

BLOCKS = "▁▂▃▄▅▆▇█"


class Rows(HTMLParser):
    """Every row of every table as the texts of its cells, without what stands for a picture in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_cell = self._is_title = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self._is_cell = True
        self._is_title = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._is_cell = False
        self._is_title = False

    def handle_data(self, data: str) -> None:
        if self._is_cell and not self._is_title:
            self.rows[-1][-1] += data


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u200b", "")).strip()


def row_key(cells: list[str]) -> tuple[str, ...]:
    """A row without its sparkline, which is a picture in one format and characters in the other."""
    return tuple(plain(cell) for cell in cells if plain(cell).strip(BLOCKS + "` "))


def markdown_rows(text: str) -> list[list[str]]:
    """The rows of all tables, without their headings (units stand in brackets there)."""
    lines = text.splitlines()
    is_rule = [bool(re.match(r"\|[ :|-]+\|$", line)) for line in lines]
    rows = [
        line
        for index, line in enumerate(lines)
        if line.startswith("|") and not any(is_rule[index : index + 2])
    ]
    cells = [re.split(r"(?<!\\)\|", row.replace("**", ""))[1:-1] for row in rows]
    return [[re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", html.unescape(cell)) for cell in row] for row in cells]


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("html", "md", "json", "junit", "text"):
        stream = io.BytesIO()
        render(diagnoses.timed(), stream, name)
        found[name] = stream.getvalue().decode()
    return found


def test_every_row_of_a_markdown_table_stands_in_the_html_report(written: dict[str, str]) -> None:
    in_html = {row_key(row) for row in Rows(written["html"]).rows}
    in_markdown = [key for row in markdown_rows(written["md"]) if len(key := row_key(row)) > 1]
    assert len(in_markdown) > 60
    facts = [
        plain(re.sub("<[^>]*>", " ", one)) for one in re.findall(r"<dt\b.*?</dd>", written["html"], re.S)
    ]
    # Facts are a list in HTML and a table in Markdown: one a row, or a row of key numbers.
    missing = [
        row
        for row in in_markdown
        if row not in in_html
        and not all(any(cell in fact for fact in map(html.unescape, facts)) for cell in row)
    ]
    assert [row for row in missing if any(re.search(r"\d", cell) for cell in row)] == []


def test_every_row_of_the_html_report_stands_in_the_pdf() -> None:
    pypdf = pytest.importorskip("pypdf")
    pytest.importorskip("weasyprint")
    streams = {name: io.BytesIO() for name in ("html", "pdf")}
    for name, stream in streams.items():
        render(diagnoses.proven(), stream, name)
    rows = {row_key(row) for row in Rows(streams["html"].getvalue().decode()).rows}
    pages = pypdf.PdfReader(streams["pdf"]).pages
    words = re.sub(r"[\s\xad]+", "", "".join(page.extract_text() for page in pages))
    # The tables behind a figure are on screen only; on paper the figure itself stands.
    pictures = r'<div class="modes".*?</details>|<figure.*?</figure>'
    behind = re.findall(pictures, streams["html"].getvalue().decode(), re.S)
    left_out = {row_key(row) for figure in behind for row in Rows(figure).rows}
    kept = [row for row in rows - left_out if len(row) > 1 and any(re.search(r"\d", cell) for cell in row)]
    assert len(kept) > 60
    missing = [row for row in kept if not all(re.sub(r"\s+", "", cell) in words for cell in row)]
    assert missing == []


def test_the_evidence_of_json_is_shown_with_the_same_digits(written: dict[str, str]) -> None:
    document = json.loads(written["json"])
    rows = {row_key(row) for row in Rows(written["html"]).rows}
    assert document["findings"]
    for finding in document["findings"]:
        for name, value in finding["evidence"].items():
            shown = plain(fmt.quantity(value, finding["units"][name]))
            assert (name.replace("_", " "), shown) in rows
            assert shown in plain(html.unescape(written["junit"]))


def test_the_readouts_show_four_digits_of_what_was_recorded(written: dict[str, str]) -> None:
    """What a reader sees under the pointer is the value that the tables would show."""
    (data,) = re.findall(r'id="readouts">(.*?)</script>', written["html"], re.S)
    told = json.loads(data)
    panel = told["charts"]["curves"]["panels"][0]
    curve = next(one for one in panel["curves"] if one["label"] == "validation")
    x, y = told["lists"][curve["x"]], told["lists"][curve["y"]]
    recorded = diagnoses.timed().run.series["loss/validation"]
    assert x == recorded.steps.tolist()
    assert [fmt.number(one) for one in y] == [fmt.number(float(y)) for y in recorded.values]
    np.testing.assert_allclose(y, recorded.values, rtol=5e-4)


def test_verdict_and_headline_are_the_same_everywhere(written: dict[str, str]) -> None:
    sentence = json.loads(written["json"])["verdict"]["sentence"]
    comment = pull_request_text(diagnoses.timed())
    for text in (*written.values(), comment):
        assert sentence in plain(html.unescape(re.sub(r"\\([^\w\s])", r"\1", text)))
