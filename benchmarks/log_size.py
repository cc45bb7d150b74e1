"""How large a log grows: bytes per step of recording at default settings, for an MLP and ResNet-18 on 32x32.

The first steps are recorded one by one and the model is described once; the growth is taken from the steps
after them and multiplied to 10^5 steps, which the tables of docs/reliability.md state.

    python -m benchmarks.log_size              both, about ten minutes
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.overhead_models import MODELS, Training
from benchmarks.overhead_tools import Traindoctor
from traindoctor.collectors.importers.native import read_run

STEPS = {"MLP": 12000, "ResNet-18": 300}
"""Steps that are recorded, by the beginning of the model's name. The first third is not counted: it holds the
head start of the statistics."""


def grown(training: Training, n_steps: int) -> tuple[int, float, int]:
    """Bytes at the end, bytes per step after the first third, and steps between the last two samples."""
    with tempfile.TemporaryDirectory() as folder:
        tool = Traindoctor(training, Path(folder))
        first = n_steps // 3
        tool.begin()
        for _ in range(first):
            training.step(None)
        before = size(Path(folder))
        for _ in range(n_steps - first):
            training.step(None)
        tool.end()
        tool.close()
        after = size(Path(folder))
        samples = next(iter(read_run(Path(folder) / "run").parameter("weight_norm").values())).steps
        return after, (after - before) / (n_steps - first), int(samples[-1] - samples[-2])


def size(folder: Path) -> int:
    """Bytes of all logs below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.tdlog"))


def main() -> None:
    """Print a row per model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0, metavar="X", help="X times as many steps")
    share = parser.parse_args().share
    torch.set_num_threads(1)
    print("| model | parameters | steps | every | bytes/step | 10^5 steps |\n|---|---|---|---|---|---|")
    for build in MODELS:
        training = build()
        for name, steps in STEPS.items():
            if training.name.startswith(name):
                n_steps = round(steps * share)
                _, per_step, every = grown(training, n_steps)
                n_parameters = len(list(training.model.parameters()))
                print(
                    f"| {training.name} | {n_parameters} tensors | {n_steps} | {every} | {per_step:.0f} "
                    f"| {per_step / 10:.1f} MB |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
