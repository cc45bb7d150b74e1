"""Texts of other tools to numbers: every spelling of NaN and infinity seen in real logs."""

from __future__ import annotations

import math
import re
from typing import Any

NUMBER = (
    r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|NaN|NAN|inf(?:inity)?|Inf(?:inity)?)"
)
"""A number as a regular expression, non-finite spellings included."""

_NON_FINITE = {
    "nan": math.nan,
    "+nan": math.nan,
    "-nan": math.nan,
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
    "infinity": math.inf,
    "+infinity": math.inf,
    "-infinity": -math.inf,
    "1.#inf": math.inf,
    "-1.#inf": -math.inf,
    "-1.#ind": math.nan,
    "1.#qnan": math.nan,
}
_PLAIN = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_TENSOR = re.compile(r"tensor\(\s*([^,)\]]+)[^)]*\)")


def number(value: Any) -> float | None:
    """A recorded number; None for anything that is no number, such as an empty cell.

    NaN and infinity come back as themselves: they were recorded. Texts may carry blanks, a `%` sign (which
    is dropped, not divided by 100) or `tensor(...)` around the number.

    Example:
        >>> number("0.25"), number(" -inf"), number(""), number("tensor(1.5, device='cuda:0')"), number("9%")
        (0.25, -inf, None, 1.5, 9.0)
    """
    if isinstance(value, str):
        return _of_text(value.strip())
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return None


def _of_text(text: str) -> float | None:
    if _PLAIN.fullmatch(text):
        return float(text)
    found = _NON_FINITE.get(text.lower())
    if found is not None:
        return found
    if text.endswith("%") and len(text) < 40:
        return number(text[:-1])
    inside = _TENSOR.fullmatch(text) if text.startswith("tensor(") and len(text) < 200 else None
    return number(inside.group(1)) if inside else None


def numbers_of(row: dict[str, Any]) -> dict[str, float]:
    """The entries of a row that are numbers; texts, lists, objects and empty cells are left out."""
    return {name: found for name, value in row.items() if (found := number(value)) is not None}


def flat(value: Any, prefix: str = "", depth: int = 6) -> dict[str, Any]:
    """A nested object as one level, its keys joined by `/`.

    Example:
        >>> flat({"eval": {"loss": 0.5}, "step": 3})
        {'eval/loss': 0.5, 'step': 3}
    """
    if not isinstance(value, dict) or depth == 0:
        return {prefix: value}
    out: dict[str, Any] = {}
    for key, inner in value.items():
        out.update(flat(inner, f"{prefix}/{key}" if prefix else str(key), depth - 1))
    return out
