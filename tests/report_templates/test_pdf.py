"""The PDF report: opens, tagged, bookmarks, own fonts, reads nothing from outside."""

from __future__ import annotations

import io
import logging
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from traindoctor.errors import MissingDependencyError
from traindoctor.finding import Diagnosis
from traindoctor.report_templates import pdf

from . import diagnoses

pypdf = pytest.importorskip("pypdf")


def _pdf(diagnosis: Diagnosis) -> bytes:
    try:
        return pdf.pdf_report(diagnosis, {})
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def realistic() -> bytes:
    return _pdf(diagnoses.realistic())


def _words(reader: Any) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in reader.pages))


def test_pages_words_and_bookmarks(realistic: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(realistic))
    assert 6 <= len(reader.pages) <= 16
    words = _words(reader)
    assert "The run overfits from step 11,499" in words
    assert "StepLR(optimizer, step_size=12_000, gamma=0.1)" in words
    assert f"1 / {len(reader.pages)}" in words
    assert "commit 3f9a1c07d2" in re.sub(r"\s+", " ", reader.pages[2].extract_text())
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert titles[:2] == ["Findings", "Prescribed schedule"]
    assert any(isinstance(entry, list) for entry in reader.outline)


def test_tagged_with_title_and_language(realistic: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(realistic))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert reader.metadata.title.startswith("cifar10-baseline")
    assert b"pdfuaid" in root["/Metadata"].get_data()
    assert "/CreationDate" not in reader.trailer["/Info"]


def test_only_our_fonts(realistic: bytes) -> None:
    reader = pypdf.PdfReader(io.BytesIO(realistic))
    names = {
        str(font.get_object()["/BaseFont"])
        for page in reader.pages
        for font in page["/Resources"].get("/Font", {}).values()
    }
    assert names
    assert all("Report-" in name for name in names), names


def test_the_same_bytes_every_time() -> None:
    assert _pdf(diagnoses.single_step()) == _pdf(diagnoses.single_step())


def test_a_run_without_data() -> None:
    reader = pypdf.PdfReader(io.BytesIO(_pdf(diagnoses.no_data())))
    assert "Too little was recorded" in _words(reader)


def test_hostile_names(caplog: pytest.LogCaptureFixture) -> None:
    diagnosis = diagnoses.hostile()
    # Without the curves: their figures are the same in the HTML report, and slow to lay out.
    lean = replace(diagnosis, run=replace(diagnosis.run, series={}, parameters={}))
    with caplog.at_level(logging.WARNING):
        reader = pypdf.PdfReader(io.BytesIO(_pdf(lean)))
    words = _words(reader)
    assert "<script>alert(1)</script>" in words
    assert "@everyone" in words
    for record in caplog.records:
        assert "lacks glyphs" in record.getMessage()


def test_nothing_outside_the_document_is_read(tmp_path: Any) -> None:
    """A canary: were a file or an address in the page followed, its content would be embedded."""
    weasyprint = pdf._weasyprint()
    canary = tmp_path / "canary.txt"
    canary.write_text("canary")
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    outside = f"http://127.0.0.1:{server.server_address[1]}/canary"
    page = (
        f'<link rel="stylesheet" href="{outside}.css"><style>@import "{canary.as_uri()}"; '
        f'body {{ background: url({outside}.png) }}</style><img src="{outside}"><img src="{canary.as_uri()}">'
        f'<a rel="attachment" href="{canary.as_uri()}">x</a><svg><image href="{outside}.svg"/></svg>'
    )
    try:
        with pdf._warnings_collected():
            written = weasyprint.HTML(string=page, url_fetcher=pdf._fetcher()).write_pdf(
                uncompressed_pdf=True
            )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert asked == []
    assert b"canary\n" not in written
    assert b"/EmbeddedFile" not in written


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'weasyprint'"), OSError("cannot load library 'pango'")]
)
def test_a_missing_library_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def missing(name: str) -> Any:
        raise error

    monkeypatch.setattr(pdf, "import_module", missing)
    with pytest.raises(MissingDependencyError) as caught:
        pdf.pdf_report(diagnoses.no_data(), {})
    message = str(caught.value)
    assert "pip install 'traindoctor[pdf]'" in message
    assert "libpango" in message
    assert str(error) in message
    assert "\n" not in message
    assert caught.value.exit_code == 3
    assert len(message) < 400
