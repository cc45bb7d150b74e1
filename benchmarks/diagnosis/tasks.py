"""Small data sets that need no network, split by task into those for tuning and those for the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import datasets
from torch import Tensor

from . import fresh_tasks, more_tasks, text

Array = NDArray[Any]
SPLITS = ("tune", "review", "second-review", "report")
"""The reviews were the report split until their verdicts were looked at; since then they count as tuning."""

Kind = Literal["tabular", "image", "language", "sequence"]
LossName = Literal[
    "cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "smooth_l1_loss", "l1_loss"
]


@dataclass(frozen=True, eq=False)
class Data:
    """One draw of a task.

    Attributes:
        x_train: shape (n, features), (n, 1, height, width) or (n, length) token ids.
        y_train: class ids (n,) or (n, length), or real targets (n, outputs).
        x_validation: like `x_train`.
        y_validation: like `y_train`.
        n_outputs: width of the model's last layer.
        n_tokens: size of the vocabulary, 0 for inputs that are no tokens.
    """

    x_train: Tensor
    y_train: Tensor
    x_validation: Tensor
    y_validation: Tensor
    n_outputs: int
    n_tokens: int = 0


@dataclass(frozen=True)
class Task:
    """A task: how its data are made, and the loss it is trained with.

    Attributes:
        name: stable name.
        split: one of `SPLITS`; thresholds never see `report`.
        kind: decides which architectures can be drawn.
        loss: name in `torch.nn.functional`.
        make: random generator -> (inputs, targets, number of outputs, number of tokens).
    """

    name: str
    split: str
    kind: Kind
    loss: LossName
    make: Callable[[np.random.Generator], tuple[Array, Array, int, int]]

    def draw(self, seed: int) -> Data:
        """Data for one seed; 30 % (at most 400 samples) validate, tabular inputs are standardised."""
        rng = np.random.default_rng(seed)
        x, y, n_outputs, n_tokens = self.make(rng)
        order = rng.permutation(len(x))
        n_validation = min(400, int(0.3 * len(x)))
        held, kept = order[:n_validation], order[n_validation:]
        if self.kind == "tabular":
            x = (x - x[kept].mean(axis=0)) / (x[kept].std(axis=0) + 1e-8)
        if self.loss in ("mse_loss", "smooth_l1_loss", "l1_loss") and self.name not in AUTOENCODERS:
            y = (y - y[kept].mean(axis=0)) / y[kept].std(axis=0)
        inputs = torch.from_numpy(x).long() if n_tokens else torch.from_numpy(x).float()
        targets = torch.from_numpy(y)
        targets = targets.long() if self.loss == "cross_entropy" else targets.float()
        return Data(inputs[kept], targets[kept], inputs[held], targets[held], n_outputs, n_tokens)


def _columns(y: Array) -> Array:
    return np.asarray(y, dtype=np.float64).reshape(len(y), -1)


def _breast_cancer(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return x, _columns(y), 1, 0


def _wine(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.load_wine(return_X_y=True)
    return x, y, 3, 0


def _iris(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.load_iris(return_X_y=True)
    return x, y, 3, 0


def _diabetes(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.load_diabetes(return_X_y=True)
    return x, _columns(y), 1, 0


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _moons(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.make_moons(1200, noise=float(rng.uniform(0.1, 0.3)), random_state=_seed(rng))
    return x, y, 2, 0


def _rings(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.make_circles(
        1200, noise=float(rng.uniform(0.05, 0.15)), factor=0.5, random_state=_seed(rng)
    )
    return x, y, 2, 0


def _blobs(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    n_classes = int(rng.integers(3, 11))
    spread = float(rng.uniform(1.5, 4.0))
    x, y = datasets.make_blobs(
        1500, 10, centers=n_classes, cluster_std=spread, center_box=(-4, 4), random_state=_seed(rng)
    )
    return x, y, n_classes, 0


def _spirals(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    n_arms = int(rng.integers(2, 5))
    y = rng.integers(n_arms, size=1500)
    radius = np.sqrt(rng.uniform(0.02, 1.0, size=1500))
    angle = 4.0 * radius + 2 * np.pi * y / n_arms
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return x + rng.normal(scale=0.05, size=x.shape), y, n_arms, 0


def _checkerboard(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x = rng.uniform(0, 3, size=(2000, 2))
    y = np.floor(x).astype(int).sum(axis=1) % 2
    flipped = rng.random(2000) < 0.05
    return x, np.where(flipped, 1 - y, y), 2, 0


def _gaussian_mixture(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.make_classification(
        1600, 20, n_informative=8, n_classes=5, class_sep=1.5, flip_y=0.05, random_state=_seed(rng)
    )
    return x, y, 5, 0


def _friedman1(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.make_friedman1(1500, 10, noise=float(rng.uniform(0.5, 2.0)), random_state=_seed(rng))
    return x, _columns(y), 1, 0


def _friedman2(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.make_friedman2(1500, noise=float(rng.uniform(20, 150)), random_state=_seed(rng))
    return x, _columns(y), 1, 0


def _noisy_linear(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x = rng.normal(size=(1500, 16))
    y = x @ rng.normal(size=(16, 2)) + rng.standard_t(3, size=(1500, 2))
    return x, y, 2, 0


def _waves(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x = rng.uniform(-2, 2, size=(1500, 3))
    y = np.sin(2 * x[:, 0]) + 0.5 * np.abs(x[:, 1]) * x[:, 2] + rng.normal(scale=0.2, size=1500)
    return x, _columns(y), 1, 0


def _multilabel(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x, y = datasets.make_multilabel_classification(1500, 20, n_classes=6, n_labels=2, random_state=_seed(rng))
    return x, y.astype(np.float64), 6, 0


def _templates(rng: np.random.Generator, size: int, noise: float) -> tuple[Array, Array, int, int]:
    patterns = rng.normal(size=(8, size, size))
    y = rng.integers(8, size=1600)
    shifts = rng.integers(-1, 2, size=(1600, 2))
    images = np.stack([np.roll(patterns[c], tuple(s), axis=(0, 1)) for c, s in zip(y, shifts, strict=True)])
    return (images + rng.normal(scale=noise, size=images.shape))[:, None], y, 8, 0


def _templates8(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    return _templates(rng, 8, float(rng.uniform(0.6, 1.2)))


def _templates12(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    return _templates(rng, 12, float(rng.uniform(1.0, 2.0)))


def _bars(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    y, place = rng.integers(2, size=1400), rng.integers(8, size=1400)
    images = rng.normal(scale=0.7, size=(1400, 1, 8, 8))
    for image, upright, at in zip(images, y, place, strict=True):
        image[0, :, at] += upright
        image[0, at, :] += 1 - upright
    return images, y, 2, 0


def _shapes(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    plus, box, cross = np.zeros((5, 5)), np.ones((5, 5)), np.eye(5)
    plus[2], plus[:, 2], box[1:4, 1:4] = 1, 1, 0
    stamps = [plus, box, np.maximum(cross, cross[::-1]), np.tri(5)]
    y, corner = rng.integers(4, size=1400), rng.integers(6, size=(1400, 2))
    images = rng.normal(scale=0.6, size=(1400, 1, 10, 10))
    for image, which, (row, column) in zip(images, y, corner, strict=True):
        image[0, row : row + 5, column : column + 5] += stamps[which]
    return images, y, 4, 0


def _low_rank(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    x = np.tanh(rng.normal(size=(1400, 4)) @ rng.normal(size=(4, 24))) + rng.normal(
        scale=0.1, size=(1400, 24)
    )
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x, x, 24, 0


def _sine_curves(rng: np.random.Generator) -> tuple[Array, Array, int, int]:
    time = np.linspace(0, 1, 32)
    frequency, phase = rng.uniform(1, 3, size=(1400, 1)), rng.uniform(0, 2 * np.pi, size=(1400, 1))
    x = np.sin(2 * np.pi * frequency * time + phase) + rng.normal(scale=0.15, size=(1400, 32))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return x, x, 32, 0


AUTOENCODERS = ("low-rank-autoencoder", "sine-autoencoder", "staircase-autoencoder", "bump-autoencoder")

TASKS: tuple[Task, ...] = (
    Task("breast-cancer", "tune", "tabular", "binary_cross_entropy_with_logits", _breast_cancer),
    Task("moons", "tune", "tabular", "cross_entropy", _moons),
    Task("blobs", "tune", "tabular", "cross_entropy", _blobs),
    Task("checkerboard", "tune", "tabular", "cross_entropy", _checkerboard),
    Task("friedman1", "tune", "tabular", "mse_loss", _friedman1),
    Task("noisy-linear", "tune", "tabular", "smooth_l1_loss", _noisy_linear),
    Task("low-rank-autoencoder", "tune", "tabular", "mse_loss", _low_rank),
    Task("templates-8", "tune", "image", "cross_entropy", _templates8),
    Task("bars", "tune", "image", "cross_entropy", _bars),
    Task("sentences", "tune", "language", "cross_entropy", text.sentences),
    Task("majority", "tune", "sequence", "cross_entropy", text.majority),
    Task("wine", "review", "tabular", "cross_entropy", _wine),
    Task("iris", "review", "tabular", "cross_entropy", _iris),
    Task("diabetes", "review", "tabular", "mse_loss", _diabetes),
    Task("spirals", "review", "tabular", "cross_entropy", _spirals),
    Task("rings", "review", "tabular", "cross_entropy", _rings),
    Task("gaussian-mixture", "review", "tabular", "cross_entropy", _gaussian_mixture),
    Task("friedman2", "review", "tabular", "mse_loss", _friedman2),
    Task("waves", "review", "tabular", "l1_loss", _waves),
    Task("multilabel", "review", "tabular", "binary_cross_entropy_with_logits", _multilabel),
    Task("sine-autoencoder", "review", "tabular", "mse_loss", _sine_curves),
    Task("templates-12", "review", "image", "cross_entropy", _templates12),
    Task("shapes", "review", "image", "cross_entropy", _shapes),
    Task("sums", "review", "language", "cross_entropy", text.sums),
    Task("brackets", "review", "sequence", "cross_entropy", text.brackets),
    Task("quantiles", "second-review", "tabular", "cross_entropy", more_tasks.quantiles),
    Task("hastie", "second-review", "tabular", "cross_entropy", more_tasks.hastie),
    Task("sign-parity", "second-review", "tabular", "cross_entropy", more_tasks.sign_parity),
    Task("overlapping-tails", "second-review", "tabular", "cross_entropy", more_tasks.overlapping_tails),
    Task("friedman3", "second-review", "tabular", "mse_loss", more_tasks.friedman3),
    Task("swiss-roll", "second-review", "tabular", "mse_loss", more_tasks.swiss_roll),
    Task("sparse-linear", "second-review", "tabular", "mse_loss", more_tasks.sparse_linear),
    Task("projectile", "second-review", "tabular", "smooth_l1_loss", more_tasks.projectile),
    Task("thresholds", "second-review", "tabular", "binary_cross_entropy_with_logits", more_tasks.thresholds),
    Task("staircase-autoencoder", "second-review", "tabular", "mse_loss", more_tasks.staircases),
    Task("digits", "second-review", "image", "cross_entropy", more_tasks.digits),
    Task("gratings", "second-review", "image", "cross_entropy", more_tasks.gratings),
    Task("walks", "second-review", "language", "cross_entropy", more_tasks.walks),
    Task("repeats", "second-review", "sequence", "cross_entropy", more_tasks.repeats),
    Task("triage", "report", "tabular", "binary_cross_entropy_with_logits", fresh_tasks.triage),
    Task("topics", "report", "tabular", "cross_entropy", fresh_tasks.topics),
    Task("triangles", "report", "tabular", "cross_entropy", fresh_tasks.triangles),
    Task("loudest", "report", "tabular", "cross_entropy", fresh_tasks.loudest),
    Task("rents", "report", "tabular", "mse_loss", fresh_tasks.rents),
    Task("doses", "report", "tabular", "mse_loss", fresh_tasks.doses),
    Task("robot-arm", "report", "tabular", "smooth_l1_loss", fresh_tasks.robot_arm),
    Task("tariffs", "report", "tabular", "l1_loss", fresh_tasks.tariffs),
    Task("alarms", "report", "tabular", "binary_cross_entropy_with_logits", fresh_tasks.alarms),
    Task("bump-autoencoder", "report", "tabular", "mse_loss", fresh_tasks.bumps),
    Task("spots", "report", "image", "cross_entropy", fresh_tasks.spots),
    Task("clocks", "report", "image", "cross_entropy", fresh_tasks.clocks),
    Task("ladders", "report", "language", "cross_entropy", fresh_tasks.ladders),
    Task("marked", "report", "sequence", "cross_entropy", fresh_tasks.marked),
)


def tasks_of(split: str) -> tuple[Task, ...]:
    """The tasks of one split, in a fixed order."""
    return tuple(task for task in TASKS if task.split == split)


def task_named(name: str) -> Task:
    """The task of that name."""
    return next(task for task in TASKS if task.name == name)


def constant_loss(targets: Tensor, loss: str) -> float:
    """Loss of the best constant predictor on `targets`, the yardstick of every size."""
    if loss == "cross_entropy":
        share = torch.bincount(targets.flatten()).double() / targets.numel()
        return float(-(share[share > 0] * share[share > 0].log()).sum())
    y = targets.double()
    if loss == "binary_cross_entropy_with_logits":
        rate = y.mean(dim=0).clamp(1e-9, 1 - 1e-9)
        return float(-(rate * rate.log() + (1 - rate) * (1 - rate).log()).mean())
    if loss == "mse_loss":
        return float(y.var(dim=0, unbiased=False).mean())
    deviation = (y - y.median(dim=0).values).abs()
    if loss == "l1_loss":
        return float(deviation.mean())
    return float(torch.where(deviation < 1, 0.5 * deviation**2, deviation - 0.5).mean())
