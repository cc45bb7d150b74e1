"""The catalogues: complete, with the placeholders of the messages, compiled; Babel reads the code."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from string import Formatter

import pytest

pytest.importorskip("babel", reason="Babel, a development tool, is not installed")
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import catalogue

HOW = "run `python scripts/catalogue.py update`, translate what `python scripts/catalogue.py missing` lists"
PATHS = catalogue.catalogues()


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.parts[-3])
def path(request):
    return request.param


def forms(message):
    """(English, translation) of a message, one pair for each plural form of the translation."""
    singular, *plural = [message.id] if isinstance(message.id, str) else message.id
    strings = [message.string] if isinstance(message.string, str) else list(message.string)
    return [(plural[0] if plural else singular, string) for string in strings]


def fields(text):
    """Placeholders with format and conversion; texts without any may hold braces of other kinds."""
    try:
        return Counter((name, spec, how) for _, name, spec, how in Formatter().parse(text) if name)
    except ValueError:
        return Counter()


def test_there_is_simplified_chinese():
    assert [path.parts[-3] for path in PATHS] == ["zh_Hans"]


def test_every_message_is_translated_and_none_is_left_over(path):
    stored, wanted = catalogue.read(path), catalogue.messages()
    known = {m.id if isinstance(m.id, str) else tuple(m.id): m for m in stored if m.id}
    missing = [
        message for message in wanted if message not in known or not catalogue.is_translated(known[message])
    ]
    assert not missing, f"{len(missing)} of {len(wanted)} messages are not translated: {HOW}\n{missing[:5]}"
    assert not (gone := set(known) - set(wanted)), (
        f"no longer in the code: {HOW}\n{sorted(map(str, gone))[:5]}"
    )
    assert not [m.id for m in stored if m.fuzzy]
    assert len(wanted) > 1000


def test_placeholders_and_quoted_code_are_those_of_the_message(path):
    wrong = []
    for message in catalogue.read(path):
        for english, other in forms(message) if message.id else ():
            quoted = [Counter(re.findall(r"`[^`]+`", text)) for text in (english, other)]
            if fields(english) != fields(other) or quoted[0] != quoted[1]:
                wrong.append((english, other))
    assert not wrong, wrong


def test_numbers_are_those_of_the_message(path):
    wrong = []
    for message in catalogue.read(path):
        for english, other in forms(message) if message.id else ():
            numbers = [
                set(re.findall(r"\d+(?:\.\d+)?", re.sub(r"{[^}]*}", "", text))) for text in (english, other)
            ]
            if not numbers[0] <= numbers[1]:
                wrong.append((numbers[0] - numbers[1], english, other))
    assert not wrong, wrong


def test_what_is_installed_is_compiled_from_what_is_translated(path):
    stored = path.with_suffix(".mo").read_bytes()
    assert stored == catalogue.compiled(catalogue.read(path)), "run `python scripts/catalogue.py compile`"


def test_a_message_that_nobody_translated_is_found(tmp_path, path):
    copy = tmp_path / "zh_Hans" / "LC_MESSAGES" / path.name
    copy.parent.mkdir(parents=True)
    copy.write_text(path.read_text(encoding="utf-8") + '\nmsgid "Brand new"\nmsgstr ""\n', encoding="utf-8")
    untranslated = [m.id for m in catalogue.read(copy) if m.id and not catalogue.is_translated(m)]
    assert untranslated == ["Brand new"]
