"""What is left of a JSON document whose end is missing."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 50
MAX_BRACKETS = 500_000
MAX_ENTRY = 1 << 20

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(rf'(?:[^\[\]{{}}"]++|{_STRING})++|[\[\]{{}}"]', re.DOTALL)
_STRINGS = re.compile(_STRING, re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}


def salvaged(text: str) -> Any:
    """The document up to its last whole entry, None when it is not merely cut.

    Example:
        >>> salvaged('{"history": [{"loss": 0.5}, {"loss": 0.4')
        {'history': [{'loss': 0.5}, {}]}
    """
    open_ones = [""]  # what closes everything that is open, per level
    end, closing = 0, ""
    for count, match in enumerate(_TOKEN.finditer(text)):
        token = match[0]
        if token == '"':
            break
        if token in _CLOSING:
            open_ones.append(_CLOSING[token] + open_ones[-1])
        elif token in ("]", "}"):
            if not open_ones.pop().startswith(token) or len(open_ones) < 2:
                return None
        else:
            comma = _last_comma(token) if _is_last(match, text) else -1
            end, closing = (match.start() + comma, open_ones[-1]) if comma >= 0 else (end, closing)
            continue
        if count > MAX_BRACKETS or len(open_ones) > MAX_DEPTH:
            return None
        end, closing = match.end(), open_ones[-1]
    try:
        return json.loads(text[:end] + closing) if end else None
    except (ValueError, RecursionError):
        return None


def _is_last(match: re.Match[str], text: str) -> bool:
    return match.end() == len(text) or text[match.end()] == '"'


def _last_comma(token: str) -> int:
    """Where the last entry of a level ends: what stands behind its comma may be cut; -1 for none."""
    if len(token) > MAX_ENTRY:
        return -1
    return _STRINGS.sub(lambda string: " " * len(string[0]), token).rfind(",")
