"""Fifteen small tasks of the policy benchmark: data that scikit-learn bundles, MNIST, three generated sets.

The halves were drawn up before any result was seen: what may ever be changed in the policy may be chosen on
`tune` only, `report` is for the report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import sklearn
import torch
from sklearn import datasets
from torch import Tensor, nn

from .models import CharacterGru, CharacterTransformer, convolutional, perceptron

LENGTH = 8
"""Characters in a sample of text."""

HELD_OUT = 400
"""Most samples that validate."""

LINES_HELD_OUT = 96
"""Lines of text that validate."""

Optimizer = Literal["SGD", "momentum", "Adam", "AdamW"]
CENTRE: dict[Optimizer, float] = {"SGD": 0.1, "momentum": 0.0316, "Adam": 0.00316, "AdamW": 0.00316}
"""Middle of the grid of learning rates, of each optimizer."""


@dataclass(frozen=True, eq=False)
class Data:
    """Training and validation samples; targets are class ids, token ids or real numbers."""

    x: Tensor
    y: Tensor
    x_held: Tensor
    y_held: Tensor


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes:
        name: stable name.
        half: `tune` or `report`.
        make: the data.
        model: builds the model; seed torch before.
        optimizer: which one.
        steps: optimizer steps of a full run.
        batch: samples per step.
        loss: `cross_entropy` or `mse_loss` of `torch.nn.functional`.
        is_long: whether it is part of the slice at four times the horizon.
    """

    name: str
    half: Literal["tune", "report"]
    make: Callable[[], Data]
    model: Callable[[], nn.Module]
    optimizer: Optimizer
    steps: int = 400
    batch: int = 32
    loss: Literal["cross_entropy", "mse_loss"] = "cross_entropy"
    is_long: bool = False

    def loss_of(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss; text is taken character by character."""
        if self.loss == "cross_entropy" and output.dim() == 3:
            output, target = output.flatten(0, 1), target.flatten()
        value: Tensor = getattr(nn.functional, self.loss)(output, target)
        return value

    def build(self, seed: int) -> nn.Module:
        """The model as that seed begins with it."""
        torch.manual_seed(seed)
        return self.model()


def _split(x: Any, y: Any, n_train: int | None = None) -> Data:
    """Shuffled by a fixed seed; a fifth, at most HELD_OUT, validates; `n_train` of the rest train."""
    order = np.random.default_rng(0).permutation(len(x))
    held, rest = np.split(order, [min(HELD_OUT, len(x) // 5)])
    inputs, targets = torch.as_tensor(x), torch.as_tensor(y)
    inputs = inputs.float() if inputs.is_floating_point() else inputs.long()
    targets = targets.float() if targets.is_floating_point() else targets.long()
    kept = rest[:n_train]
    return Data(inputs[kept], targets[kept], inputs[held], targets[held])


def _table(x: Any, y: Any, n_train: int | None = None) -> Data:
    """Standardised columns; real targets are standardised as well."""
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    if not np.issubdtype(y.dtype, np.integer):
        y = ((y - y.mean(0)) / y.std(0)).reshape(len(y), -1)
    return _split(x, y, n_train)


@cache
def _digits() -> Data:
    return _split(*_bundled(datasets.load_digits(), 16.0))


@cache
def _digit_images() -> Data:
    flat = _digits()
    return Data(flat.x.view(-1, 1, 8, 8), flat.y, flat.x_held.view(-1, 1, 8, 8), flat.y_held)


def _bundled(found: Any, unit: float) -> tuple[Any, Any]:
    return found.data / unit, found.target


@cache
def _reconstruction() -> Data:
    flat = _digits()
    return Data(flat.x, flat.x, flat.x_held, flat.x_held)


@cache
def _few_shot() -> Data:
    return _split(*_bundled(datasets.load_digits(), 16.0), n_train=60)


@cache
def _breast_cancer() -> Data:
    return _table(*datasets.load_breast_cancer(return_X_y=True))


@cache
def _diabetes() -> Data:
    return _table(*datasets.load_diabetes(return_X_y=True))


@cache
def _friedman() -> Data:
    return _table(*datasets.make_friedman1(1600, noise=1.0, random_state=0))


@cache
def _five_classes() -> Data:
    return _table(
        *datasets.make_classification(2000, 20, n_informative=10, n_classes=5, flip_y=0.05, random_state=0)
    )


@cache
def _ill_conditioned() -> Data:
    """Least squares whose columns are 1 to 1/30 in size, with noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 20)) * np.logspace(0, -1.5, 20)
    y = x @ (rng.normal(size=20) / np.logspace(0, -1.5, 20)) + rng.normal(size=1500)
    return _split(x, (y / y.std()).reshape(-1, 1))


