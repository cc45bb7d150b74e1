"""Prescribe and prove on whole scripts: three examples, three faults and one good setting each.

    python -m benchmarks.prescription.end_to_end --work DIR [--mnist FILE.npz] [--cifar10 FILE.npz]

First the good setting of each example is found by a grid of full runs. Then the script is recorded with its
learning rate x100 too high, /100 too low, with a schedule that decays too early, and as it is good; each is
prescribed for, and every prescription is proven by three pairs of runs on other seeds. The finished parts are
kept in DIR, so the same command goes on after an interrupt. The tables go into docs/prescriptions.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "prescriptions.md"
BEGIN, END = "<!-- end to end: begin -->", "<!-- end to end: end -->"
SEEDS = 3
GRID_SEED = 7
"""Seed of the grid: another one than those of recording (0), sweep (0) and proof (1 to 3)."""


@dataclass(frozen=True)
class Example:
    """One script and what is done to it.

    Attributes:
        name: file name in examples/ without suffix.
        arguments: what it is called with, learning rate and seed apart.
        grid: learning rates x3.16 apart.
        good: edits (old text, new text) that give it a schedule that fits the run.
        early: edits that give it one that decays too early.
    """

    name: str
    arguments: tuple[str, ...]
    grid: tuple[float, ...]
    good: tuple[tuple[str, str], ...]
    early: tuple[tuple[str, str], ...]


def examples(mnist: str, cifar10: str) -> tuple[Example, ...]:
    """The three examples, cut to less than a minute each."""
    sgd = "    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)\n"
    report = '        print(f"epoch {epoch} test loss'

    def mnist_schedule(scheduler: str) -> tuple[tuple[str, str], ...]:
        made = f"{sgd}    scheduler = torch.optim.lr_scheduler.{scheduler}\n"
        return ((sgd, made), (report, f"        scheduler.step()\n{report}"))

    cosine, step = (
        "CosineAnnealingLR(optimizer, T_max=args.epochs)",
        "StepLR(optimizer, step_size={}, gamma=0.1)",
    )
    present = step.format(5)
    return (
        Example(
            "mnist_mlp",
            ("--data", mnist, "--subset", "6000", "--epochs", "5"),
            tuple(10 ** (k / 2) for k in range(-5, 2)),
            mnist_schedule(cosine),
            mnist_schedule(step.format(1)),
        ),
        Example(
            "cifar10_net",
            ("--data", cifar10, "--subset", "3000", "--epochs", "5", "--batch-size", "16"),
            tuple(10 ** (k / 2) for k in range(-8, -1)),
            ((present, step.format(3)),),
            ((present, step.format(1)),),
        ),
        Example(
            "digits_cnn", (), tuple(10 ** (k / 2) for k in range(-7, -1)), (), ((cosine, step.format(2)),)
        ),
    )


class Bench:
    """Runs what is missing and remembers it in `results.json` of the work folder."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.path = work / "results.json"
        work.mkdir(parents=True, exist_ok=True)
        self.results: dict[str, Any] = json.loads(self.path.read_text()) if self.path.is_file() else {}

    def once(self, key: str, make: Any) -> Any:
        """The result of that name, made now if it is not there."""
        if key not in self.results:
            print(key, flush=True)
            self.results[key] = make()
            self.path.write_text(json.dumps(self.results, indent=1))
        return self.results[key]

    def script(self, example: Example, kind: str) -> Path:
        """A copy of the example with the schedule of that kind."""
        text = (ROOT / "examples" / f"{example.name}.py").read_text()
        for old, new in example.early if kind == "early" else example.good:
            if text.count(old) != 1:
                raise SystemExit(f"{example.name}: expected the text {old!r} once")
            text = text.replace(old, new)
        path = self.work / f"{example.name}_{kind}.py"
        path.write_text(text)
        return path

    def traindoctor(self, *words: str | Path) -> str:
        """One call of the command line; its standard output."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "traindoctor", *map(str, words)]
        done = subprocess.run(
            command, cwd=self.work, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout

    def record(self, example: Example, script: Path, lr: float, seed: int, name: str) -> Path:
        """Record one run; its folder."""
        out = self.work / name
        if not out.is_dir():
            self.traindoctor("run", "--out", out, "--", *command_of(example, script, lr), "--seed", str(seed))
        return next(folder for folder in sorted(out.iterdir()) if folder.is_dir())


def command_of(example: Example, script: Path, lr: float) -> tuple[str, ...]:
    """The script with its arguments, without a seed."""
    return (str(script), *example.arguments, "--lr", f"{lr:.4g}")


def score_of(folder: Path) -> float:
    """Final validation loss, or error rate, as `prescribe` reads it."""
    import traindoctor
    from traindoctor.analyzer.schedule.objective import judge_of

    run = traindoctor.load(folder)
    judge = judge_of(run)
    return judge.score(run) if not isinstance(judge, str) else math.inf


def grid(bench: Bench, example: Example) -> dict[str, float]:
    """Score of a full run at each LR of the grid."""
    script = bench.script(example, "good")
    return {
        f"{lr:.4g}": score_of(bench.record(example, script, lr, GRID_SEED, f"grid-{example.name}-{lr:.4g}"))
        for lr in example.grid
    }


def case(bench: Bench, example: Example, fault: str, good: float) -> dict[str, Any]:
    """Record, prescribe, prove; what came out."""
    factor = {"LR x100 too high": 100.0, "LR /100 too low": 0.01}.get(fault, 1.0)
    script = bench.script(example, "early" if fault == "decays too early" else "good")
    lr = good * factor
    slug = fault.replace(" ", "-").replace("/", "over")
    folder = bench.record(example, script, lr, 0, f"case-{example.name}-{slug}")
    command = command_of(example, script, lr)
    bench.traindoctor("prescribe", folder, "--seed-arg", "--seed", "--", *command)
    file = folder / "prescription.json"
    found = json.loads(file.read_text())
    if found["lr"] is not None:
        bench.traindoctor("prove", folder, "--seeds", str(SEEDS), "--seed-arg", "--seed", "--", *command)
        found = json.loads(file.read_text())
    return {
        "lr": lr,
        "action": found["action"],
        "peak": found["peak_lr"],
        "objective": (found["sweep"] or {}).get("objective", ""),
        "sweep_runs": len((found["sweep"] or {}).get("points", ())),
        "share": (found["sweep"] or {}).get("share", 0.0),
        "proof": found["proof"],
        "why": found["why"],
    }


FAULTS = ("LR x100 too high", "LR /100 too low", "decays too early")
GOOD = "good setting"


def tables(results: Mapping[str, Any], names: Sequence[str]) -> str:
    """The two tables in Markdown, with the counts."""
    rows = [
        "| example | setting | LR | verdict | new peak | sweep | score | old → new | change | decision |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    wins = cases = kept = 0
    for name in names:
        for fault in (*FAULTS, GOOD):
            found = results.get(f"{name}: {fault}")
            if found is None:
                continue
            rows.append(_row(name, fault, found))
            is_adopted = bool(found["proof"]) and found["proof"]["decision"] == "adopt"
            if fault == GOOD:
                kept += found["action"] == "keep"
            else:
                cases, wins = cases + 1, wins + is_adopted
    head = (
        f"`prescribe` and then `prove` won in **{wins} of {cases}** faulty settings; the answer to the good "
        f"setting was *keep* in **{kept} of {len(names)}** examples. Scores are medians of 3 seeds, the "
        "change is the mean over the pairs in which no run diverged.\n"
    )
    return "\n".join([head, *rows, "", *_grids(results, names)])


def _row(name: str, fault: str, found: Mapping[str, Any]) -> str:
    proof = found["proof"]
    old_new = change = decision = "–"
    if proof:
        sides = {
            side: [run["score"] for run in proof["runs"] if run["side"] == side and not run["failure"]]
            for side in ("old", "new")
        }
        old_new = " → ".join(_median(sides[side]) for side in ("old", "new"))
        change = _percent(proof["differences"])
        decision = "adopt" if proof["decision"] == "adopt" else "keep what you have"
    peak = f"{found['peak']:.2g}" if isinstance(found["peak"], float) else "–"
    sweep = f"{found['sweep_runs']} x {found['share']:.2f} runs"
    score = found["objective"]
    lr = f"{found['lr']:.2g}"
    cells = (name, fault, lr, found["action"], peak, sweep, score, old_new, change, decision)
    return f"| {' | '.join(cells)} |"


def _median(scores: Sequence[float | str]) -> str:
    numbers = [score for score in scores if isinstance(score, float) and math.isfinite(score)]
    lost = len(scores) - len(numbers)
    text = f"{statistics.median(numbers):.4g}" if numbers else ""
    return f"{text}{' and ' if text and lost else ''}{f'{lost} diverged' if lost else ''}" or "–"


def _percent(differences: Sequence[float]) -> str:
    """Mean change over the pairs in which no run diverged."""
    kept = [value for value in differences if abs(value) < math.log(99)]
    return f"{100 * math.expm1(statistics.mean(kept)):+.1f} %" if kept else "old diverged"


def _grids(results: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    lines = ["The good learning rate of each example is the best of this grid (one seed, full runs):", ""]
    for name in names:
        found = results.get(f"{name}: grid")
        if found:
            shown = ", ".join(
                f"{lr}: {score:.4g}" if math.isfinite(float(score)) else f"{lr}: diverged"
                for lr, score in found.items()
            )
            lines.append(f"- `{name}`: {shown}")
    return [*lines, ""]


def write(text: str) -> None:
    """Put the tables between their marks in the document."""
    document = DOCUMENT.read_text()
    head, rest = document.split(BEGIN)
    tail = rest.split(END)[1]
    DOCUMENT.write_text(f"{head}{BEGIN}\n{text}{END}{tail}")


def main() -> None:
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for runs and results")
    parser.add_argument("--mnist", default="data", help="as the example's --data")
    parser.add_argument("--cifar10", default="data", help="as the example's --data")
    options = parser.parse_args()
    bench = Bench(options.work.resolve())
    chosen = examples(options.mnist, options.cifar10)
    for example in chosen:
        scores = bench.once(f"{example.name}: grid", lambda example=example: grid(bench, example))
        best = float(min(scores, key=lambda lr: float(scores[lr])))
        for fault in (*FAULTS, GOOD):
            bench.once(
                f"{example.name}: {fault}",
                lambda example=example, fault=fault, best=best: case(bench, example, fault, best),
            )
    text = tables(bench.results, [example.name for example in chosen])
    write(text)
    print(text)


if __name__ == "__main__":
    main()
