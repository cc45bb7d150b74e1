"""Token sequences made by small grammars: character-level language modelling and sequence classification."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Sample = tuple[Array, Array, int, int]

_LENGTH = 16


def _language_model(words: list[str], n_samples: int) -> Sample:
    stream = "".join(words)
    alphabet = {letter: index for index, letter in enumerate(sorted(set(stream)))}
    ids = np.array([alphabet[letter] for letter in stream])
    windows = ids[: n_samples * (_LENGTH + 1)].reshape(n_samples, _LENGTH + 1)
    return windows[:, :-1], windows[:, 1:], len(alphabet), len(alphabet)


def sentences(rng: np.random.Generator) -> Sample:
    """Next-character prediction on sentences with agreement between determiner and noun."""
    nouns = [("a", "fox"), ("a", "mill"), ("the", "rivers"), ("the", "pens"), ("a", "lamp"), ("the", "hills")]
    verbs = ["meets", "paints", "follows", "hears"]
    words: list[str] = []
    length = 0
    while length < 900 * (_LENGTH + 1):
        (one, subject), (two, thing) = nouns[rng.integers(6)], nouns[rng.integers(6)]
        words.append(f"{one} {subject} {verbs[rng.integers(4)]} {two} {thing}. ")
        length += len(words[-1])
    return _language_model(words, 900)


def sums(rng: np.random.Generator) -> Sample:
    """Next-character prediction on additions of one-digit numbers, `3+9=12;`."""
    pairs = rng.integers(10, size=(900 * _LENGTH // 4, 2))
    return _language_model([f"{a}+{b}={a + b};" for a, b in pairs], 900)


def majority(rng: np.random.Generator) -> Sample:
    """Which of three tokens a sequence of twelve holds most often."""
    favourite = rng.integers(3, size=1500)
    weights = np.where(np.arange(3) == favourite[:, None], 0.5, 0.25)
    x = np.stack([rng.choice(3, size=12, p=p) for p in weights])
    return x, favourite, 3, 3


def brackets(rng: np.random.Generator) -> Sample:
    """Whether a walk of opening and closing tokens ever falls below its start."""
    x = rng.choice(2, size=(1500, 12), p=[0.38, 0.62])
    return x, (np.cumsum(2 * x - 1, axis=1).min(axis=1) < 0).astype(int), 2, 2
