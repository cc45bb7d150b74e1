"""What is not installed: a sentence that says what to do, and every report that can be written is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from traindoctor.cli import cli
from traindoctor.errors import MissingDependencyError
from traindoctor.report_templates import pdf

WITHOUT_MATPLOTLIB = "import sys; sys.modules['matplotlib'] = None; from traindoctor.cli import main; main()"
NO_FONTS = '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>'
ONE_PAGE = """
from tests.report_templates import diagnoses
from traindoctor.report_templates.pdf import pdf_report
print(pdf_report(diagnoses.single_step(), {})[:5].decode())
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    rows = [f"{step},{2.0 / (step + 1):.6f}" for step in range(60)]
    path.write_text("\n".join(["step,loss", *rows]))
    return path


def test_without_matplotlib_the_other_reports_are_written(log: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB, "report", str(log), "--format", "html,md,json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=log.parent, check=False)
    assert done.returncode == 3, done.stderr
    assert "pip install matplotlib" in done.stderr
    assert "Traceback" not in done.stderr
    written = [Path(line) for line in done.stdout.split()]
    assert [path.suffix for path in written] == [".md", ".json"]
    assert all((log.parent / path).stat().st_size > 500 for path in written)


def test_without_pango_the_other_reports_are_written(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr(pdf, "import_module", missing)
    monkeypatch.chdir(log.parent)
    done = CliRunner().invoke(cli, ["report", str(log), "--format", "pdf,html"])
    assert isinstance(done.exception, MissingDependencyError)
    assert done.exception.exit_code == 3
    assert "libpango" in str(done.exception)
    (written,) = done.stdout.split()
    assert written.endswith(".html")
    assert (log.parent / written).read_text().startswith("<!doctype html>")


def test_without_any_font_the_pdf_uses_its_own(tmp_path: Path) -> None:
    """WeasyPrint ends the process where it finds no font at all; ours are inside the document."""
    pytest.importorskip("weasyprint")
    settings = tmp_path / "fonts.conf"
    settings.write_text(NO_FONTS)
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", ONE_PAGE],
        capture_output=True,
        text=True,
        env={**os.environ, "FONTCONFIG_FILE": str(settings), "PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "%PDF-"), done.stderr
    assert done.stderr == ""
