"""Learning-rate finders side by side on the example scripts: whose suggestion is near the best LR of a grid?

The grid runs each script unmodified under a linear decay to zero at LRs half a decade apart and takes the
best final score. Then `traindoctor lr-find` drives the same script, and torch-lr-finder and Lightning's
Tuner get the same model, optimizer and loader built here. Run: python -m benchmarks.lr_finders --data FOLDER
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import traindoctor
from traindoctor.collectors.driving.orders import Orders, RangeTest, absolute
from traindoctor.collectors.driving.trials import run_trial
from traindoctor.lr_finding import find_in_script

ROOT = Path(__file__).resolve().parents[1]
NEAR = math.sqrt(10.0)
"""A suggestion is near when it is within this factor (half a decade, x3.2) of the best LR of the grid."""


@dataclass(frozen=True)
class Task:
    """One example script with its data and the LRs of its grid, as powers of the square root of ten."""

    name: str
    arguments: tuple[str, ...]
    lr: float
    steps: int
    grid: tuple[int, int]
    build: Callable[[Path], tuple[nn.Module, Callable[[Any, float], torch.optim.Optimizer], DataLoader[Any]]]

    def command(self, data: Path, seed: int) -> list[str]:
        """The command line of the script."""
        words = [word.replace("DATA", str(data)) for word in self.arguments]
        return [str(ROOT / "examples" / f"{self.name}.py"), *words, "--seed", str(seed)]

    def rates(self) -> list[float]:
        """The LRs of the grid."""
        return [10.0 ** (power / 2) for power in range(self.grid[0], self.grid[1] + 1)]


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _mnist(data: Path) -> Any:
    train, _ = _module("mnist_mlp").load_npz(data / "mnist.npz")
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    loader = DataLoader(Subset(train, range(12_800)), batch_size=64, shuffle=True)
    return model, lambda p, lr: torch.optim.SGD(p, lr=lr), loader


def _cifar(data: Path) -> Any:
    module = _module("cifar10_net")
    train, _ = module.load_npz(data / "cifar10_subset.npz")
    loader = DataLoader(Subset(train, range(6_400)), batch_size=32, shuffle=True)
    return module.Net(), lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9), loader


def _digits(data: Path) -> Any:
    module = _module("digits_cnn")
    x, y, _, _ = module.load_images(None)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    return module.build_model(16, x.shape[-1]), lambda p, lr: torch.optim.AdamW(p, lr=lr), loader


TASKS = (
    Task(
        "mnist_mlp",
        ("--data", "DATA/mnist.npz", "--subset", "12800", "--epochs", "3"),
        0.01, 600, (-4, 1), _mnist,
    ),
    Task(
        "cifar10_net",
        ("--data", "DATA/cifar10_subset.npz", "--subset", "6400", "--epochs", "3", "--batch-size", "32"),
        0.001, 600, (-6, 0), _cifar,
    ),
    Task("digits_cnn", ("--epochs", "6"), 0.002, 270, (-8, -2), _digits),
)  # fmt: skip


def grid_score(task: Task, data: Path, seed: int, peak: float, out: Path) -> float:
    """Final score of one run with linear decay, lower is better: validation loss, or the share of errors."""
    plan = absolute([peak * (1 - step / task.steps) for step in range(task.steps)])
    trial = run_trial(task.command(data, seed), Orders(lr_plan=plan), out=out, name=f"{task.name} {peak:.2g}")
    if trial.failure or trial.steps != task.steps:
        raise SystemExit(f"{task.name} at {peak:.2g}: {trial.failure or f'{trial.steps} steps'}")
    run = traindoctor.load(trial.path)
    losses, accuracies = run.get("loss/validation"), run.get("accuracy/validation")
    if losses is not None:
        value = float(losses.values[-1])
    else:
        assert accuracies is not None
        value = 1.0 - float(accuracies.values[-1])
    return value if math.isfinite(value) else math.inf


def ours(task: Task, data: Path, seed: int) -> float:
    """`traindoctor lr-find -- script`; the script is given more epochs, so that it does not end before."""
    return find_in_script([*task.command(data, seed), "--epochs", "20"], RangeTest()).lr


def torch_lr_finder(task: Task, data: Path, seed: int) -> float:
    """torch-lr-finder: 100 iterations from 1e-7 to 10, the steepest slope, as its plot suggests."""
    from torch_lr_finder import LRFinder

    torch.manual_seed(seed)
    model, optimizer, loader = task.build(data)
    finder = LRFinder(model, optimizer(model.parameters(), 1e-7), nn.CrossEntropyLoss(), device="cpu")
    finder.range_test(loader, end_lr=10, num_iter=100)
    # The rule of its plot(), which would draw: skip 10 points at the start and 5 at the end.
    lrs, losses = finder.history["lr"][10:-5], finder.history["loss"][10:-5]
    return float(lrs[int(np.argmin(np.gradient(np.array(losses))))])


def lightning_tuner(task: Task, data: Path, seed: int) -> float:
    """Lightning's `Tuner.lr_find` at its defaults."""
    import lightning

    torch.manual_seed(seed)
    model, optimizer, loader = task.build(data)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.lr = task.lr
            self.model = model

        def training_step(self, batch: Any) -> Any:
            return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return optimizer(self.model.parameters(), self.lr)

    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=10, accelerator="cpu", logger=False, enable_checkpointing=False,
            default_root_dir=folder,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        found = lightning.pytorch.tuner.Tuner(trainer).lr_find(Module(), loader)
    suggestion = None if found is None else found.suggestion()
    return math.nan if suggestion is None else float(suggestion)


