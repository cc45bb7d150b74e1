"""What it costs to read the network off the autograd graph, once per run: time, memory, share of first step.

Each model is trained for one recorded step, several times; the time is all that the recorder does about the
network at the first backward call. The last model exceeds the most nodes that are looked at.

    python -m benchmarks.network_walk          about a minute; needs torchvision
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn
from torchvision.models import resnet50  # type: ignore[import-untyped]

import traindoctor
from benchmarks.overhead_models import lenet
from traindoctor.collectors.recorders.network import NetworkRecorder, describe_graph, root_nodes
from traindoctor.run import NetworkInfo


class Encoder(nn.Module):
    """A transformer encoder of 12 layers over 32 tokens."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
        self.embedding = nn.Embedding(100, 64)
        self.body = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores, shape (n, 10)."""
        scores: Tensor = self.head(self.body(self.embedding(x.long()))[:, 0])
        return scores


class Unrolled(nn.Module):
    """A GRU cell called in a loop, so that the graph grows with the sequence."""

    def __init__(self, n_calls: int) -> None:
        super().__init__()
        self.n_calls = n_calls
        self.cell = nn.GRUCell(8, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores, shape (n, 10)."""
        state = torch.zeros(len(x), 8)
        for _ in range(self.n_calls):
            state = self.cell(x, state)
        scores: Tensor = self.head(state)
        return scores


MODELS: tuple[tuple[str, Callable[[], nn.Module], tuple[int, ...]], ...] = (
    ("LeNet", lambda: lenet().model, (4, 3, 32, 32)),
    ("ResNet-50", lambda: resnet50(num_classes=10), (2, 3, 64, 64)),
    ("transformer, 12 layers", Encoder, (4, 32)),
    ("GRU cell, 500 calls", lambda: Unrolled(500), (4, 8)),
    ("GRU cell, 3000 calls", lambda: Unrolled(3000), (4, 8)),
)


def first_step(model: nn.Module, shape: tuple[int, ...]) -> tuple[float, float]:
    """Milliseconds of the recorder's work on the network, and of the whole first step."""
    spent: list[float] = []
    begins = NetworkRecorder.backward_begins

    def timed(self: NetworkRecorder, *given: Any) -> None:
        began = time.perf_counter()
        begins(self, *given)
        spent.append(1e3 * (time.perf_counter() - began))

    NetworkRecorder.backward_begins = timed  # type: ignore[method-assign]
    try:
        optimizer = torch.optim.SGD(model.parameters(), 1e-3)
        with tempfile.TemporaryDirectory() as folder, traindoctor.watch(model, optimizer, out=Path(folder)):
            began = time.perf_counter()
            loss_of(model, shape).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            whole = 1e3 * (time.perf_counter() - began)
    finally:
        NetworkRecorder.backward_begins = begins  # type: ignore[method-assign]
    return spent[0], whole


def loss_of(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """The loss of one batch."""
    return F.cross_entropy(model(torch.rand(shape)), torch.randint(0, 10, shape[:1]))


def walked(model: nn.Module, shape: tuple[int, ...]) -> tuple[NetworkInfo, float]:
    """What was seen, and the peak of Python's memory meanwhile in KiB."""
    roots = root_nodes(loss_of(model, shape))
    tracemalloc.start()
    found = describe_graph(roots, None)
    peak = tracemalloc.get_traced_memory()[1] / 1024
    tracemalloc.stop()
    return found, peak


def main() -> None:
    """Print a row per model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=9, metavar="N", help="repetitions, of which the median")
    times = parser.parse_args().times
    torch.set_num_threads(1)
    print("| model | operations | whole | time | of the first step | memory |\n|---|---|---|---|---|---|")
    for name, build, shape in MODELS:
        found, peak = walked(build(), shape)
        steps = [first_step(build(), shape) for _ in range(times)]
        spent, share = (
            statistics.median(column) for column in zip(*((t, t / w) for t, w in steps), strict=True)
        )
        print(
            f"| {name} | {sum(found.operations.values())} | {'yes' if found.is_whole else 'no'} "
            f"| {spent:.2f} ms | {share:.1%} | {peak:.0f} KiB |"
        )


if __name__ == "__main__":
    main()
