"""Rules of other tools at their published defaults, and two packages, on the very runs that judge ours."""

from __future__ import annotations

import csv
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from traindoctor.run import Floats, Run

from .scoring import share_of
from .table import markdown_table
from .trials import Trial

Rule = Callable[[Run], bool]
PACKAGES = {
    "runmedic": ("runmedic", "diagnose", "--fail-on", "warning"),
    "trainspotter": ("trainspotter", "analyze", "--no-color", "--fail-on", "warning"),
}
"""Package -> command whose exit code is 1 when it finds something of severity warning or worse."""

INTRODUCTION = """## The rules of other tools on the same runs

Made by `python -m benchmarks.diagnosis rivals --write`. Each rule is our reading of its published definition
at its published defaults (see `benchmarks/diagnosis/rivals.py`); an alarm is any of a tool's rules firing at
any time of the run. SageMaker Debugger saves tensors every 500 steps by default and would have seen one point
of these runs: it is given every step. Rules that need what was not recorded (activations, raw inputs) are
left out, which can only lower a tool's alarms. The packages were run as they are, on a CSV of each run with
the training loss, validation loss, accuracy, learning rate and gradient norm.
"""


def values(run: Run, name: str) -> Floats:
    """The recorded values of a series, empty when there are none."""
    found = run.get(name)
    return np.empty(0) if found is None else found.values


def has_non_finite(run: Run) -> bool:
    """A NaN or infinite loss or gradient norm."""
    return any(bool((~np.isfinite(values(run, n))).any()) for n in ("loss/train", "grad_norm/global"))


def sagemaker(run: Run) -> bool:
    """LossNotDecreasing, Overfit, Overtraining, ExplodingTensor, PoorWeightInitialization, WeightUpdateRatio.

    Defaults as in Amazon's list of built-in rules: .1 % over 10 saves; ratio .1 with patience 1; patience 5
    and 10 with delta .01; any NaN; variances of the weights 10 times apart in the first 10 steps; update
    ratios above 10 or below 1e-8.
    """
    losses, held_out = values(run, "loss/train"), values(run, "loss/validation")
    if has_non_finite(run) or _does_not_fall(losses) or _has_gap(run) or _stands_still(losses, held_out):
        return True
    spreads = [s.values[0] for n, s in run.parameter("weight_std").items() if n.endswith("weight") and len(s)]
    variances = np.square([value for value in spreads if value > 0.0])
    if variances.size > 1 and variances.max() > 10.0 * variances.min():
        return True
    ratios = [s.values for s in run.parameter("update_ratio").values() if len(s)]
    return any(bool(((r > 10.0) | (r < 1e-8)).any()) for r in ratios)


def _does_not_fall(losses: Floats) -> bool:
    before, after = losses[:-10], losses[10:]
    return bool(((before - after) / np.maximum(np.abs(before), 1e-12) < 1e-3).any()) if before.size else False


def _has_gap(run: Run) -> bool:
    held_out, losses = run.get("loss/validation"), run.get("loss/train")
    if held_out is None or losses is None:
        return False
    n_over = 0
    for step, value in zip(held_out.steps, held_out.values, strict=True):
        train = float(losses.between(int(step) - 9, int(step)).values.mean())
        n_over = n_over + 1 if train > 0.0 and (value - train) / train > 0.1 else 0
        if n_over > 1:
            return True
    return False


def _stands_still(losses: Floats, held_out: Floats) -> bool:
    return _waited(losses, 5, 0.01) and _waited(held_out, 10, 0.01)


def _waited(series: Floats, patience: int, delta: float) -> bool:
    """Whether a series went without a new best (by delta) for more than `patience` values."""
    best, since = math.inf, 0
    for value in series:
        best, since = (float(value), 0) if value < best - delta else (best, since + 1)
        if since > patience:
            return True
    return False


