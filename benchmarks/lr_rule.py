"""Where to read the LR off a range test: rule and factor, chosen on twelve small tasks that are no examples.

Each task is trained with linear decay at LRs half a decade apart; then `traindoctor.lr_find` tests it with
100, 200 and 400 steps and two seeds. Kept are log10(half-drop / best) and log10(lowest / best), by which
the rules are compared: median error, and error of each task after removing the median of the others.
Run: python -m benchmarks.lr_rule --results FILE
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import traindoctor

ROOT = Path(__file__).resolve().parents[1]
STEPS = 400
TESTS = (100, 200, 400)
RULES = {"half-drop": 0.0, "geometric mean": 0.5, "lowest loss": 1.0}
"""Weight of the lowest loss, on a logarithmic scale."""

Data = tuple[Tensor, Tensor, Tensor, Tensor]
"""Training inputs and targets, validation inputs and targets."""


@dataclass(frozen=True)
class Task:
    """Data, model, optimizer and loss; `lr` is where the test starts from."""

    data: Callable[[], Data]
    model: Callable[[], nn.Module]
    optimizer: str
    loss: nn.Module

    @property
    def lr(self) -> float:
        """The LR that a script might have."""
        return 0.01 if self.optimizer.startswith("sgd") else 1e-3

    def rates(self) -> list[float]:
        """The LRs of the grid."""
        powers = range(-6, 2) if self.optimizer.startswith("sgd") else range(-9, 0)
        return [10.0 ** (power / 2) for power in powers]

    def make_optimizer(self, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        """The optimizer of a model."""
        makers: dict[str, Callable[[], torch.optim.Optimizer]] = {
            "sgd": lambda: torch.optim.SGD(model.parameters(), lr=lr),
            "sgd momentum": lambda: torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9),
            "adam": lambda: torch.optim.Adam(model.parameters(), lr=lr),
            "adamw": lambda: torch.optim.AdamW(model.parameters(), lr=lr),
        }
        return makers[self.optimizer]()


class CharacterModel(nn.Module):
    """A GRU that predicts the next of 64 characters."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.gru = nn.Embedding(64, 32), nn.GRU(32, 64, batch_first=True)
        self.out = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (batch, 64, length)."""
        scores: Tensor = self.out(self.gru(self.embedding(x))[0]).transpose(1, 2)
        return scores


def mlp(
    inputs: int, outputs: int, width: int = 64, depth: int = 1, act: type[nn.Module] = nn.ReLU
) -> nn.Module:
    """A perceptron."""
    layers: list[nn.Module] = [nn.Linear(inputs, width), act()]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), act()]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _split(x: Tensor, y: Tensor) -> Data:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    n = int(0.8 * len(x))
    return x[order[:n]], y[order[:n]], x[order[n:]], y[order[n:]]


def _table(x: Any, y: Any) -> Data:
    scaled = torch.tensor((x - x.mean(0)) / (x.std(0) + 1e-6), dtype=torch.float32)
    if np.issubdtype(y.dtype, np.integer):
        return _split(scaled, torch.tensor(y))
    return _split(scaled, torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)[:, None])


def _digits() -> Data:
    found = datasets.load_digits()
    return _table(found.data, found.target)


def _images() -> Data:
    found = datasets.load_digits()
    return _split(torch.tensor(found.images / 16, dtype=torch.float32)[:, None], torch.tensor(found.target))


def _itself() -> Data:
    x, _, v, _ = _digits()
    return x, x, v, v


def _text() -> Data:
    text = (ROOT / "docs" / "detectors.md").read_text()[:45_000]
    known = {c: i % 64 for i, c in enumerate(sorted(set(text)))}
    lines = torch.tensor([known[c] for c in text])[: len(text) // 33 * 33].view(-1, 33)
    return lines[:-200, :32], lines[:-200, 1:], lines[-200:, :32], lines[-200:, 1:]


def _five() -> Data:
    return _table(*datasets.make_classification(3000, 30, n_informative=15, n_classes=5, random_state=1))


def _friedman() -> Data:
    return _table(*datasets.make_friedman1(2000, noise=0.5, random_state=0))


def _convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.ReLU(),
        nn.Conv2d(12, 24, 3), nn.BatchNorm2d(24), nn.ReLU(), nn.Flatten(), nn.Linear(24 * 16, 10),
    )  # fmt: skip


def _autoencoder() -> nn.Module:
    widths = (64, 32, 8, 32, 64)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], layers[2], nn.ReLU(), layers[3])


_CLASSES, _SQUARES = nn.CrossEntropyLoss(), nn.MSELoss()
TASKS = {
    "digits, MLP": Task(_digits, lambda: mlp(64, 10), "sgd", _CLASSES),
    "digits, MLP, Adam": Task(_digits, lambda: mlp(64, 10), "adam", _CLASSES),
    "digits, deep tanh": Task(_digits, lambda: mlp(64, 10, 48, 6, nn.Tanh), "sgd momentum", _CLASSES),
    "digits, CNN with BatchNorm": Task(_images, _convolutional, "sgd momentum", _CLASSES),
    "moons": Task(
        lambda: _table(*datasets.make_moons(2000, noise=0.2, random_state=0)),
        lambda: mlp(2, 2, 32, 2),
        "sgd",
        _CLASSES,
    ),
    "five classes": Task(_five, lambda: mlp(30, 5, 64, 2), "sgd momentum", _CLASSES),
    "five classes, AdamW": Task(_five, lambda: mlp(30, 5, 64, 3), "adamw", _CLASSES),
    "Friedman, Adam": Task(_friedman, lambda: mlp(10, 1, 64, 2), "adam", _SQUARES),
    "Friedman": Task(_friedman, lambda: mlp(10, 1, 64, 2), "sgd momentum", _SQUARES),
    "breast cancer": Task(
        lambda: _table(*datasets.load_breast_cancer(return_X_y=True)), lambda: mlp(30, 2, 32), "sgd", _CLASSES
    ),
    "autoencoder": Task(_itself, _autoencoder, "adam", _SQUARES),
    "characters, GRU": Task(_text, CharacterModel, "adamw", _CLASSES),
}


def _loader(data: Data, seed: int) -> DataLoader[Any]:
    order = torch.Generator().manual_seed(seed)
    return DataLoader(TensorDataset(*data[:2]), batch_size=32, shuffle=True, drop_last=True, generator=order)


def final_loss(task: Task, data: Data, peak: float) -> float:
    """Validation loss after linear decay from `peak` to zero."""
    torch.manual_seed(0)
    model = task.model()
    optimizer = task.make_optimizer(model, peak)
    loader, step = _loader(data, 0), 0
    while step < STEPS:
        for x, y in loader:
            if step == STEPS:
                break
            optimizer.param_groups[0]["lr"] = peak * (1 - step / STEPS)
            optimizer.zero_grad()
            task.loss(model(x), y).backward()
            optimizer.step()
            step += 1
    model.eval()
    with torch.no_grad():
        value = float(task.loss(model(data[2]), data[3]))
    return value if math.isfinite(value) else math.inf


def measured(task: Task) -> dict[str, Any]:
    """Best LR of the grid; for each length of the test the errors of half-drop and lowest loss, decades."""
    data = task.data()
    grid = {rate: final_loss(task, data, rate) for rate in task.rates()}
    best = min(grid, key=lambda rate: grid[rate])
    errors: dict[str, list[list[float]]] = {}
    for steps in TESTS:
        for seed in (0, 1):
            torch.manual_seed(seed)
            model = task.model()
            optimizer = task.make_optimizer(model, task.lr)
            found = traindoctor.lr_find(
                model, optimizer, task.loss, _loader(data, seed), steps=steps, repeats=1
            )
            pair = [math.log10(found.half / best), math.log10(found.minimum / best)] if found else []
            errors.setdefault(str(steps), []).append(pair)
    return {"best": best, "errors": errors}


def table(results: dict[str, Any]) -> str:
    """The table of docs/lr-find.md: of the mean of two seeds, in decades."""
    lines = [
        "| steps | rule | median error | rms, median of the others removed | within x3.2 |",
        "|---|---|---|---|---|",
    ]
    for steps in TESTS:
        for rule, weight in RULES.items():
            rows = [[pair for pair in result["errors"][str(steps)] if pair] for result in results.values()]
            points = np.array(
                [np.mean([(1 - weight) * a + weight * b for a, b in row]) for row in rows if row]
            )
            left = np.array([p - np.median(np.delete(points, i)) for i, p in enumerate(points)])
            rms, near = math.sqrt(float(np.mean(left**2))), float(np.mean(np.abs(left) <= 0.501))
            lines.append(f"| {steps} | {rule} | {np.median(points):+.2f} | {rms:.2f} | {near:.0%} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is not in the file yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("lr_rule.json"), help="kept between calls")
    path = parser.parse_args().results
    torch.set_num_threads(1)
    results = json.loads(path.read_text()) if path.exists() else {}
    for name, task in TASKS.items():
        if name not in results:
            results[name] = measured(task)
            print(name, results[name], flush=True)
            path.write_text(json.dumps(results))
    print(table(results))


if __name__ == "__main__":
    main()
