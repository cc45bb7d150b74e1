"""Numbers, durations and names as text: the one place where a value gets its digits and its unit."""

from __future__ import annotations

import math
import re
import unicodedata
from itertools import pairwise

from traindoctor import x_axis
from traindoctor.text import Text

from .language import _, looked_up, number_of, tr

NAME_LIMIT = 120
PROSE_LIMIT = 2000
MISSING = "–"

_TIMES = (
    (86400, Text("{n} d").message),
    (3600, Text("{n} h").message),
    (60, Text("{n} min").message),
    (1, Text("{n} s").message),
)
_UNIT_WORDS = {"fraction", "dimensionless", "", "1/step"}
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def number(value: float | None, digits: int = 4) -> str:
    """`digits` significant digits; scientific below 1e-3 and from 1e6 on; `NaN`, `∞`, `–` for None.

    >>> number(0.48713), number(12345.0), number(3.2e-05), number(float("nan")), number(2)
    ('0.4871', '12,345', '3.2e-5', 'NaN', '2')
    """
    if value is None:
        return MISSING
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return _positional(value, digits)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def _positional(value: float, digits: int) -> str:
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def padded(value: float | None, digits: int = 3) -> str:
    """Like `number`, but keeps trailing zeros so that a column lines up; rates get `digits` decimals.

    >>> padded(0.67), padded(1.0), padded(3e-4), padded(0.0), padded(12.0)
    ('0.670', '1.000', '3.00e-4', '0', '12.0')
    """
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    if 0.01 <= abs(value) <= 1:
        return f"{value:.{digits}f}"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:,.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def count(value: float) -> str:
    """A whole number with thousands separators.

    >>> count(45000)
    '45,000'
    """
    return f"{round(value):,}" if math.isfinite(value) else number(value)


def percent(fraction: float | None, digits: int = 3) -> str:
    r"""A fraction as a percentage; the space before the sign does not break.

    >>> percent(0.87125), percent(1.0), percent(None)
    ('87.1\xa0%', '100\xa0%', '–')
    """
    return MISSING if fraction is None else f"{number(float(fraction) * 100, digits)}\u00a0%"


def quantity(value: float, unit: str) -> str:
    r"""A value with its unit; fractions and shares become percentages, pure numbers stay bare.

    >>> quantity(0.25, "fraction"), quantity(3, "steps"), quantity(0.5, ""), quantity(0.1, "times")
    ('25\xa0%', '3 steps', '0.5', '0.1×')
    >>> quantity(-0.000585, "share of the constant predictor's loss")
    "-0.0585\xa0% of the constant predictor's loss"
    """
    if unit == "fraction":
        return percent(value)
    if unit.startswith("share of "):
        return f"{percent(value)} {looked_up(unit).removeprefix('share ')}"
    if unit in {"s", "seconds"}:
        return duration(value)
    if unit in _UNIT_WORDS or unit == "lr":
        return number(value)
    if unit == "times":
        return f"{number(value)}×"
    unit = name(unit, 40)
    is_whole = float(value).is_integer() if math.isfinite(value) else False
    word = looked_up(unit)
    if value == 1 and unit.isalpha() and word == unit:
        word = unit.removesuffix("s")
    return f"{count(value) if is_whole else number(value)} {word}"


def duration(seconds: float) -> str:
    """Wall-clock time in two units at most.

    >>> duration(0.0123), duration(41.26), duration(125), duration(10320), duration(200000)
    ('12.3 ms', '41.3 s', '2 min 5 s', '2 h 52 min', '2 d 7 h')
    """
    if not math.isfinite(seconds):
        return number(seconds)
    if seconds < 1:
        return _("{n} ms", n=number(seconds * 1000, 3))
    if seconds < 60:
        return _("{n} s", n=number(seconds, 3))
    for (size, big), (small_size, small) in pairwise(_TIMES):
        if seconds >= size:
            rest = int(seconds % size // small_size)
            whole = tr(Text(big, n=int(seconds // size)))
            return f"{whole} {tr(Text(small, n=rest))}" if rest else whole
    raise AssertionError("unreachable: seconds >= 60")


def unit(text: str) -> str:
    """What an x axis counts.

    >>> unit("optimizer steps")
    'optimizer steps'
    """
    return looked_up(name(text, 40))


def span(unit: str, first: int, last: int) -> str:
    """A span of the x axis, both ends inclusive; `unit` is what the axis counts.

    >>> span("optimizer steps", 3, 3), span("epochs", 1, 1999)
    ('step 3', 'epochs 1 to 1,999')
    """
    return tr(x_axis.span(name(unit, 40), count(first), count(last)))


def place(unit: str, x: float) -> str:
    """A point on the x axis.

    >>> place("optimizer steps", 1200), place("epochs", 7)
    ('step 1,200', 'epoch 7')
    """
    return tr(x_axis.place(name(unit, 40), count(x)))


def length(unit: str, n: int) -> str:
    """A stretch of the x axis as a number of its units.

    >>> length("optimizer steps", 1), length("epochs", 2000)
    ('1 step', '2,000 epochs')
    """
    return tr(x_axis.length(name(unit, 40), n, count(n)))


def plural(n: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "check"), plural(2, "check")
    ('1 check', '2 checks')
    """
    return number_of(f"{{n}} {noun}", f"{{n}} {noun}s", n, n=count(n))


def name(text: object, limit: int = NAME_LIMIT) -> str:
    """Foreign text (layer, class, run names) on one line, without control characters, cut in the middle.

    >>> name("a\\x1b[31mb"), name("x" * 200, limit=7)
    ('a�[31mb', 'xxx…xxx')
    """
    line = re.sub(r"\s+", " ", _visible(tr(text) if isinstance(text, str) else str(text), keep="")).strip()
    if len(line) <= limit:
        return line
    head = (limit - 1) // 2
    return f"{line[:head]}…{line[-(limit - 1 - head) :]}"


def prose(text: str, limit: int = PROSE_LIMIT) -> str:
    """Sentences that may quote foreign names: one line, no control characters, cut at the end."""
    line = re.sub(r"\s+", " ", _visible(tr(text), keep="")).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def code(text: str) -> str:
    """Code to paste: line breaks and tabs stay, other control characters become visible."""
    return _visible(text.replace("\r\n", "\n"), keep="\n\t").strip("\n")


def _visible(text: str, keep: str) -> str:
    """Swap what a terminal, a page or an XML parser would act on: controls, separators, bidi overrides."""
    if text.isprintable() and not _BIDI_CONTROLS.intersection(text):
        return text
    return "".join(_shown(character, keep) for character in text)


def _shown(character: str, keep: str) -> str:
    if character in keep:
        return character
    category = unicodedata.category(character)
    if character in "\n\t\r" or category in {"Zl", "Zp"}:
        return " "
    is_noncharacter = (ord(character) & 0xFFFE) == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF
    if category in {"Cc", "Cs"} or is_noncharacter or character in _BIDI_CONTROLS:
        return "\ufffd"
    return character
