"""How the best learning rate of a short run lies to that of a full one, on the tune half of the tasks.

At a fifth of the steps the sweep expects x1.5 with SGD and x2.2 with any other optimizer. Needs the grids of
the policy benchmark; missing ones are trained. From the repository root:
python -m benchmarks.prescription.horizon
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch

from traindoctor.analyzer.schedule.sweep import SHARE, short_schedule

from .measure import Measurement
from .store import Store
from .tasks import tasks
from .training import Request

PLACES = range(-6, 7)
"""Quarter decades around the best rate of the full run."""

SEEDS = (10, 11)


def best_short(measured: Measurement) -> float:
    """Factor of the best rate of a short run over the best of a full one, over two seeds."""
    steps = round(SHARE * measured.steps)
    asked = {
        place: [
            Request(short_schedule(measured.best_lr * 10 ** (place / 4), steps), seed, measured.every)
            for seed in SEEDS
        ]
        for place in PLACES
    }
    measured.store.make([request for requests in asked.values() for request in requests])
    levels = {
        place: float(np.mean([math.log(measured.store.result(request).final) for request in requests]))
        for place, requests in asked.items()
    }
    return float(10 ** (min(levels, key=lambda place: levels[place]) / 4))


def main() -> None:
    """Print one line per task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/datasets"))
    parser.add_argument("--work", type=Path, default=Path("build/prescription"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for task in tasks(options.data):
        if task.half == "tune":
            found = best_short(Measurement(Store(task, task.make(), options.work)))
            print(
                f"{task.name}: best rate of {SHARE:.0%} of the steps is x{found:.2g} that of all", flush=True
            )


if __name__ == "__main__":
    main()
