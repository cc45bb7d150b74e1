"""Data sets of the split `second-review`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

Array = NDArray[Any]
Sample = tuple[Array, Array, int, int]
"""Inputs, targets, number of outputs, number of tokens (0: the inputs are no tokens)."""


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def quantiles(rng: np.random.Generator) -> Sample:
    """Shells of a Gaussian ball in six dimensions."""
    n_classes = int(rng.integers(2, 5))
    x, y = datasets.make_gaussian_quantiles(
        n_samples=1500, n_features=6, n_classes=n_classes, random_state=_seed(rng)
    )
    return x, y, n_classes, 0


def hastie(rng: np.random.Generator) -> Sample:
    """Whether ten squared normals sum to more than their median; some labels flipped."""
    x, y = datasets.make_hastie_10_2(1800, random_state=_seed(rng))
    flipped = rng.random(1800) < float(rng.uniform(0.0, 0.1))
    labels = (y > 0).astype(int)
    return x, np.where(flipped, 1 - labels, labels), 2, 0


def sign_parity(rng: np.random.Generator) -> Sample:
    """Parity of the signs of two inputs among six, which no single input tells anything about."""
    x = rng.normal(size=(1600, 6))
    return x, ((x[:, 0] * x[:, 1]) > 0).astype(int), 2, 0


def overlapping_tails(rng: np.random.Generator) -> Sample:
    """Classes of unequal size around centres, with Student's t noise of three degrees."""
    y = rng.choice(4, size=1500, p=[0.4, 0.3, 0.2, 0.1])
    centres = rng.normal(scale=1.5, size=(4, 8))
    return centres[y] + rng.standard_t(3, size=(1500, 8)), y, 4, 0


def friedman3(rng: np.random.Generator) -> Sample:
    """Phase of an alternating-current circuit."""
    x, y = datasets.make_friedman3(1500, noise=float(rng.uniform(0.05, 0.2)), random_state=_seed(rng))
    return x, y.reshape(-1, 1), 1, 0


def swiss_roll(rng: np.random.Generator) -> Sample:
    """Position along a rolled sheet from its three coordinates."""
    x, y = datasets.make_swiss_roll(1500, noise=float(rng.uniform(0.1, 0.8)), random_state=_seed(rng))
    return x, y.reshape(-1, 1), 1, 0


def sparse_linear(rng: np.random.Generator) -> Sample:
    """Four of twenty inputs matter."""
    x, y = datasets.make_sparse_uncorrelated(1500, 20, random_state=_seed(rng))
    return x, y.reshape(-1, 1), 1, 0


def projectile(rng: np.random.Generator) -> Sample:
    """Range and height of a throw from its speed and angle, measured with heavy-tailed errors."""
    speed, angle = rng.uniform(5, 20, size=1500), rng.uniform(0.1, 1.4, size=1500)
    y = np.stack([speed**2 * np.sin(2 * angle), (speed * np.sin(angle)) ** 2 / 2], axis=1) / 9.81
    return np.stack([speed, angle], axis=1), y + rng.standard_t(3, size=y.shape), 2, 0


def thresholds(rng: np.random.Generator) -> Sample:
    """Four yes-no questions, each about a noisy projection of twelve inputs."""
    x = rng.normal(size=(1500, 12))
    scores = np.tanh(x @ rng.normal(size=(12, 4))) + rng.normal(scale=0.3, size=(1500, 4))
    return x, (scores > np.array([-0.5, 0.0, 0.3, 0.8])).astype(np.float64), 4, 0


def staircases(rng: np.random.Generator) -> Sample:
    """Step functions of two heights, to be told again."""
    place, heights = rng.integers(4, 20, size=(1400, 1)), rng.normal(size=(1400, 2))
    x = np.where(np.arange(24) < place, heights[:, :1], heights[:, 1:])
    x = x + rng.normal(scale=0.1, size=x.shape)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x, x, 24, 0


def digits(rng: np.random.Generator) -> Sample:
    """Handwritten digits of 8 x 8 pixels."""
    x, y = datasets.load_digits(return_X_y=True)
    return x.reshape(-1, 1, 8, 8) / 8.0 - 1.0, y, 10, 0


def gratings(rng: np.random.Generator) -> Sample:
    """Direction of a wave of random phase and length in noise."""
    y, phase = rng.integers(6, size=1400), rng.uniform(0, 2 * np.pi, size=(1400, 1, 1))
    angle, length = (np.pi * y / 6).reshape(-1, 1, 1), rng.uniform(3, 6, size=(1400, 1, 1))
    row, column = np.mgrid[0:10, 0:10]
    wave = np.sin(2 * np.pi * (column * np.cos(angle) + row * np.sin(angle)) / length + phase)
    return (wave + rng.normal(scale=0.5, size=wave.shape))[:, None], y, 6, 0


def walks(rng: np.random.Generator) -> Sample:
    """Next token of a chain in which each pair of tokens has its own odds."""
    odds = rng.dirichlet(np.full(6, 0.3), size=(6, 6)).cumsum(axis=-1)
    stream = [0, 1]
    for u in rng.random(700 * 17):
        stream.append(min(5, int(np.searchsorted(odds[stream[-2], stream[-1]], u))))
    windows = np.array(stream[: 700 * 17]).reshape(700, 17)
    return windows[:, :-1], windows[:, 1:], 6, 6


def repeats(rng: np.random.Generator) -> Sample:
    """Whether the last of ten tokens occurred before."""
    x = rng.integers(8, size=(1500, 10))
    fresh = rng.random(1500) < 0.3
    x[fresh, :-1] = np.where(x[fresh, :-1] == x[fresh, -1:], (x[fresh, :-1] + 1) % 8, x[fresh, :-1])
    return x, (x[:, :-1] == x[:, -1:]).any(axis=1).astype(int), 2, 8
