"""Sentences that can be told in another language: an English text that remembers how it was made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from gettext import NullTranslations
from string import Formatter
from typing import Any

SENTENCE_END = re.compile(r"(?<=[^\d\s][.!?])\s+(?=[A-Z(])|(?<=\d[.!?])\s+(?=[A-Z(])|(?<=[。！？])\s*(?=\S)")
"""Where one sentence ends and the next begins, in English and in Chinese."""

_NONE, _ONE, _ROW = "", "{a}", "{a}{b}"
"""Patterns without words, which no catalogue holds."""


class _Format(Formatter):
    """`str.format`, with a space that does not break before the percent sign, as everywhere in a report."""

    def format_field(self, value: Any, format_spec: str) -> str:
        shown: str = super().format_field(value, format_spec)
        return f"{shown[:-1]}\u00a0%" if format_spec.endswith("%") else shown


_FORMAT = _Format()


class Text(str):
    """English text made of a message and values; as a `str` it is the English sentence, nothing else.

    A renderer that speaks another language asks for `told_by(catalogue)`. Values that are texts themselves
    are told in that language as well; numbers keep the format that the message gives them.

    Attributes:
        message: the English pattern with named placeholders, the key of the catalogue.
        values: placeholder -> value.
        plural: the pattern for a number other than one, "" where none is needed.
        n: the number that decides between the two.

    Example:
        >>> text = Text("the loss fell to {level:.2g} at {place}", level=0.123, place=Text("the end"))
        >>> str(text), text.message
        ('the loss fell to 0.12 at the end', 'the loss fell to {level:.2g} at {place}')
        >>> str(Text("{share:.0%} of the run", share=0.5))
        '50\\xa0% of the run'
    """

    message: str
    values: Mapping[str, Any]
    plural: str
    n: int

    def __new__(cls, message: str, plural: str = "", n: int = 1, /, **values: Any) -> Text:
        """A message without values may hold braces."""
        pattern = plural if plural and n != 1 else message
        made = super().__new__(cls, _FORMAT.vformat(pattern, (), values) if values else pattern)
        made.message, made.values, made.plural, made.n = message, values, plural, n
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str, str, int], dict[str, Any]]:
        """What a copy is made from."""
        return (self.message, self.plural, self.n), dict(self.values)

    def __add__(self, other: str) -> Text:
        """Two texts in a row, each still to be told in any language."""
        return Text(_ROW, a=self, b=other) if other else self

    def __radd__(self, other: str) -> Text:
        return Text(_ROW, a=other, b=self) if other else self

    def told_by(self, catalogue: NullTranslations) -> str:
        """The text in the language of a catalogue; English where the catalogue does not know the message."""
        pattern = self.message
        if pattern not in (_NONE, _ONE, _ROW):
            pattern = (
                catalogue.ngettext(pattern, self.plural, self.n)
                if self.plural
                else catalogue.gettext(pattern)
            )
        if not self.values:
            return pattern
        told = {
            name: value.told_by(catalogue) if isinstance(value, Text) else value
            for name, value in self.values.items()
        }
        return _FORMAT.vformat(pattern, (), told)


class Opening(Text):
    """The first sentence of a text, in whatever language the whole is told."""

    def __new__(cls, whole: str, plural: str = "", n: int = 1, /) -> Opening:
        """The English first sentence, with its full stop; there is no plural."""
        made = super().__new__(cls, first_sentence(str(whole)))
        assert isinstance(made, Opening)
        made.values = {"whole": whole}
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str, str, int], dict[str, Any]]:
        """What a copy is made from."""
        return (self.values["whole"], "", 1), {}

    def told_by(self, catalogue: NullTranslations) -> str:
        """The first sentence of the whole as that language has it."""
        whole = self.values["whole"]
        return first_sentence(whole.told_by(catalogue) if isinstance(whole, Text) else whole)


def first_sentence(text: str) -> str:
    """The first sentence of a text, with its full stop.

    Example:
        >>> first_sentence("Loss rises by 0.3. It had been falling."), first_sentence("损失上升。后来下降。")
        ('Loss rises by 0.3.', '损失上升。')
    """
    return SENTENCE_END.split(text.strip(), maxsplit=1)[0]


def counted(singular: str, plural: str, n: int, /, **values: Any) -> Text:
    """A text whose pattern depends on a number, which both patterns may name as `{n}`.

    Example:
        >>> str(counted("{n} seed", "{n} seeds", 1)), str(counted("{n} seed", "{n} seeds", 3))
        ('1 seed', '3 seeds')
    """
    return Text(singular, plural, n, **{"n": n, **values})


def joined(separator: str, parts: Iterable[str]) -> Text:
    """Like `separator.join(parts)`; the separator may be a text, too.

    Example:
        >>> str(joined(Text(" and "), ["a", Text("b")]))
        'a and b'
    """
    kept = list(parts)
    made = Text(_ONE, a=kept[0]) if kept else Text(_NONE)
    for part in kept[1:]:
        made = made + separator + part
    return made
