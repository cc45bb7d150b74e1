"""How long a diagnosis takes and what memory it needs, for 10^4 to 10^6 steps and 200 parameters.

    python -m benchmarks.large_runs                 # the table of docs/accuracy.md
    python -m benchmarks.large_runs --steps 10000   # one size

Each size runs in a process of its own, so that the peak memory is that of one diagnosis: the interpreter, the
run itself and all that the checks need. A run has the series of every step that the recorder writes (loss,
learning rate, gradient norm, duration, epoch), a hundred evaluations and nine statistics of 200 matrices at
2000 sampled steps, which is what the recorder's thinning keeps of a long run.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import click
import numpy as np

from traindoctor.analyzer.engine import diagnose
from traindoctor.run import Floats, OptimizerInfo, ParameterInfo, Run, RunInfo, Series

SIZES = (10_000, 100_000, 1_000_000)
N_PARAMETERS = 200
N_SAMPLES = 2000
LIMIT_SECONDS, LIMIT_MIB = 20.0, 1024.0
QUANTITIES = {
    "weight_norm": 5.0,
    "weight_rms": 0.08,
    "weight_max": 0.3,
    "weight_std": 0.08,
    "grad_norm": 0.3,
    "update_norm": 5e-3,
    "update_ratio": 1e-3,
    "grad_zero_rows": 0.01,
    "grad_dead_rows": 0.001,
}
"""Statistic -> its usual size."""


def long_run(n: int) -> Run:
    """A healthy run of `n` steps under a cosine schedule."""
    rng, t = np.random.default_rng(0), np.arange(n)
    lr = 0.05 * (1.0 + np.cos(np.pi * t / n))
    level = 0.2 + 2.1 * np.exp(-8.0 * np.cumsum(lr) / lr.sum())
    evaluated = np.linspace(n // 100 - 1, n - 1, 100).astype(np.int64)

    def around(size: float, count: int) -> Floats:
        return np.asarray(size * np.exp(0.2 * rng.normal(size=count)))

    series = {
        "loss/train": Series(t, np.abs(level + 0.05 * rng.normal(size=n))),
        "lr/0": Series(t, lr),
        "grad_norm/global": Series(t, around(0.6, n)),
        "time/step": Series(t, around(0.05, n)),
        "epoch": Series(t, np.floor(t / (n / 30)).astype(np.float64)),
        "loss/validation": Series(evaluated, level[evaluated] + 0.05),
    }
    infos = tuple(
        ParameterInfo(f"layer{i}.weight", (64, 64), "matrix", True, "0", module="Linear", activation="ReLU")
        for i in range(N_PARAMETERS)
    )
    sampled = np.unique(np.r_[np.arange(10), np.linspace(0, n - 1, N_SAMPLES).astype(np.int64)])
    tables = {
        quantity: {info.name: Series(sampled, around(size, sampled.size)) for info in infos}
        for quantity, size in QUANTITIES.items()
    }
    info = RunInfo(
        status="finished",
        source="traindoctor",
        n_classes=10,
        loss_name="cross_entropy",
        baseline=float(np.log(10.0)),
        parameters=infos,
        optimizers=(OptimizerInfo("SGD", ({"label": "0", "lr": 0.1, "momentum": 0.9},)),),
    )
    return Run("long", "long", series, tables, info=info)


def measure(n: int) -> tuple[float, float, float, int]:
    """Seconds of wall clock and of this process, its peak memory in MiB, checks that answered."""
    run = long_run(n)
    wall, own = time.perf_counter(), time.process_time()
    diagnosis = diagnose(run)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answered = len(diagnosis.passed) + len({finding.code for finding in diagnosis.findings})
    return wall, own, peak / (2**20 if sys.platform == "darwin" else 2**10), answered


@click.command(help=__doc__)
@click.option("--steps", type=click.IntRange(1000), multiple=True, help="Steps; all sizes when left out.")
@click.option("--one", is_flag=True, hidden=True, help="Measure in this process.")
def main(steps: tuple[int, ...], one: bool) -> None:
    """The command line; ends with status 1 when the largest size misses a limit."""
    if one:
        click.echo(" ".join(f"{value:.6g}" for value in measure(steps[0])))
        return
    click.echo(
        "| steps | wall clock, s | process, s | per 10^5 steps, s | peak memory, MiB | checks that answered |"
    )
    click.echo("|---|---|---|---|---|---|")
    missed = False
    for n in steps or SIZES:
        command = [sys.executable, "-m", "benchmarks.large_runs", "--one", "--steps", str(n)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        wall, own, peak, answered = (float(value) for value in printed)
        click.echo(f"| {n:,} | {wall:.1f} | {own:.1f} | {own * 1e5 / n:.2f} | {peak:.0f} | {answered:.0f} |")
        missed |= own > LIMIT_SECONDS or peak > LIMIT_MIB
    if missed:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