FINDERS = {
    "traindoctor lr-find": ours,
    "torch-lr-finder": torch_lr_finder,
    "Lightning Tuner.lr_find": lightning_tuner,
}


def measured(data: Path, seeds: int, known: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One case per task and seed: the grid, then each finder. What is known already is not run again."""
    for task in TASKS:
        for seed in range(seeds):
            key = f"{task.name} {seed}"
            case = copy.deepcopy(known.get(key, {"task": task.name, "seed": seed, "grid": {}, "found": {}}))
            with tempfile.TemporaryDirectory() as folder:
                for rate in task.rates():
                    if f"{rate:.6g}" not in case["grid"]:
                        case["grid"][f"{rate:.6g}"] = grid_score(task, data, seed, rate, Path(folder))
            for name, find in FINDERS.items():
                if name in case["found"]:
                    continue
                try:
                    case["found"][name] = find(task, data, seed)
                except ImportError as error:
                    print(f"{name}: left out, {error}", file=sys.stderr)
            print(key, case["found"], case["grid"], file=sys.stderr, flush=True)
            yield case


def table(cases: list[dict[str, Any]]) -> str:
    """The table of docs/lr-find.md."""
    lines = [
        "| task, seed | best LR of the grid | " + " | ".join(FINDERS) + " |",
        "|---|---|" + "---|" * len(FINDERS),
    ]
    near = dict.fromkeys(FINDERS, 0)
    for case in cases:
        best = float(min(case["grid"], key=lambda rate: case["grid"][rate]))
        cells = []
        for name in FINDERS:
            found = case["found"].get(name, math.nan)
            ratio = found / best
            is_near = 1 / NEAR * 0.999 <= ratio <= NEAR * 1.001
            near[name] += is_near
            cells.append(
                "none" if math.isnan(found) else f"{found:.3g} (x{ratio:.2g}){'' if is_near else ' **far**'}"
            )
        lines.append(f"| {case['task']}, {case['seed']} | {best:.3g} | " + " | ".join(cells) + " |")
    share = " | ".join(f"{near[name]} of {len(cases)}" for name in FINDERS)
    lines.append(f"| within x3.2 | | {share} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, keep what was measured in a file, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with mnist.npz and cifar10_subset.npz"
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=Path("lr_finders.json"), help="kept between calls")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    known = json.loads(options.results.read_text()) if options.results.exists() else {}
    for case in measured(options.data, options.seeds, known):
        known[f"{case['task']} {case['seed']}"] = case
        options.results.write_text(json.dumps(known, indent=1))
    print(table(list(known.values())))


if __name__ == "__main__":
    main()
