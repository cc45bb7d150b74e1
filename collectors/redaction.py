"""Keeps secrets out of what is recorded: flags, URLs, known token prefixes and random-looking strings."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

MARK = "[redacted]"

_SECRET_WORD = re.compile(
    r"(?:^|[-_.])(?:api[-_]?)?(?:key|keys|token|tokens|secret|secrets|auth|authorization|cred|creds|credentials?"
    r"|bearer|pat|pwd)(?:$|[-_.=])|passw|secret|apikey|accesskey|privatekey|credential",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?P<name>[+~-]{0,2}[A-Za-z_][\w./-]*)(?P<sign>=)(?P<value>.+)", re.DOTALL)
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^/?#\s@]+)@")
_QUERY = re.compile(r"(?P<name>[?&;](?P<word>[^=&#;\s]+)=)(?P<value>[^&#;\s]+)")
_HEADER = re.compile(r"(?i)\b(authorization\s*:\s*(?:bearer|basic|token)?\s*|bearer\s+)\S+")
_PREFIXED = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{8,}|hf_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{8,}|github_pat_\w{8,}|glpat-[\w-]{8,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|xox[a-z]-[\w-]{6,}|AIza[\w-]{20,}|wandb_v1_\w{8,}|npm_[A-Za-z0-9]{16,}"
    r"|pypi-[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)"
)
_COUNTABLE = re.compile(r"(?:^|[-_.])(?:key|token)s?(?:$|[-_.])", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def redact(text: str) -> str:
    """`text` without credentials in URLs and headers, tokens of known prefix and random-looking words."""
    text = _URL.sub(lambda m: f"{m['scheme']}{MARK}@", text)
    text = _QUERY.sub(lambda m: f"{m['name']}{MARK}" if _SECRET_WORD.search(m["word"]) else m[0], text)
    text = _HEADER.sub(lambda m: f"{m[1]}{MARK}", text)
    text = _PREFIXED.sub(MARK, text)
    return _WORD.sub(lambda m: MARK if _looks_random(m[0]) else m[0], text)


def redact_command(argv: Sequence[str]) -> list[str]:
    """A command line without secrets.

    The value of a flag whose name speaks of a key, token, secret, password, authorisation or credential goes,
    as `--flag=value`, `--flag value` and `name=value`; everything else passes through `redact`.
    """
    out: list[str] = []
    flag = ""
    for word in argv:
        is_flag = word.startswith("-") and len(word) > 1 and not _is_number(word)
        named = _NAME.fullmatch(word)
        if flag and not is_flag and _is_secret(flag, word):
            out.append(MARK)
        elif named and _is_secret(named["name"], named["value"]):
            out.append(f"{named['name']}={MARK}")
        else:
            out.append(redact(word))
        flag = word.lstrip("-") if is_flag and "=" not in word else ""
    return out


def _is_secret(name: str, value: str) -> bool:
    """Whether the name of a flag speaks of a secret; `--max-tokens 512` and `--keys 3` count things."""
    if not _SECRET_WORD.search(name):
        return False
    is_count = _is_number(value) and len(value) <= 10
    return not (is_count and not _SECRET_WORD.search(_COUNTABLE.sub("-", name)))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _looks_random(word: str) -> bool:
    """Whether a word of 20 or more characters carries too much entropy for a name, a path or a number."""
    if _UUID.fullmatch(word) or word.isdigit():
        return False
    if re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", word):
        return len(word) >= 32 and _entropy(word) > 3.0 and len(word) != 40
    kinds = sum(bool(re.search(kind, word)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    changes = sum(_kind(a) != _kind(b) for a, b in pairwise(word))
    return kinds == 3 and _entropy(word) > 3.5 and changes >= len(word) / 4


def _kind(character: str) -> int:
    return 0 if character.isdigit() else 1 if character.isupper() else 2 if character.islower() else 3


def _entropy(word: str) -> float:
    """Shannon entropy of the characters, bits per character."""
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)
