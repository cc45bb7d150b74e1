"""Hostile names through every text format: nothing a terminal, a browser or an XML parser would act on."""

from __future__ import annotations

import io
import re
import unicodedata
from xml.etree import ElementTree

import pytest

from traindoctor.report_templates.formats import BUILT_INS, render
from traindoctor.report_templates.notebook import notebook_html
from traindoctor.report_templates.pull_request import pull_request_text

from . import diagnoses

FORMATS = [name for name, one in BUILT_INS.items() if one.is_text]


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    diagnosis = diagnoses.hostile()
    found = {"pull-request": pull_request_text(diagnosis), "notebook": notebook_html(diagnosis)}
    for name in FORMATS:
        stream = io.BytesIO()
        render(diagnosis, stream, name)
        found[name] = stream.getvalue().decode("utf-8")
    return found


@pytest.mark.parametrize("name", [*FORMATS, "pull-request", "notebook"])
def test_no_character_that_acts(name: str, written: dict[str, str]) -> None:
    """JSON keeps every name as it was, controls escaped; the others show a sign in their place."""
    text = written[name]
    assert "everyone" in text
    acts = _is_control if name == "json" else _acts
    assert {character for character in set(text) if acts(character)} == set()


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc" and character not in "\n\t"


def _acts(character: str) -> bool:
    is_bidi = unicodedata.bidirectional(character) in {
        "LRE",
        "RLE",
        "LRO",
        "RLO",
        "PDF",
        "LRI",
        "RLI",
        "FSI",
        "PDI",
    }
    return is_bidi or _is_control(character) or unicodedata.category(character) in {"Zl", "Zp"}


def test_junit_is_xml(written: dict[str, str]) -> None:
    assert ElementTree.fromstring(written["junit"]).tag == "testsuites"


def test_a_workflow_command_is_one_line(written: dict[str, str]) -> None:
    lines = written["github"].splitlines()
    assert lines
    assert all(re.match(r"::(error|warning|notice) ", line) for line in lines)


def test_a_notebook_frame_keeps_the_page_inside(written: dict[str, str]) -> None:
    assert written["notebook"].count("<") == 2, "the page is an attribute, all of it escaped"
    assert 'sandbox="allow-scripts"' in written["notebook"]
