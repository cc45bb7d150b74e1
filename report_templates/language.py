"""The language a report is written in: catalogues beside the templates, one language at a time."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Any

from traindoctor.errors import UsageError
from traindoctor.text import Text, counted

LANGUAGES: Mapping[str, str] = {"en": "en", "zh": "zh-Hans"}
"""What can be asked for -> the tag in HTML. English needs no catalogue."""
_FOLDERS = {"zh": "zh_Hans"}
_DOMAIN = "traindoctor"
_SPOKEN: ContextVar[str] = ContextVar("language", default="en")


@contextmanager
def speaking(language: str) -> Generator[None]:
    """Build and draw pages in a language.

    Raises:
        UsageError: it is none of LANGUAGES.
    """
    if language not in LANGUAGES:
        raise UsageError(f"expected a language out of {', '.join(LANGUAGES)}, found {language!r}")
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def spoken() -> str:
    """The language of the page that is being made, one of LANGUAGES."""
    return _SPOKEN.get()


def language_tag() -> str:
    """The language as HTML and PDF name it."""
    return LANGUAGES[spoken()]


@cache
def catalogue(language: str) -> NullTranslations:
    """The messages of one language; English is its own."""
    if language not in _FOLDERS:
        return NullTranslations()
    path = files(__package__ or "traindoctor.report_templates").joinpath("locale", _FOLDERS[language])
    return GNUTranslations(io.BytesIO(path.joinpath("LC_MESSAGES", f"{_DOMAIN}.mo").read_bytes()))


def tr(text: str) -> str:
    """A text in the language of the page; what is no `Text` is somebody's name and stays as it is."""
    return text.told_by(catalogue(spoken())) if isinstance(text, Text) else text


def _(message: str, /, **values: Any) -> str:
    """A message of ours with its values, in the language of the page."""
    return tr(Text(message, **values))


def number_of(singular: str, plural: str, n: int, /, **values: Any) -> str:
    """A message that depends on a number, in the language of the page."""
    return tr(counted(singular, plural, n, **values))


def looked_up(word: str) -> str:
    """One of our own words that reached the page as plain text (names of evidence, units, methods)."""
    return tr(Text(word)) if word else word


def evidence_name(name: str) -> str:
    """What a number of the evidence is called."""
    return tr(name) if isinstance(name, Text) else looked_up(name.replace("_", " "))


WORDS: Mapping[str, Any] = {"_": _, "number_of": number_of, "language_tag": language_tag}
"""What templates call."""
