"""Sentences that a file brought back in plain English, in the language of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from string import Formatter

from traindoctor.text import SENTENCE_END, Text
from traindoctor.x_axis import NOUNS

from .language import _, catalogue, number_of, spoken, tr

_LEAST_LETTERS = 12
"""Letters that a pattern must say itself to be known again; a shorter one fits too much."""
_ENOUGH_LETTERS = 16
"""With so many a sentence is known even where a value holds words of others: a path, an error."""
_SEVERAL_WORDS = re.compile(r"[A-Za-z]{2,}[^A-Za-z]+ [A-Za-z]{2,}|[A-Za-z]{2,} [A-Za-z]{2,}")
_SENTENCE_LIKE = re.compile(r"[:;] |[.!?] +[A-Z]")
_NOUNS = {noun: noun for pair in NOUNS.values() for noun in pair}
_PLACE = re.compile(
    r"(?P<sentence>.+) \((?:(?P<n>\d+) times(?:, first )?)?(?:at (?P<what>line|byte) (?P<at>\d+))?\)",
    re.DOTALL,
)
"""What `Logbook.sentences` puts behind a note."""
_OF_FILE = re.compile(r"(?P<file>\S*\.\S+): (?P<sentence>.+)", re.DOTALL)
"""A note of one of several files."""
_SUM = Text("sum of {parts}", parts="").message
_PHRASES = (
    Text("{names} and {n} more", names="", n="").message,
    Text("{names} and others", names="").message,
    Text("rank {n}", n="").message,
    Text("ranks {n}", n="").message,
    Text("{n} complete", n="").message,
    Text("{n} pruned", n="").message,
    Text("{n} fail", n="").message,
    Text("{n} running", n="").message,
    Text("{n} waiting", n="").message,
)
"""Few letters: known as values of a sentence that is known."""


@dataclass(frozen=True)
class _Pattern:
    """A message and its translation, both still with their placeholders.

    Attributes:
        parts: what the message itself says, piece by piece.
        expression: what fits it.
        translation: the same in the language of the page.
        quoted: placeholders between backticks: names of others, never told.
        reported: placeholders after a colon: what an error of others says, in any words.
        n_letters: of all parts.
    """

    parts: tuple[str, ...]
    expression: str
    translation: str
    quoted: frozenset[str]
    reported: frozenset[str]
    n_letters: int


def told_again(text: str) -> str:
    """What one of our own sentences, or several in a row, say in the language of the page.

    A prescription.json or a log holds sentences as they were written: in English, with their numbers filled
    in. Each is compared with the messages of the catalogue, as many sentences at once as fit one message.
    What fits none stays as it is: somebody else may have written it.
    """
    if isinstance(text, Text) or spoken() == "en" or not text.strip():
        return tr(text)
    told = _known(text.strip(), spoken())
    return text if told is None else told


@lru_cache(maxsize=4096)
def _known(text: str, language: str) -> str | None:
    """The translation of a whole text in whatever way it is put together, None where a part is not known."""
    word = tr(Text(text)) if _SEVERAL_WORDS.search(text) and "{" not in text else text
    if word != text:
        return word
    for way in (_placed, _whole, _sentences, _of_file, _remarks):
        told = way(text)
        if told is not None:
            return told
    enough = (pattern for pattern in _patterns(language) if pattern.n_letters >= _ENOUGH_LETTERS)
    return _told(text, (*enough, *_made((_SUM,), language)), may_hold_words=True)


def _whole(text: str) -> str | None:
    return _told(text, _patterns(spoken()))


def _placed(text: str) -> str | None:
    """A note with how often it was written, and where first."""
    found = _PLACE.fullmatch(text)
    told = _known(found["sentence"], spoken()) if found else None
    if found is None or told is None or not (found["n"] or found["what"]):
        return None
    n, at = found["n"], found["at"]
    place = _("line {at}", at=at) if found["what"] == "line" else _("byte {at}", at=at)
    if not found["what"]:
        return _("{sentence} ({n} times)", sentence=told, n=n)
    if not n:
        return _("{sentence} (at {place})", sentence=told, place=place)
    return _("{sentence} ({n} times, first at {place})", sentence=told, n=n, place=place)


def _sentences(text: str) -> str | None:
    """Several sentences, as many at once as fit one message."""
    sentences = SENTENCE_END.split(text)
    told: list[str] = []
    while sentences:
        for n in range(len(sentences), 0, -1):
            found = _whole(" ".join(sentences[:n]))
            if found is not None:
                told.append(found)
                del sentences[:n]
                break
        else:
            return None  # half a text in each language is worse than all of it in one
    return "".join(one if one.endswith("。") else f"{one} " for one in told).strip()


def _of_file(text: str) -> str | None:
    found = _OF_FILE.fullmatch(text)
    told = _known(found["sentence"], spoken()) if found else None
    return _("{file}: {sentence}", file=found["file"], sentence=told) if found and told else None


def _remarks(text: str) -> str | None:
    """Remarks on a series, with semicolons between them."""
    remarks = text.split("; ")
    told = [_known(remark, spoken()) for remark in remarks] if len(remarks) > 1 else [None]
    return None if None in told else _("; ").join(one for one in told if one)


def _told(text: str, patterns: Iterable[_Pattern], *, may_hold_words: bool = False) -> str | None:
    """The translation of exactly this text, None where no message fits it."""
    for pattern in patterns:
        if all(part in text for part in pattern.parts):
            found = re.fullmatch(pattern.expression, text, re.DOTALL)
            filled = _filled(pattern, found.groupdict(), may_hold_words) if found else None
            if filled is not None:
                return filled
    return None


def _filled(pattern: _Pattern, values: Mapping[str, str], may_hold_words: bool) -> str | None:
    """The translation with the values as they were written; phrases among them are told, too.

    None where a value holds several words that nobody knows: then it was another sentence, unless the pattern
    is long enough and the words are no more than a name.
    """
    told = {name: value if name in pattern.quoted else _phrase(value) for name, value in values.items()}
    free = pattern.quoted | pattern.reported if may_hold_words else pattern.quoted
    foreign = _SENTENCE_LIKE if may_hold_words else _SEVERAL_WORDS
    if any(
        told[name] == value and foreign.search(value) for name, value in values.items() if name not in free
    ):
        return None
    fields = _fields(pattern.translation)
    return "".join(literal + (told[name] if name else "") for literal, name, _spec, _how in fields)


def _phrase(value: str) -> str:
    """A value of a sentence: a phrase of ours, a place on the x axis, a list of such, or what it is."""
    place = re.fullmatch(r"([a-z ]+) ([\d,]+)", value)
    if place and place[1] in _NOUNS:
        return _("{noun} {x}", noun=Text(place[1]), x=place[2])
    number = re.fullmatch(r"([\d,]+) ([a-z]+?)s?", value)
    one = f"{{n}} {number[2]}" if number else ""
    if number and catalogue(spoken()).ngettext(one, "", 2):  # else it would be nobody's plural
        return number_of(one, f"{one}s", int(number[1].replace(",", "")), n=number[1])
    known = tr(Text(value)) if "{" not in value else value
    if known != value:
        return known
    told = _told(value, _made(_PHRASES, spoken()), may_hold_words=True)
    if told is None and ", " in value:
        pieces = value.split(", ")
        told_pieces = [_phrase(piece) for piece in pieces]
        told = _(", ").join(told_pieces) if told_pieces != pieces else None
    return told or _known(value, spoken()) or value


@cache
def _patterns(language: str) -> tuple[_Pattern, ...]:
    """The messages that are long enough to be known again, those that say most first."""
    messages: Mapping[str | tuple[str, int], str] = vars(catalogue(language)).get("_catalog", {})
    found = [
        _pattern(key if isinstance(key, str) else key[0], translation)
        for key, translation in messages.items()
    ]
    known = (pattern for pattern in found if pattern.n_letters >= _LEAST_LETTERS)
    return tuple(sorted(known, key=lambda pattern: -pattern.n_letters))


@cache
def _made(messages: tuple[str, ...], language: str) -> tuple[_Pattern, ...]:
    """Patterns of short messages; `n` stands for numbers only."""
    found = [_pattern(message, catalogue(language).gettext(message)) for message in messages]
    return tuple(
        replace(pattern, expression=pattern.expression.replace("(?P<n>.+?)", r"(?P<n>[\d, ]+)"))
        for pattern in found
    )


def _pattern(message: str, translation: str) -> _Pattern:
    try:
        fields = _fields(message)
    except ValueError:  # a message without values may hold braces
        fields = [(message, "", "", "")]
    expression, known, quoted, reported = "", set[str](), set[str](), set[str]()
    following = [*(literal for literal, *_rest in fields[1:]), ""][: len(fields)]
    for (literal, name, _spec, _how), after in zip(fields, following, strict=True):
        expression += re.escape(literal)
        if literal.endswith("`") and after.startswith("`"):
            quoted.add(name)
        if literal.endswith(": "):
            reported.add(name)
        if name:
            expression += f"(?P={name})" if name in known else f"(?P<{name}>.+?)"
            known.add(name)
    parts = tuple(literal for literal, *_rest in fields)
    n_letters = sum(character.isalpha() for part in parts for character in part)
    return _Pattern(parts, expression, translation, frozenset(quoted), frozenset(reported), n_letters)


def _fields(pattern: str) -> list[tuple[str, str, str, str]]:
    """Literal, placeholder, format and conversion of each part of a pattern; "" for what is not there."""
    return [
        (literal, name or "", spec or "", how or "")
        for literal, name, spec, how in Formatter().parse(pattern)
    ]
