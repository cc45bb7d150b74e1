"""The trainings whose overhead is measured: one step each of the usual loop, with a place for other tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

Look = Callable[[Tensor], None]
"""Called with the loss between backward and the optimizer's step, where gradients are looked at."""


@dataclass
class Training:
    """A model in training.

    Attributes:
        step: one optimizer step; what it is given looks at the gradients.
        n_steps: steps per block, about a third of a second.
    """

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: Callable[[Look | None], None]
    n_steps: int


def lenet() -> Training:
    """Two convolutions and three linear layers, batches of 4 pictures of 32x32, SGD with momentum."""
    model = nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    return _training("LeNet, batch 4", model, optimizer, torch.randn(1000, 3, 32, 32), 4, 100)


def mlp() -> Training:
    """784-512-512-10, batches of 64, Adam."""
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-4)
    return _training("MLP, batch 64", model, optimizer, torch.randn(4096, 784), 64, 40)


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = (
            nn.Conv2d(n_in, n_out, 1, stride, bias=False) if stride != 1 or n_in != n_out else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """One residual block."""
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


def resnet() -> Training:
    """Eighteen layers in four stages of two blocks, batches of 16 pictures of 32x32, SGD with momentum."""
    widths = (64, 128, 256, 512)
    blocks: list[nn.Module] = []
    for n_in, n_out in zip((64, *widths), widths, strict=False):
        blocks += [Block(n_in, n_out, 1 if n_in == n_out else 2), Block(n_out, n_out, 1)]
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3, 1, 1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(512, 10),
    )
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    return _training("ResNet-18, 32x32, batch 16", model, optimizer, torch.randn(160, 3, 32, 32), 16, 1)


class Predictor(nn.Module):
    """The next token at every position, from a transformer with causal attention."""

    def __init__(self, n_tokens: int, width: int, depth: int, length: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, 6, 4 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.tokens = nn.Embedding(n_tokens, width)
        self.body = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, n_tokens)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores, shape (batch * length, n_tokens)."""
        hidden = self.body(self.tokens(tokens), mask=self.mask, is_causal=True)
        scores: Tensor = self.head(hidden).flatten(0, 1)
        return scores


def transformer() -> Training:
    """Eight layers of width 384 (15 million parameters), batches of 8 sequences of 64 tokens, AdamW."""
    model = Predictor(1000, 384, 8, 64)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    tokens = torch.randint(0, 1000, (160, 65))
    batches = _endless(DataLoader(TensorDataset(tokens), batch_size=8, shuffle=True))

    def step(look: Look | None) -> None:
        (batch,) = next(batches)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[:, :-1]), batch[:, 1:].flatten())
        loss.backward()
        if look is not None:
            look(loss)
        optimizer.step()

    return Training("Transformer 8x384, 8x64", model, optimizer, step, 1)


def _training(
    name: str, model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, size: int, n_steps: int
) -> Training:
    data = TensorDataset(inputs, torch.randint(0, 10, (len(inputs),)))
    batches = _endless(DataLoader(data, batch_size=size, shuffle=True))

    def step(look: Look | None) -> None:
        images, labels = next(batches)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        if look is not None:
            look(loss)
        optimizer.step()

    return Training(name, model, optimizer, step, n_steps)


def _endless(loader: DataLoader[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
    while True:
        yield from loader


MODELS: tuple[Callable[[], Training], ...] = (lenet, mlp, resnet, transformer)
