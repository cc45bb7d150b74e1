"""Sentences that a file brought back in plain English, in the language of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter

from traindoctor.text import SENTENCE_END, Text
from traindoctor.x_axis import NOUNS

from .language import _, catalogue, number_of, spoken, tr

_LEAST_LETTERS = 12
"""Letters that a pattern must say itself to be known again; a shorter one fits too much."""
_SEVERAL_WORDS = re.compile(r"[A-Za-z]{2,}[^A-Za-z]+ [A-Za-z]{2,}|[A-Za-z]{2,} [A-Za-z]{2,}")
_NOUNS = {noun: noun for pair in NOUNS.values() for noun in pair}


@dataclass(frozen=True)
class _Pattern:
    """A message and its translation, both still with their placeholders."""

    parts: tuple[str, ...]
    expression: str
    translation: str

    @property
    def n_letters(self) -> int:
        return sum(character.isalpha() for part in self.parts for character in part)


def told_again(text: str) -> str:
    """What one of our own sentences, or several in a row, say in the language of the page.

    A prescription.json or a log holds sentences as they were written: in English, with their numbers filled
    in. Each is compared with the messages of the catalogue, as many sentences at once as fit one message.
    What fits none stays as it is: somebody else may have written it.
    """
    if isinstance(text, Text) or spoken() == "en" or not text.strip():
        return tr(text)
    whole = _told(text)
    if whole is not None:
        return whole
    sentences = SENTENCE_END.split(text.strip())
    told: list[str] = []
    while sentences:
        for n in range(len(sentences), 0, -1):
            found = _told(" ".join(sentences[:n]))
            if found is not None:
                told.append(found)
                del sentences[:n]
                break
        else:
            return text  # half a text in each language is worse than all of it in one
    return "".join(one if one.endswith("。") else f"{one} " for one in told).strip()


def _told(sentence: str) -> str | None:
    """The translation of exactly this text, None where no message fits it."""
    for pattern in _patterns(spoken()):
        if all(part in sentence for part in pattern.parts):
            found = re.fullmatch(pattern.expression, sentence, re.DOTALL)
            filled = _filled(pattern.translation, found.groupdict()) if found else None
            if filled is not None:
                return filled
    return None


def _filled(translation: str, values: Mapping[str, str]) -> str | None:
    """The translation with the values as they were written; phrases among them are told, too.

    None where a value holds several words that nobody knows: then it was another sentence.
    """
    told = {name: _phrase(value) for name, value in values.items()}
    if any(told[name] == value and _SEVERAL_WORDS.search(value) for name, value in values.items()):
        return None
    pieces = (literal + (told[name] if name else "") for literal, name, _spec, _how in _fields(translation))
    return "".join(pieces)


def _phrase(value: str) -> str:
    """A value of a sentence: a phrase of ours, a place on the x axis, or what it is."""
    place = re.fullmatch(r"([a-z ]+) ([\d,]+)", value)
    if place and place[1] in _NOUNS:
        return _("{noun} {x}", noun=Text(place[1]), x=place[2])
    number = re.fullmatch(r"([\d,]+) ([a-z]+?)s?", value)
    if number:
        one, n = f"{{n}} {number[2]}", int(number[1].replace(",", ""))
        return number_of(one, f"{one}s", n, n=number[1])
    known = tr(Text(value)) if "{" not in value else value
    return known if known != value else (_told(value) or value)


@cache
def _patterns(language: str) -> tuple[_Pattern, ...]:
    """The messages that are long enough to be known again, those that say most first."""
    messages: Mapping[str | tuple[str, int], str] = vars(catalogue(language)).get("_catalog", {})
    found = [
        made
        for key, translation in messages.items()
        if (made := _pattern(key if isinstance(key, str) else key[0], translation)) is not None
    ]
    return tuple(sorted(found, key=lambda pattern: -pattern.n_letters))


def _pattern(message: str, translation: str) -> _Pattern | None:
    try:
        fields = _fields(message)
    except ValueError:  # a message without values may hold braces
        fields = [(message, "", "", "")]
    expression, known = "", set[str]()
    for literal, name, _spec, _how in fields:
        expression += re.escape(literal)
        if name:
            expression += f"(?P={name})" if name in known else f"(?P<{name}>.+?)"
            known.add(name)
    made = _Pattern(tuple(literal for literal, *_rest in fields), expression, translation)
    return made if made.n_letters >= _LEAST_LETTERS else None


def _fields(pattern: str) -> list[tuple[str, str, str, str]]:
    """Literal, placeholder, format and conversion of each part of a pattern; "" for what is not there."""
    return [
        (literal, name or "", spec or "", how or "")
        for literal, name, spec, how in Formatter().parse(pattern)
    ]
