"""Asking a fresh Python about this installation: it may fail or crash without harm to who asks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["ok", "note", "problem"]

SECONDS = 120.0
"""Longest time of one check; importing torch from a cold network disk takes a while."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what, in one or two words.
        state: `problem` means that something traindoctor does will not work here.
        found: what was found, in one line.
        advice: what to do about it; "" when nothing needs doing.
    """

    name: str
    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Answer:
    """What a probe printed, or why it failed (last line of its error)."""

    facts: dict[str, Any]
    failure: str


def ask(code: str, **variables: str) -> Answer:
    """Run code in a fresh Python that prints one JSON object; it may crash without harm."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TRAINDOCTOR_DISABLE": "1", **variables},
        )
    except subprocess.TimeoutExpired:
        return Answer({}, f"no answer within {SECONDS:.0f} s")
    if done.returncode == 0:
        return Answer(json.loads(done.stdout.splitlines()[-1]), "")
    lines = done.stderr.strip().splitlines() or [f"ended by code {done.returncode}"]
    return Answer({}, lines[-1][:300])
