"""From the diagnoses of several runs to their comparison."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from .comparison import ComparedRun, Comparison, Effect, FoundIn, Number, Setting, Spread, XAxis
from .errors import UsageError
from .finding import Diagnosis
from .headline_numbers import headline_numbers
from .names import EPOCH
from .run import Floats, Run
from .run_settings import Settings, recipe_of, seed_of, settings_of
from .seed_noise import effect_of
from .text import Text

MAX_RUNS = len(string.ascii_uppercase)
_LENGTHS_ALIKE = 1.01


def compare(diagnoses: Sequence[Diagnosis], x: XAxis | None = None) -> Comparison:
    """Put runs beside each other; the first one is what the others are compared with.

    Args:
        diagnoses: two runs or more.
        x: what to align the curves on; chosen when None: the runs' own x axis where all count the same thing
            in batches of the same size, else epochs where all know them, else the share of each run.

    Raises:
        UsageError: fewer than two runs or more than 26, or no epochs are known and `x` asks for them.
    """
    if not 2 <= len(diagnoses) <= MAX_RUNS:
        raise UsageError(f"expected 2 to {MAX_RUNS} runs to compare, found {len(diagnoses)}")
    runs = [diagnosis.run for diagnosis in diagnoses]
    settings = [settings_of(run) for run in runs]
    arms = _arms(settings)
    compared = tuple(
        ComparedRun(d.run, label, arm, seed_of(mine), d.verdict.state, d.verdict.sentence)
        for d, label, arm, mine in zip(diagnoses, string.ascii_uppercase, arms, settings, strict=False)
    )
    numbers = headline_numbers(runs)
    differing, n_equal = _settings(settings)
    return Comparison(
        compared,
        _axis(runs, x),
        numbers,
        differing,
        n_equal,
        _findings(diagnoses),
        _spreads(numbers, compared),
        _effects(numbers, compared),
        (*_cautions(runs), *_idle_seeds(numbers, compared)),
    )


def aligned(run: Run, steps: Floats, x: XAxis) -> Floats:
    """Places on a run's own x axis, on the axis of a comparison.

    Args:
        run: whose steps they are.
        steps: shape (n,).
        x: the axis; epochs are counted from 0 with their fraction, `fraction` runs from 0 to 100 (percent).
    """
    if x == "fraction":
        first, last = _ends(run)
        return np.asarray(100 * (steps - first) / max(last - first, 1.0))
    if x == "step" or run.info.x_unit == "epochs":
        return steps
    epochs = run.series[EPOCH]
    starts = np.flatnonzero(np.r_[True, np.diff(np.maximum.accumulate(epochs.values)) > 0])
    at, values = epochs.steps[starts].astype(np.float64), epochs.values[starts]
    length = float(at[-1] - at[-2]) if len(at) > 1 else max(float(run.n_steps - at[-1]), 1.0)
    return np.interp(steps, np.r_[at, at[-1] + length], np.r_[values, values[-1] + 1])


def _ends(run: Run) -> tuple[float, float]:
    ends = [
        (float(series.steps[0]), float(series.steps[-1])) for series in run.series.values() if len(series)
    ]
    return min((low for low, _ in ends), default=0.0), max((high for _, high in ends), default=0.0)


def _knows_epochs(run: Run) -> bool:
    epochs = run.get(EPOCH)
    return run.info.x_unit == "epochs" or (epochs is not None and bool(np.isfinite(epochs.values).all()))


def _axis(runs: Sequence[Run], wanted: XAxis | None) -> XAxis:
    ignorant = [run for run in runs if not _knows_epochs(run)]
    if wanted == "epoch" and ignorant:
        raise UsageError(
            f"expected epochs in every run, found none in {ignorant[0].name or ignorant[0].id}; "
            "align on steps or on the fraction of each run"
        )
    if wanted is not None:
        return wanted
    is_one_unit = len({run.info.x_unit for run in runs}) == 1
    if is_one_unit and (len({run.info.batch_size for run in runs}) == 1 or ignorant):
        return "step"
    return "fraction" if ignorant else "epoch"


def _arms(settings: Sequence[Settings]) -> list[int]:
    """Runs with the same recipe share an arm; where nothing was recorded, nothing is known to be the same."""
    arms: list[int] = []
    known: dict[object, int] = {}
    for index, mine in enumerate(settings):
        recipe = recipe_of(mine)
        is_told = any(part in ("command", "config") for part, _, _ in recipe) or seed_of(mine) != ""
        arms.append(known.setdefault(recipe if is_told else index, len(known)))
    return arms


def _settings(settings: Sequence[Settings]) -> tuple[tuple[Setting, ...], int]:
    keys = list(dict.fromkeys(key for mine in settings for key in mine))
    rows = [Setting(part, name, tuple(mine.get((part, name)) for mine in settings)) for part, name in keys]
    differing = tuple(row for row in rows if len(set(row.values)) > 1)
    return differing, len(rows) - len(differing)


def _findings(diagnoses: Sequence[Diagnosis]) -> tuple[FoundIn, ...]:
    found = {finding.code: finding.name for diagnosis in diagnoses for finding in diagnosis.findings}
    rows: list[FoundIn] = []
    for code, name in sorted(found.items()):
        severities = (
            min((f.severity for f in d.findings if f.code == code), key=lambda s: s.rank, default=None)
            for d in diagnoses
        )
        rows.append(FoundIn(code, name, tuple(s.value if s is not None else "" for s in severities)))
    return tuple(rows)


def _by_seed(number: Number, runs: Sequence[ComparedRun], arm: int) -> dict[str, float]:
    """Seed -> value in one arm; runs of unknown or repeated seeds keep a name that pairs with nothing."""
    found: dict[str, float] = {}
    for index, one in enumerate(runs):
        if one.arm == arm and math.isfinite(number.values[index]):
            found[one.seed if one.seed and one.seed not in found else f"\0{index}"] = number.values[index]
    return found


def _spreads(numbers: Sequence[Number], runs: Sequence[ComparedRun]) -> tuple[Spread, ...]:
    found: list[Spread] = []
    for arm in sorted({one.arm for one in runs}):
        for number in numbers:
            values = list(_by_seed(number, runs, arm).values())
            if number.is_outcome and len(values) >= 2:
                sd = float(np.std(values, ddof=1)) if len(set(values)) > 1 else 0.0
                found.append(Spread(number.name, arm, len(values), float(np.mean(values)), sd))
    return tuple(found)


def _effects(numbers: Sequence[Number], runs: Sequence[ComparedRun]) -> tuple[Effect, ...]:
    found: list[Effect] = []
    for arm in sorted({one.arm for one in runs} - {0}):
        for number in numbers:
            first, other = _by_seed(number, runs, 0), _by_seed(number, runs, arm)
            better: Literal["lower", "higher", ""] = number.better
            if not number.is_outcome or not better or not first or not other:
                continue
            effect = effect_of(number.name, arm, first, other, better)
            if effect is not None:
                found.append(effect)
    return tuple(found)


def _idle_seeds(numbers: Sequence[Number], runs: Sequence[ComparedRun]) -> tuple[str, ...]:
    """Whether runs of different seeds are one and the same: then the seed never reached the script."""
    outcomes = [number for number in numbers if number.is_outcome]
    for arm in sorted({one.arm for one in runs}):
        index = [i for i, one in enumerate(runs) if one.arm == arm]
        is_seeded = len({runs[i].seed for i in index}) > 1
        if is_seeded and outcomes and all(len({n.values[i] for i in index}) == 1 for n in outcomes):
            labels = ", ".join(runs[i].label for i in index)
            return (
                Text(
                    "The seed changes nothing: {labels} gave the same numbers, so they count as one run.",
                    labels=labels,
                ),
            )
    return ()


def _cautions(runs: Sequence[Run]) -> tuple[str, ...]:
    """What makes the runs hard to compare."""
    found: list[str] = []
    for what, values in (
        (Text("Their losses are not the same function"), {run.info.loss_name for run in runs} - {""}),
        (Text("Their x axes count different things"), {run.info.x_unit for run in runs}),
    ):
        if len(values) > 1:
            found.append(Text("{what}: {values}.", what=what, values=", ".join(sorted(values))))
    lengths = [run.n_steps for run in runs]
    if min(lengths) and max(lengths) > _LENGTHS_ALIKE * min(lengths):
        shown = ", ".join(f"{label} {n:,}" for label, n in zip(string.ascii_uppercase, lengths, strict=False))
        found.append(
            Text(
                "They are not equally long ({shown}): their final values stand at different places.",
                shown=shown,
            )
        )
    for label, run in zip(string.ascii_uppercase, runs, strict=False):
        if run.info.status in ("running", "killed", "failed", "damaged"):
            found.append(
                Text("{label} did not finish: what is called final is the last value recorded.", label=label)
            )
    git = [g if isinstance(g := run.info.config.get("git"), Mapping) else {} for run in runs]
    if any(one.get("dirty") for one in git):
        found.append(
            Text("Uncommitted changes were in place: the code may differ in ways that no log holds.")
        )
    return tuple(found)
