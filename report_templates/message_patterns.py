"""Messages of the catalogue as patterns that a sentence of ours fits again, and the values that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from string import Formatter

from .language import catalogue

_LEAST_LETTERS = 12
"""Letters that a pattern must say itself to be known again; a shorter one fits too much."""


@dataclass(frozen=True)
class Pattern:
    """A message and its translation, both still with their placeholders.

    Attributes:
        literals: what the message itself says: before, between and behind its placeholders.
        names: its placeholders in order, one less than literals.
        translation: literal and placeholder ("" for none) of each piece in the language of the page.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]
    translation: tuple[tuple[str, str], ...]

    @cached_property
    def n_letters(self) -> int:
        """Letters that the message says itself."""
        return sum(character.isalpha() for literal in self.literals for character in literal)

    @cached_property
    def quoted(self) -> frozenset[str]:
        """Placeholders between backticks: names of others, never told."""
        around = zip(self.literals, self.names, self.literals[1:], strict=False)
        return frozenset(name for before, name, after in around if before[-1:] == "`" == after[:1])

    @cached_property
    def reported(self) -> frozenset[str]:
        """Placeholders behind a colon: what an error of others says, in any words."""
        around = zip(self.literals, self.names, strict=False)
        return frozenset(name for before, name in around if before.endswith(": "))

    def values_in(self, text: str) -> dict[str, str] | None:
        """Placeholder -> value where the whole text fits, else None; every value is as short as can be.

        In one pass, so that a text of somebody else's making takes no longer than one of ours.
        """
        first, *between = self.literals
        if not self.names:
            return {} if text == first else None
        last = between.pop()
        at, end = len(first), len(text) - len(last)
        if not (text.startswith(first) and text.endswith(last) and at < end):
            return None
        values: dict[str, str] = {}
        for name, literal in zip(self.names, [*between, None], strict=True):
            found = end if literal is None else text.find(literal, at + 1, end)
            value = text[at:found]
            if found <= at or values.setdefault(name, value) != value:
                return None
            at = found + len(literal or "")
        return values

    def told_with(self, values: Mapping[str, str]) -> str:
        """The translation with these values."""
        return "".join(literal + (values[name] if name else "") for literal, name in self.translation)


@cache
def patterns(language: str) -> tuple[Pattern, ...]:
    """The messages that are long enough to be known again, those that say most first."""
    messages: Mapping[str | tuple[str, int], str] = vars(catalogue(language)).get("_catalog", {})
    found = [
        _pattern(key if isinstance(key, str) else key[0], translation)
        for key, translation in messages.items()
    ]
    known = [pattern for pattern in found if pattern.n_letters >= _LEAST_LETTERS]
    return tuple(sorted(known, key=lambda pattern: -pattern.n_letters))


@cache
def patterns_of(messages: tuple[str, ...], language: str) -> tuple[Pattern, ...]:
    """Messages of one's own choice, short ones too."""
    return tuple(_pattern(message, catalogue(language).gettext(message)) for message in messages)


def _pattern(message: str, translation: str) -> Pattern:
    try:
        pieces = _pieces(message)
    except ValueError:  # a message without values may hold braces
        return Pattern((message,), (), ((translation, ""),))
    names = tuple(name for _, name in pieces if name)
    literals = [literal for literal, _ in pieces]
    literals += [""] * (len(names) + 1 - len(literals))
    return Pattern(tuple(literals), names, tuple(_pieces(translation)))


def _pieces(pattern: str) -> list[tuple[str, str]]:
    """Literal and placeholder of each piece of a message; escaped braces do not end a piece."""
    pieces: list[tuple[str, str]] = [("", "")]
    for literal, name, _spec, _how in Formatter().parse(pattern):
        pieces[-1] = (pieces[-1][0] + literal, name or "")
        if name:
            pieces.append(("", ""))
    return pieces
