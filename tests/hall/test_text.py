"""Texts: English as strings, another language by a catalogue, copies that stay texts."""

from __future__ import annotations

import copy
import json
import pickle
from gettext import NullTranslations

import pytest

from traindoctor.text import Opening, Text, counted, first_sentence, joined


class Shouting(NullTranslations):
    """A catalogue that writes every message in capitals, placeholders apart."""

    def gettext(self, message: str) -> str:
        return message.upper().replace("{PLACE}", "{place}").replace("{N}", "{n}")

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return self.gettext(plural)


TEXT = Text("it rose at {place}", place=Text("the end"))


def test_a_text_is_its_english_sentence_and_is_told_with_its_values():
    assert TEXT == "it rose at the end"
    assert json.dumps([TEXT]) == '["it rose at the end"]'
    assert TEXT.told_by(NullTranslations()) == "it rose at the end"
    assert TEXT.told_by(Shouting()) == "IT ROSE AT THE END"
    assert Text("{place} is {{odd}}", place=1).told_by(NullTranslations()) == "1 is {odd}"
    assert Text("braces { alone }").told_by(NullTranslations()) == "braces { alone }"


@pytest.mark.parametrize(
    "text",
    [TEXT, counted("{n} seed", "{n} seeds", 2), Opening(Text("One. Two.")), TEXT + ". " + TEXT],
    ids=["text", "plural", "opening", "row"],
)
def test_copies_are_told_like_the_original(text):
    for other in (pickle.loads(pickle.dumps(text)), copy.deepcopy(text), copy.copy(text)):
        assert type(other) is type(text)
        assert other == text
        assert other.told_by(Shouting()) == text.told_by(Shouting())


def test_rows_keep_their_parts():
    assert ("at first " + TEXT).told_by(Shouting()) == "at first IT ROSE AT THE END"
    assert (TEXT + "!").told_by(Shouting()) == "IT ROSE AT THE END!"
    assert joined(Text(" and "), ["a", Text("b"), "c"]).told_by(Shouting()) == "a AND B AND c"
    assert joined(", ", []).told_by(Shouting()) == ""
    assert TEXT + "" is TEXT


def test_the_opening_is_that_of_the_language():
    class Chinese(NullTranslations):
        def gettext(self, message: str) -> str:
            return "损失上升。此前下降。"

    opening = Opening(Text("Loss rises by 0.3. It had been falling."))
    assert opening == "Loss rises by 0.3."
    assert opening.told_by(Chinese()) == "损失上升。"
    assert first_sentence("no end") == "no end"


def test_a_foreign_text_with_braces_is_no_pattern():
    hostile = "{0.__class__} {x!r} {"
    assert Text("named {name}", name=hostile).told_by(NullTranslations()) == f"named {hostile}"
