"""The output of a notebook cell: a frame of its own, small, safe."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from markupsafe import escape

from traindoctor.report_templates.number_format import prose

from . import diagnoses


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("case", ["realistic", "healthy", "hostile", "no_data"])
def test_one_frame_that_holds_a_whole_page(case: str) -> None:
    diagnosis = getattr(diagnoses, case)()
    shown = diagnosis._repr_html_()
    parser = Tags()
    parser.feed(shown)
    ((tag, attributes),) = parser.found
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    document = attributes["srcdoc"] or ""
    assert document.startswith("<!doctype html>")
    assert "default-src &#39;none&#39;" in document
    assert "<script>alert" not in document
    assert escape(prose(diagnosis.verdict.sentence)) in document


def test_it_is_small() -> None:
    assert len(diagnoses.realistic()._repr_html_()) < 300_000
