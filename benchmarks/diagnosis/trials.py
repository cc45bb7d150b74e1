"""Which trainings a split consists of, making them (resumable), and loading them with their labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from traindoctor.run import Run

from .configuration import STARTING_LR, Config, draw
from .faults import FaultKind, fault_named, kinds_of
from .storage import load, save
from .training import Outcome, train

CACHE = Path(__file__).parent / ".cache"
FAULTS_PER_DRAW = 2
_HALF_DECADE = math.sqrt(10.0)


@dataclass(frozen=True, eq=False)
class Trial:
    """One recorded training and what is known to be true of it.

    Attributes:
        id: `<draw>-healthy` or `<draw>-<fault kind>`.
        run: what was recorded; says nothing about the fault.
        task: name of its task.
        config: what was trained.
        fault: kind of the injected fault; "" for none, `overfits-by-itself` or `learns-nothing` when the best
            learning rate of the sweep went wrong on its own.
        harmful: False when the fault did not hurt; such trials count for nothing.
        final: validation loss at the end (median of three) as a share of the constant predictor's; inf if
            not finite.
        best: lowest validation loss on the way, same unit.
        healthy_twin: id of the trial of the same draw without the fault.
        held_out: the kind was kept out of tuning.
    """

    id: str
    run: Run
    task: str
    config: Config
    fault: str
    harmful: bool
    final: float
    best: float
    healthy_twin: str
    held_out: bool

    @property
    def healthy(self) -> bool:
        """True when any alarm is a false one."""
        return not self.fault


def is_worse(loss: float, reference: float) -> bool:
    """Whether a validation loss is verifiably worse: by more than 10 % and by more than 0.02 of the constant
    predictor's loss, below which the seed decides. Both in units of the constant predictor's loss. Ours.
    """
    return loss > 1.1 * reference and loss > reference + 0.02


def natural_fault(final: float, best: float) -> str:
    """What went wrong without our doing, by outcome alone; "" when nothing did."""
    if best > 0.9:
        return "learns-nothing"
    return "overfits-by-itself" if is_worse(final, best) else ""


def plan(split: str, n_draws: int) -> Iterator[tuple[int, Config, tuple[FaultKind, ...]]]:
    """The draws of a split with the faults to inject, rarest kinds first; a longer plan only adds."""
    counts: Counter[str] = Counter()
    for index in range(n_draws):
        config = draw(split, index)
        order = np.random.default_rng(config.seed).permutation(len(kinds_of(split)))
        applicable = [kinds_of(split)[i] for i in order if kinds_of(split)[i].applies(config)]
        chosen = tuple(sorted(applicable, key=lambda kind: counts[kind.name])[:FAULTS_PER_DRAW])
        counts.update(kind.name for kind in chosen)
        yield index, config, chosen


def tuned(config: Config) -> Config:
    """The configuration with the best learning rate of a half-decade sweep.

    The sweep is widened until the best lies inside it, to at most seven learning rates; best means the lowest
    final validation loss.
    """
    tried: dict[int, float] = {}

    def final(power: int) -> float:
        if power not in tried:
            lr = STARTING_LR[config.optimizer] * _HALF_DECADE**power
            tried[power] = train(replace(config, lr=lr), stop_early=True).final
        return tried[power]

    best = min((-1, 0, 1), key=final)
    while len(tried) < 7 and (neighbours := {best - 1, best + 1} - set(tried)):
        for power in neighbours:
            final(power)
        best = min(tried, key=lambda power: tried[power])
    return replace(config, lr=STARTING_LR[config.optimizer] * _HALF_DECADE**best)


def generate(split: str, n_draws: int, cache: Path = CACHE, jobs: int = 1) -> None:
    """Makes what is missing of `n_draws` draws that count, `jobs` at a time; progress on a terminal only."""
    console = Console(stderr=True)
    work = [
        (cache / split, index, config, tuple(kind.name for kind in kinds))
        for index, config, kinds in plan(split, n_draws)
    ]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        done = pool.map(_make_draw, work)
        for _ in track(done, f"{split} runs", len(work), console=console, disable=not console.is_terminal):
            pass


def _make_draw(work: tuple[Path, int, Config, tuple[str, ...]]) -> None:
    torch.set_num_threads(1)
    folder, index, config, kinds = work
    make_draw(folder, index, config, tuple(fault_named(kind) for kind in kinds))


def make_draw(folder: Path, index: int, config: Config, kinds: tuple[FaultKind, ...]) -> None:
    """One healthy run and its faulty twins; a draw that goes wrong by itself gets none."""
    path = folder / f"{index:04d}-healthy.npz"
    if not path.exists():
        config = tuned(config)
        _save(path, config, train(config, path.stem, record=True))
    _, facts = load(path)
    if natural_fault(facts["final"], facts["best"]):
        return
    healthy = Config.from_json(facts["config"])
    for kind in kinds:
        path = folder / f"{index:04d}-{kind.name}.npz"
        if not path.exists():
            config = kind.of(healthy, index)
            _save(path, config, train(config, path.stem, record=True))


def _save(path: Path, config: Config, outcome: Outcome) -> None:
    assert outcome.run is not None
    run = replace(outcome.run, id=path.stem[:4], name=config.task)
    save(path, run, {"config": config.to_json(), "final": outcome.final, "best": outcome.best})


def load_trials(split: str, cache: Path = CACHE, n_draws: int = 0) -> list[Trial]:
    """The trials in the cache that count, by draw, healthy twin first; the first `n_draws` draws, 0 for all.

    Raises:
        FileNotFoundError: nothing was generated yet.
    """
    paths = sorted((cache / split).glob("*-healthy.npz"))
    if not paths:
        raise FileNotFoundError(
            f"expected runs of the {split} split in {cache / split}, found none; "
            f"run: python -m benchmarks.diagnosis generate --split {split}"
        )
    held_out = {kind.name for kind in kinds_of("report") if kind.held_out}
    trials: list[Trial] = []
    for path in paths[:n_draws] if n_draws else paths:
        run, facts = load(path)
        final, best = float(facts["final"]), float(facts["best"])
        config = Config.from_json(facts["config"])
        natural = natural_fault(final, best)
        trials.append(
            Trial(path.stem, run, config.task, config, natural, bool(natural), final, best, path.stem, False)
        )
        for faulty in sorted(path.parent.glob(f"{path.stem[:4]}-*.npz")):
            kind = faulty.stem[5:]
            if kind == "healthy":
                continue
            run, facts = load(faulty)
            worse = is_worse(float(facts["final"]), final)
            trials.append(
                Trial(
                    faulty.stem,
                    run,
                    config.task,
                    Config.from_json(facts["config"]),
                    kind,
                    worse,
                    float(facts["final"]),
                    float(facts["best"]),
                    path.stem,
                    kind in held_out,
                )
            )
    return trials
