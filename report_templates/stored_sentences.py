"""Sentences that a file brought back in plain English, in the language of the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache

from traindoctor.text import SENTENCE_END, Text
from traindoctor.x_axis import NOUNS

from .language import _, catalogue, number_of, spoken, tr
from .message_patterns import Pattern, patterns, patterns_of

_ENOUGH_LETTERS = 16
"""With so many a sentence is known even where a value holds words of others: a path, an error."""
_SEVERAL_WORDS = re.compile(r"[A-Za-z]{2,}[^A-Za-z]+ [A-Za-z]{2,}|[A-Za-z]{2,} [A-Za-z]{2,}")
_SENTENCE_LIKE = re.compile(r"[:;] |[.!?] +[A-Z]|\b[a-z]+(?: [a-z]+){4}")
_LONGEST = 2000
"""Characters; what is longer was not written by us."""
_MOST_READINGS = 150
"""Comparisons with the whole catalogue for one text; a text that needs more is made to."""
_DEEPEST = 4
"""Sentences within sentences: a file, its note, the fact that was left out, what it should have been."""
_PLACE = re.compile(
    r"(?P<sentence>.+) \((?:(?P<n>\d+) times(?:, first )?)?(?:at (?P<what>line|byte) (?P<at>\d+))?\)",
    re.DOTALL,
)
"""What `Logbook.sentences` puts behind a note."""
_OF_FILE = re.compile(r"(?P<file>\S*\.\S+): (?P<sentence>.+)", re.DOTALL)
"""A note of one of several files."""
_NOUNS = {noun: noun for pair in NOUNS.values() for noun in pair}
_SHORT = (
    Text("sum of {parts}", parts="").message,
    Text("captured from {function}", function="").message,
    Text("study `{name}`: {n_states} trials ({counts})", name="", n_states="", counts="").message,
    Text("cannot read {name}: {error}", name="", error="").message,
    Text("cannot fetch {address}: {type}: {error}", address="", type="", error="").message,
    Text("no YAML: {type}", type="").message,
)
"""Few letters, but nothing else is written so."""
_PHRASES = (
    Text("{names} and {n} more", names="", n="").message,
    Text("{names} and others", names="").message,
    Text("mean of {function}", function="").message,
    Text("rank {n}", n="").message,
    Text("ranks {n}", n="").message,
    Text("{n} complete", n="").message,
    Text("{n} pruned", n="").message,
    Text("{n} fail", n="").message,
    Text("{n} running", n="").message,
    Text("{n} waiting", n="").message,
)
"""Few letters: known as values of a sentence that is known; `n` stands for numbers only."""


def told_again(text: str) -> str:
    """What one of our own sentences, or several in a row, say in the language of the page.

    A prescription.json or a log holds sentences as they were written: in English, with their numbers filled
    in. Each is compared with the messages of the catalogue, as many sentences at once as fit one message.
    What fits none stays as it is: somebody else may have written it.
    """
    if isinstance(text, Text) or spoken() == "en" or not text.strip() or len(text) > _LONGEST:
        return tr(text)
    return _told(text.strip(), spoken()) or text


@lru_cache(maxsize=4096)
def _told(text: str, language: str) -> str | None:
    return _Reading(language).told(text)


@cache
def _long_patterns(language: str) -> tuple[Pattern, ...]:
    long = (pattern for pattern in patterns(language) if pattern.n_letters >= _ENOUGH_LETTERS)
    return (*long, *patterns_of(_SHORT, language))


class _Reading:
    """One text being compared with the catalogue, in a bounded number of comparisons."""

    def __init__(self, language: str) -> None:
        self._patterns = patterns(language)
        self._long = _long_patterns(language)
        self._phrases = patterns_of(_PHRASES, language)
        self._left = _MOST_READINGS
        self._depth = 0

    def told(self, text: str) -> str | None:
        """The translation of a whole text in whatever way it is put together; None: a part is not known."""
        if self._depth >= _DEEPEST:
            return None
        self._depth += 1
        try:
            word = _word(text) if _SEVERAL_WORDS.search(text) else None
            ways = (self._placed, self._exactly, self._sentences, self._of_file, self._remarks)
            found = word or next((told for way in ways if (told := way(text)) is not None), None)
            return found or self._fitting(text, self._long, may_hold_words=True)
        finally:
            self._depth -= 1

    def _exactly(self, text: str) -> str | None:
        return self._fitting(text, self._patterns)

    def _placed(self, text: str) -> str | None:
        """A note with how often it was written, and where first."""
        found = _PLACE.fullmatch(text)
        if found is None or not (found["n"] or found["what"]):
            return None
        told, n, at = self.told(found["sentence"]), found["n"], found["at"]
        if told is None:
            return None
        if not found["what"]:
            return _("{sentence} ({n} times)", sentence=told, n=n)
        place = _("line {at}", at=at) if found["what"] == "line" else _("byte {at}", at=at)
        if not n:
            return _("{sentence} (at {place})", sentence=told, place=place)
        return _("{sentence} ({n} times, first at {place})", sentence=told, n=n, place=place)

    def _sentences(self, text: str) -> str | None:
        """Several sentences, as many at once as fit one message."""
        sentences = SENTENCE_END.split(text)
        told: list[str] = []
        while sentences:
            for n in range(len(sentences), 0, -1):
                found = self._exactly(" ".join(sentences[:n]))
                if found is not None:
                    told.append(found)
                    del sentences[:n]
                    break
            else:
                return None  # half a text in each language is worse than all of it in one
        return "".join(one if one.endswith("。") else f"{one} " for one in told).strip()

    def _of_file(self, text: str) -> str | None:
        found = _OF_FILE.fullmatch(text)
        told = self.told(found["sentence"]) if found else None
        return _("{file}: {sentence}", file=found["file"], sentence=told) if found and told else None

    def _remarks(self, text: str) -> str | None:
        """Remarks on a series, with semicolons between them."""
        told: list[str] = []
        for remark in text.split("; ") if "; " in text else ():
            known = self.told(remark)
            if known is None:
                return None
            told.append(known)
        return _("; ").join(told) if told else None

    def _fitting(
        self, text: str, candidates: Iterable[Pattern], *, may_hold_words: bool = False
    ) -> str | None:
        """The translation of exactly this text, None where no message fits it."""
        if self._left <= 0:
            return None
        self._left -= 1
        for pattern in candidates:
            values = pattern.values_in(text)
            filled = self._filled(pattern, values, may_hold_words) if values is not None else None
            if filled is not None:
                return filled
        return None

    def _filled(self, pattern: Pattern, values: Mapping[str, str], may_hold_words: bool) -> str | None:
        """The translation with the values as they were written; phrases among them are told, too.

        None where a value holds several words that nobody knows: then it was another sentence, unless the
        pattern is long enough and the words are no more than a name.
        """
        quoted = pattern.quoted
        free = quoted | pattern.reported if may_hold_words else quoted
        is_foreign = _is_sentence_like if may_hold_words else _SEVERAL_WORDS.search
        told: dict[str, str] = {}
        for name, value in values.items():
            told[name] = value if name in quoted else self._phrase(value)
            if told[name] == value and name not in free and is_foreign(value):
                return None
        return pattern.told_with(told)

    def _phrase(self, value: str) -> str:
        """A value of a sentence: a phrase of ours, a list of such, a sentence, or what it is."""
        known = _place_or_number(value) or _word(value) or self._few_words(value)
        if known is None and ", " in value:
            pieces = value.split(", ")
            told = [_place_or_number(one) or _word(one) or self._few_words(one) or one for one in pieces]
            known = _(", ").join(told) if told != pieces else None
        return known or self.told(value) or value

    def _few_words(self, value: str) -> str | None:
        for pattern in self._phrases:
            values = pattern.values_in(value)
            if values is not None and re.fullmatch(r"[\d, ]+", values.get("n", "0")):
                names = values.get("names", "")
                return pattern.told_with({**values, "names": self._few_words(names) or names})
        return None


def _word(text: str) -> str | None:
    """A message without values."""
    told = tr(Text(text)) if "{" not in text else text
    return told if told != text else None


def _place_or_number(value: str) -> str | None:
    """A place on the x axis or a number of something."""
    place = re.fullmatch(r"([a-z ]+) ([\d,]+)", value)
    if place and place[1] in _NOUNS:
        return _("{noun} {x}", noun=Text(place[1]), x=place[2])
    number = re.fullmatch(r"([\d,]*\d[\d,]*) ([a-z]+?)s?", value)
    one = f"{{n}} {number[2]}" if number else ""
    if number and catalogue(spoken()).ngettext(one, "", 2):  # else it would be nobody's plural
        return number_of(one, f"{one}s", int(number[1].replace(",", "")), n=number[1])
    return None


def _is_sentence_like(value: str) -> bool:
    """Whether a value says more than a name or a list of names does; what stands in quotes is a name."""
    is_quoted = value[:1] in ("'", '"') and value[:1] == value[-1:]
    return not is_quoted and _SENTENCE_LIKE.search(value) is not None