@cache
def _text() -> Data:
    """Lines of LENGTH characters of scikit-learn's descriptions of its data; the next one is asked for."""
    folder = Path(sklearn.__file__).parent / "datasets" / "descr"
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.rst"))).lower()
    common = "".join(c for c in map(chr, range(128)) if c.isalnum() and not c.isupper()) + " .,()-:'\n"
    ids = np.array([common.index(c) for c in text if c in common])
    lines = ids[: len(ids) // (LENGTH + 1) * (LENGTH + 1)].reshape(-1, LENGTH + 1)
    found = _split(lines[:, :-1], lines[:, 1:])
    return Data(found.x, found.y, found.x_held[:LINES_HELD_OUT], found.y_held[:LINES_HELD_OUT])


CHARACTERS = 45


def mnist(folder: Path) -> Data:
    """2,000 images of MNIST, every second pixel.

    Raises:
        FileNotFoundError: there is no `mnist.npz` in the folder.
    """
    with np.load(folder / "mnist.npz") as arrays:
        x, y = arrays["x_train"][:2400, ::2, ::2], arrays["y_train"][:2400]
    return _split(x[:, None] / 255.0, y.astype(np.int64))


def tasks(folder: Path) -> tuple[Task, ...]:
    """All tasks; `folder` holds mnist.npz, without which its task cannot make its data."""
    regression: Any = "mse_loss"
    narrow, deep = (64, 32, 8, 32, 64), (64, *(32,) * 5, 10)

    def image(norm: bool = False) -> nn.Module:
        return convolutional(8, norm)

    return (
        Task("digits, MLP", "tune", _digits, lambda: perceptron((64, 32, 10)), "SGD", is_long=True),
        Task("digits, CNN", "report", _digit_images, image, "Adam", 300),
        Task("digits, CNN with BatchNorm", "tune", _digit_images, lambda: image(True), "momentum", 300),
        Task("digits, autoencoder", "report", _reconstruction, lambda: perceptron(narrow), "Adam",
             loss=regression),
        Task("friedman, regression", "tune", _friedman, lambda: perceptron((10, 48, 1)), "momentum",
             loss=regression, is_long=True),
        Task("diabetes, regression", "report", _diabetes, lambda: perceptron((10, 32, 1)), "Adam",
             loss=regression, is_long=True),
        Task("breast cancer, tabular", "report", _breast_cancer, lambda: perceptron((30, 24, 2)), "SGD",
             is_long=True),
        Task("ill-conditioned, linear", "tune", _ill_conditioned, lambda: nn.Linear(20, 1), "momentum",
             loss=regression),
        Task("digits, few-shot", "tune", _few_shot, lambda: perceptron((64, 32, 10)), "Adam", 300, 20,
             is_long=True),
        Task("digits, deep tanh", "report", _digits, lambda: perceptron(deep, nn.Tanh), "momentum",
             is_long=True),
        Task("five classes, tabular", "tune", _five_classes, lambda: perceptron((20, 48, 48, 5)), "AdamW"),
        Task("MNIST, CNN", "report", lambda: mnist(folder), lambda: convolutional(14), "momentum", 300),
        Task("text, pre-norm transformer", "report", _text,
             lambda: CharacterTransformer(CHARACTERS, LENGTH, True), "AdamW", 200, 8),
        Task("text, post-norm transformer", "tune", _text,
             lambda: CharacterTransformer(CHARACTERS, LENGTH, False), "Adam", 200, 8),
        Task("text, GRU", "report", _text, lambda: CharacterGru(CHARACTERS), "Adam", 200, 8),
    )  # fmt: skip
