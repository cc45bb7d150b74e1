"""What recording costs: time of a training step with the recorder over the time without, in one process.

Every model is trained in blocks of steps; in each pair of blocks one is recorded and the other is not, in
random order, so that a slow moment of the machine hits both. The figure is the median over pairs of the ratio
of their times (CPU time of the training thread, and wall-clock time), with its 95% interval from the order
statistics.

    python benchmarks/overhead.py            all models, some minutes
    python benchmarks/overhead.py --quick    fewer pairs
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from traindoctor.collectors.options import RecorderOptions
from traindoctor.collectors.recorders.run_recorder import Recorder

Step = Callable[[], None]


def lenet() -> Step:
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
    return _step(
        model, torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9), torch.randn(4, 3, 32, 32), 10
    )


def mlp() -> Step:
    """784-512-512-10, batches of 64, Adam."""
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return _step(model, torch.optim.Adam(model.parameters(), 1e-4), torch.randn(64, 784), 10)


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


def resnet() -> Step:
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
    return _step(
        model, torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9), torch.randn(16, 3, 32, 32), 10
    )


def transformer() -> Step:
    """Four layers of width 256, batches of 8 sequences of 64 tokens, AdamW with clipping."""
    layer = nn.TransformerEncoderLayer(256, 4, 1024, dropout=0.0, batch_first=True)
    model = nn.Sequential(nn.Embedding(1000, 256), nn.TransformerEncoder(layer, 4), nn.Linear(256, 1000))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)
    tokens = torch.randint(0, 1000, (8, 64))

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, n_classes: int) -> Step:
    """One step of the usual loop over a DataLoader, begun anew when it ends: 250 batches of small models."""
    is_small = inputs.numel() < 1 << 16
    many = inputs.repeat(250, *[1] * (inputs.ndim - 1)) if is_small else inputs
    data = TensorDataset(many, torch.randint(0, n_classes, (len(many),)))
    batches = _endless(DataLoader(data, batch_size=len(inputs), shuffle=True))

    def step() -> None:
        images, labels = next(batches)
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


def _endless(loader: DataLoader[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
    while True:
        yield from loader


MODELS: tuple[tuple[str, Callable[[], Step], int, int], ...] = (
    # name, builder, steps per block, pairs
    ("LeNet, batch 4", lenet, 300, 60),
    ("MLP, batch 64", mlp, 100, 60),
    ("ResNet-18, 32x32, batch 16", resnet, 4, 30),
    ("Transformer 4x256, 8x64", transformer, 8, 40),
)


def measure(
    build: Callable[[], Step], n_steps: int, n_pairs: int, folder: Path
) -> tuple[list[float], list[float], float]:
    """Ratios (CPU time, wall-clock time) of every pair, and milliseconds per step without recording."""
    torch.manual_seed(0)
    step = build()
    recorder = Recorder("overhead", folder, RecorderOptions(), {})
    recorder.install()
    for _ in range(2 * n_steps + 40):
        step()
    order = random.Random(0)
    cpu: list[float] = []
    wall: list[float] = []
    plain: list[float] = []
    for _ in range(n_pairs):
        took: dict[bool, tuple[float, float]] = {}
        for recorded in order.sample((True, False), 2):
            if recorded:
                recorder.install()
            else:
                recorder.uninstall()
            step()
            began = time.thread_time_ns(), time.perf_counter_ns()
            for _ in range(n_steps):
                step()
            took[recorded] = time.thread_time_ns() - began[0], time.perf_counter_ns() - began[1]
        cpu.append(took[True][0] / took[False][0])
        wall.append(took[True][1] / took[False][1])
        plain.append(took[False][0] / n_steps * 1e-6)
    recorder.finish({"status": "finished"})
    recorder.uninstall()
    return cpu, wall, sorted(plain)[n_pairs // 2]


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """Median with the order statistics that enclose the true one with at least 95% confidence."""
    ordered, n = sorted(values), len(values)
    reach = math.ceil(0.98 * math.sqrt(n))
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return middle, ordered[max(0, n // 2 - reach)], ordered[min(n - 1, n // 2 + reach)]


def main() -> None:
    """Print one row per model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a third of the pairs")
    parser.add_argument("--threads", type=int, default=1, help="threads torch may use")
    parser.add_argument("--only", default="", help="models whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{'model':28} {'ms/step':>8} {'CPU ratio (95% interval)':>28} {'wall ratio (95% interval)':>28}")
    for name, build, n_steps, n_pairs in MODELS:
        if options.only.lower() not in name.lower():
            continue
        with tempfile.TemporaryDirectory() as folder:
            pairs = n_pairs // 3 if options.quick else n_pairs
            cpu, wall, plain = measure(build, n_steps, pairs, Path(folder))
        cells = [f"{m:.4f} ({low:.4f} to {high:.4f})" for m, low, high in map(median_interval, (cpu, wall))]
        print(f"{name:28} {plain:8.3f} {cells[0]:>28} {cells[1]:>28}", flush=True)


if __name__ == "__main__":
    main()
