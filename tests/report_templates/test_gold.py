"""Gold files for Markdown and JSON. Write them anew with TRAINDOCTOR_BLESS=1 and read the difference."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest

from traindoctor.report_templates.formats import render

from . import diagnoses

GOLD = Path(__file__).parent / "gold"


def _scrubbed(text: str) -> str:
    """Without what may differ in the last bit: digits beyond the sixth, levels of sparklines."""
    text = re.sub(r"\d+\.\d{7,}(e[+-]?\d+)?", lambda found: f"{float(found.group()):.6g}", text)
    return re.sub(r"[▁▂▃▄▅▆▇█]", "▆", text)


@pytest.mark.parametrize("name", ["md", "json"])
@pytest.mark.parametrize("case", ["realistic", "no_data"])
def test_gold(case: str, name: str) -> None:
    stream = io.BytesIO()
    diagnosis = getattr(diagnoses, case)()
    render(diagnosis, stream, name, methods={"TD401": "Slope of the validation loss after its best point."})
    found = _scrubbed(stream.getvalue().decode())
    path = GOLD / f"{case}.{name}"
    if os.environ.get("TRAINDOCTOR_BLESS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text(), "if the difference is meant, run with TRAINDOCTOR_BLESS=1"
