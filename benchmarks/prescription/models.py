"""The models of the policy benchmark, written so that `torch.func` can train many copies of them at once."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn


def perceptron(widths: tuple[int, ...], activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    """Linear layers with an activation between them."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1])


def convolutional(side: int, norm: bool = False) -> nn.Module:
    """Two convolutions with stride 2 and a linear layer, for grey images and ten classes."""
    left = math.ceil(math.ceil(side / 2) / 2)
    layers: list[nn.Module] = []
    for before, after in ((1, 8), (8, 16)):
        layers.append(nn.Conv2d(before, after, 3, stride=2, padding=1))
        layers += [nn.BatchNorm2d(after)] if norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * left * left, 10))


class Block(nn.Module):
    """Causal self-attention and a perceptron, each with a residual; LayerNorm before or after them."""

    def __init__(self, width: int, heads: int, norm_first: bool) -> None:
        super().__init__()
        self.heads, self.norm_first = heads, norm_first
        self.projection, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def attention(self, x: Tensor) -> Tensor:
        """Shape (batch, length, width) -> the same; no position sees a later one."""
        length, width = x.shape[-2:]
        size = width // self.heads
        query, key, value = (
            part.unflatten(-1, (self.heads, size)).transpose(-2, -3)
            for part in self.projection(x).chunk(3, dim=-1)
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(size)
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(later, -torch.inf).softmax(dim=-1) @ value
        found: Tensor = self.out(mixed.transpose(-2, -3).flatten(-2))
        return found

    def perceptron(self, x: Tensor) -> Tensor:
        """Shape (..., width) -> the same."""
        found: Tensor = self.down(torch.relu(self.up(x)))
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, length, width) -> the same."""
        for norm, part in zip(self.norms, (self.attention, self.perceptron), strict=True):
            x = x + part(norm(x)) if self.norm_first else norm(x + part(x))
        return x


class CharacterTransformer(nn.Module):
    """Predicts the next character with two blocks."""

    def __init__(self, characters: int, length: int, norm_first: bool, width: int = 24) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.Sequential(*(Block(width, 2, norm_first) for _ in range(2)))
        self.norm = nn.LayerNorm(width) if norm_first else nn.Identity()
        self.out = nn.Linear(width, characters)

    def forward(self, x: Tensor) -> Tensor:
        """Character ids (batch, length) -> logits (batch, length, characters)."""
        found: Tensor = self.out(self.norm(self.blocks(self.embedding(x) + self.position)))
        return found


class CharacterGru(nn.Module):
    """Predicts the next character with a gated recurrent unit (Cho et al. 2014), step by step."""

    def __init__(self, characters: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 16)
        self.inputs, self.state = nn.Linear(16, 3 * width), nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, characters)

    def forward(self, x: Tensor) -> Tensor:
        """Character ids (batch, length) -> logits (batch, length, characters)."""
        parts = self.inputs(self.embedding(x))
        state = torch.zeros_like(parts[..., 0, : self.state.in_features])
        states = []
        for at in range(x.shape[-1]):
            reset_in, update_in, new_in = parts[..., at, :].chunk(3, dim=-1)
            reset_of, update_of, new_of = self.state(state).chunk(3, dim=-1)
            reset, update = torch.sigmoid(reset_in + reset_of), torch.sigmoid(update_in + update_of)
            new = torch.tanh(new_in + reset * new_of)
            state = new + update * (state - new)
            states.append(state)
        found: Tensor = self.out(torch.stack(states, dim=-2))
        return found
