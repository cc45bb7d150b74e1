"""The HTML report in a real browser: no console message, the script ran under the policy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from traindoctor.report_templates.formats import render

from . import diagnoses

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
@pytest.mark.parametrize("case", ["realistic", "hostile"])
def test_opens_without_a_console_message(case: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    render(getattr(diagnoses, case)(), page)
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert not re.findall(r".*CONSOLE.*", done.stderr)
    assert 'class="copy"' in done.stdout, "the script did not run"
    assert done.stdout.count('class="crosshair"') >= 4
    assert 'class="readout"' in done.stdout
