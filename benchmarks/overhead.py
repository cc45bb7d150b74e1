"""What recording costs: time of a training step with the recorder over the time without, in one process.

Every model is trained in one loop by blocks of steps. In every round there is one plain block at each end
and, in random order between them, one block of recording and of every other tool, so that a slow moment of
the machine hits all of them. The figure is the median over rounds of a block's time per step over the mean of
its round's two plain blocks, with its 95 % interval from the order statistics; CPU time of the training
thread, and wall-clock time.

Samples of the parameter statistics come too rarely to show in a median of short blocks. They are timed apart
(CPU time of the thread), left out of the blocks, and added with their median cost at the cadence that the
recorder has settled on.

    python -m benchmarks.overhead              all models and tools, about ten minutes
    python -m benchmarks.overhead --quick      a third of the rounds
    python -m benchmarks.overhead --alone      recording only
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.overhead_models import MODELS, Training
from benchmarks.overhead_tools import TOOLS, Tool, Traindoctor
from traindoctor.collectors.recorders.governor import HEAD_START_NS

WARM_UP_NS = 4_000_000_000
"""Recorded training before the first round, and until the head start of the statistics is spent."""


LEAST_STEPS = 16
"""And so many steps at least: the governor decides after the first ten."""


class Samples:
    """Times what a recorder spends on samples of the parameter statistics.

    Attributes:
        cpu: CPU time so far, in nanoseconds.
        costs: CPU time of each sample.
    """

    def __init__(self, tool: Tool) -> None:
        self.cpu = 0
        self.wall = 0
        self.costs: list[int] = []
        self.every = 1
        self._start = 0, 0
        self._recorder = tool.recorder if isinstance(tool, Traindoctor) else None
        if isinstance(tool, Traindoctor):
            part: Any = tool.recorder.parameters
            for name in ("before_step", "after_step"):
                setattr(part, name, self._timed(getattr(part, name), begins=name == "before_step"))

    def _timed(self, work: Callable[..., Any], *, begins: bool) -> Callable[..., Any]:
        def timed(track: Any, *args: Any) -> Any:
            began = time.thread_time_ns(), time.perf_counter_ns()
            result = work(track, *args)
            took = time.thread_time_ns() - began[0]
            self.cpu += took
            self.wall += time.perf_counter_ns() - began[1]
            if begins:
                self.costs.append(took)
            else:
                self.costs[-1] += took
            self.every = track.governor.every
            return result

        return timed

    def in_hooks(self) -> tuple[int, int]:
        """Nanoseconds that the recorder says it spent, samples left out, and optimizer steps, both so far."""
        recorder = self._recorder
        return (recorder.spent_ns - self.wall, recorder.steps) if recorder is not None else (0, 0)

    def begin(self) -> None:
        """The warm-up is over."""
        self._start = self.in_hooks()

    def share_in_hooks(self, plain: float) -> float:
        """What a step spent in hooks since then, as a share of a plain step's nanoseconds."""
        (before, first), (now, last) = self._start, self.in_hooks()
        return (now - before) / max(last - first, 1) / plain

    def cost(self) -> float:
        """Median cost of a sample, per step at the last cadence, in nanoseconds of CPU time."""
        ordered = sorted(self.costs[len(self.costs) // 4 :])  # not the first ones, which make the buffers
        return ordered[len(ordered) // 2] / self.every if ordered else 0.0


def block(training: Training, tool: Tool, samples: Samples) -> tuple[float, float]:
    """Time per step of one block, in nanoseconds: CPU time of the thread, and wall-clock time."""
    n = max(1, round(training.n_steps * tool.share))
    look = None if type(tool).look is Tool.look else tool.look
    tool.begin()
    try:
        if training.n_steps > 1:
            training.step(look)  # the first after a change is not the usual one
        before = samples.cpu, samples.wall
        began = time.thread_time_ns(), time.perf_counter_ns()
        for _ in range(n):
            training.step(look)
        cpu, wall = time.thread_time_ns() - began[0], time.perf_counter_ns() - began[1]
    finally:
        tool.end()
    return (cpu - samples.cpu + before[0]) / n, (wall - samples.wall + before[1]) / n


def measure(
    training: Training, tools: list[Tool], n_rounds: int, samples: Samples
) -> tuple[dict[str, tuple[list[float], list[float]]], float]:
    """Ratios (CPU time, wall-clock time) per tool and round, and nanoseconds of CPU time per plain step."""
    plain = Tool(training, Path())
    tools[0].begin()
    until = time.perf_counter_ns() + WARM_UP_NS
    n_done = 0
    while time.perf_counter_ns() < until or sum(samples.costs) < HEAD_START_NS * 1.1 or n_done < LEAST_STEPS:
        training.step(None)
        n_done += 1
    tools[0].end()
    samples.begin()
    order = random.Random(0)
    ratios: dict[str, tuple[list[float], list[float]]] = {tool.name: ([], []) for tool in tools}
    steps: list[float] = []
    for round_number in range(n_rounds):
        first = block(training, plain, samples)
        chosen = [tool for tool in tools if round_number % tool.every == 0]
        took = [(tool, block(training, tool, samples)) for tool in order.sample(chosen, len(chosen))]
        last = block(training, plain, samples)
        for tool, times in took:
            for kept, mine, before, after in zip(ratios[tool.name], times, first, last, strict=True):
                kept.append(2 * mine / (before + after))
        steps += [first[0], last[0]]
    return ratios, sorted(steps)[len(steps) // 2]


def median_interval(values: list[float]) -> tuple[float, float, float]:
    """Median with the order statistics that enclose the true one with at least 95 % confidence."""
    ordered, n = sorted(values), len(values)
    reach = math.ceil(0.98 * math.sqrt(n))
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return middle, ordered[max(0, n // 2 - reach)], ordered[min(n - 1, n // 2 + reach)]


def installed(training: Training, folder: Path, kinds: tuple[type[Tool], ...]) -> list[Tool]:
    """The tools that can be used here; says which cannot, and why."""
    found: list[Tool] = []
    for kind in kinds:
        try:
            found.append(kind(training, folder / kind.__name__))
        except ImportError as error:
            print(f"  {kind.name:36} left out: {error}")
    return found


def report(build: Callable[[], Training], kinds: tuple[type[Tool], ...], n_rounds: int) -> None:
    """Measure one model and print its part of the table."""
    torch.manual_seed(0)
    training = build()
    with tempfile.TemporaryDirectory() as folder:
        tools = installed(training, Path(folder), kinds)
        samples = Samples(tools[0])
        ratios, plain = measure(training, tools, n_rounds, samples)
        extra = samples.cost() / plain
        n = sum(p.numel() for p in training.model.parameters())
        print(f"{training.name}: {n:,} parameters, {plain * 1e-6:.2f} ms of CPU time per plain step")
        for tool in tools:
            added = extra if isinstance(tool, Traindoctor) else 0.0
            cells = [
                f"{m + added:.3f} ({low + added:.3f} to {high + added:.3f})"
                for m, low, high in map(median_interval, ratios[tool.name])
            ]
            print(f"  {tool.name:36} {cells[0]:>24} {cells[1]:>24}", flush=True)
        recorder = tools[0].recorder if isinstance(tools[0], Traindoctor) else None
        for state in recorder.states() if recorder is not None else []:
            for track in state.tracks.values():
                print(
                    f"  of that, samples of the statistics {extra:.4f}: every {samples.every} steps; "
                    f"gradient norm every {track.norm_governor.every}\n"
                    f"  by the recorder's own clock, without samples: {samples.share_in_hooks(plain):.4f}"
                )
        for tool in tools:
            tool.close()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a third of the rounds")
    parser.add_argument("--alone", action="store_true", help="without other tools")
    parser.add_argument("--rounds", type=int, default=30, help="rounds per model")
    parser.add_argument("--threads", type=int, default=1, help="threads torch may use")
    parser.add_argument("--only", default="", help="models whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    n_rounds = options.rounds // 3 if options.quick else options.rounds
    print(f"{'tool':38} {'CPU ratio (95 %)':>24} {'wall ratio (95 %)':>24}")
    for build in MODELS:
        if options.only.lower() in build.__name__:
            report(build, TOOLS[:1] if options.alone else TOOLS, n_rounds)


if __name__ == "__main__":
    main()