def autotrainer(run: Run) -> bool:
    """Vanishing, exploding, dying ReLU, oscillation and slow convergence of AutoTrainer (Zhang et al. 2021).

    Gradients of the first and last layer: below 1e-3 of each other and 1e-4, or above 70; NaN; loss of 1000;
    70 % zero gradients; accuracy going up and down by .03 in a fifth of the epochs; no gain of .01 below .6.
    """
    losses, accuracy = values(run, "loss/train"), values(run, "accuracy/validation")
    if has_non_finite(run) or bool((np.abs(losses) >= 1e3).any()):
        return True
    norms = [s for n, s in run.parameter("grad_norm").items() if n.endswith("weight") and len(s)]
    if len(norms) > 1:
        steps, a, b = np.intersect1d(norms[0].steps, norms[-1].steps, return_indices=True)
        first, last = norms[0].values[a], np.maximum(norms[-1].values[b], 1e-30)
        if steps.size and bool((((first / last < 1e-3) & (first < 1e-4)) | (first / last > 70.0)).any()):
            return True
    zeros = [s.values for s in run.parameter("grad_zero_rows").values() if len(s)]
    if any(bool((z >= 0.7).any()) for z in zeros):
        return True
    if accuracy.size < 3:
        return False
    turns = np.flatnonzero(np.diff(np.sign(np.diff(accuracy))) != 0) + 1
    swings = np.abs(np.diff(accuracy[turns])) >= 0.03
    if int(swings.sum()) >= 0.2 * accuracy.size:
        return True
    return bool(np.max(np.abs(np.diff(accuracy))) < 0.01 and accuracy.max() < 0.6)


def umlaut(run: Run) -> bool:
    """Learning rate, overfitting and too good of UMLAUT (Schoop et al. 2021); its input checks are left out.

    A rate above .01 or below 1e-7; one evaluation with a higher validation loss and a training loss that is
    no higher; a validation accuracy above .95 after the third.
    """
    rates = [s.values for s in run.learning_rates().values()]
    if has_non_finite(run) or any(bool(((r > 0.01) | (r < 1e-7)).any()) for r in rates):
        return True
    held_out, losses = run.get("loss/validation"), run.get("loss/train")
    if held_out is not None and losses is not None and len(held_out) > 1:
        starts = np.r_[0, held_out.steps[:-1] + 1]
        pairs = zip(starts, held_out.steps, strict=True)
        means = np.array([losses.between(int(a), int(b)).values.mean() for a, b in pairs])
        if bool(((np.diff(held_out.values) > 0.0) & (np.diff(means) <= 0.0)).any()):
            return True
    return bool((values(run, "accuracy/validation")[3:] > 0.95).any())


def early_stopping(run: Run) -> bool:
    """Keras' EarlyStopping on the validation loss, patience 0 and delta 0."""
    return _waited(values(run, "loss/validation"), 0, 0.0)


def plateau_patience(run: Run) -> bool:
    """Keras' ReduceLROnPlateau on the validation loss, patience 10 and delta 1e-4."""
    return _waited(values(run, "loss/validation"), 9, 1e-4)


RULES: dict[str, Rule] = {
    "SageMaker Debugger, 6 rules": sagemaker,
    "AutoTrainer": autotrainer,
    "UMLAUT, without its input checks": umlaut,
    "Keras EarlyStopping (patience 0)": early_stopping,
    "Keras ReduceLROnPlateau (patience 10)": plateau_patience,
}


def package_rule(programs: Path, name: str) -> Rule | None:
    """The alarm of an installed package, run as its users do; None where it is not installed."""
    program, *options = PACKAGES[name]
    if not (programs / program).is_file():
        return None

    def alarms(run: Run) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.csv"
            write_csv(run, path)
            command = [str(programs / program), options[0], str(path), *options[1:]]
            done = subprocess.run(command, capture_output=True, check=False, timeout=120)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr[-300:]!r}")
        return done.returncode == 1

    return alarms


def write_csv(run: Run, path: Path) -> None:
    """The curves of a run as trackers export them: one row per step, empty cells where nothing was logged."""
    names = {"loss/train": "train/loss", "loss/validation": "val/loss", "accuracy/validation": "val/accuracy"}
    names |= {"grad_norm/global": "grad_norm"} | {n: "lr" for n in list(run.series) if n == "lr/0"}
    columns = {label: run.series[name] for name, label in names.items() if name in run.series}
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["step", *columns])
        lookup = {k: dict(zip(s.steps.tolist(), s.values.tolist(), strict=True)) for k, s in columns.items()}
        for step in range(run.n_steps):
            writer.writerow([step, *(lookup[label].get(step, "") for label in columns)])


def compared(trials: Sequence[Trial], rules: Iterable[tuple[str, Rule]]) -> str:
    """A table of tools: alarms on the healthy runs, and on those with a verified harmful fault."""
    healthy = [t for t in trials if t.healthy]
    harmful = [t for t in trials if t.fault and t.harmful]
    rows: list[tuple[object, ...]] = []
    for name, rule in rules:
        with np.errstate(all="ignore"):
            false, found = share_of(rule(t.run) for t in healthy), share_of(rule(t.run) for t in harmful)
        rows.append((name, false, found))
    return markdown_table(["tool", "false alarms on healthy runs", "recall on harmful faults"], rows)
