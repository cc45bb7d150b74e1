"""The learning-rate range test, from a script or a model to an answer: wires the driver to the arithmetic."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .analyzer.schedule.range_test import RangeScore, refuse, score
from .collectors.driving.orders import Orders, RangeTest
from .collectors.driving.reports import DriverReport
from .collectors.driving.trials import Trial, run_trial
from .errors import TrialFailedError, UsageError
from .lr_range import LrRange, as_floats
from .text import Text

SUFFIXES = (".json", ".png", ".svg", ".html")
"""What an answer can be written as."""

_ENDED = {
    "several-losses": Text(
        "several optimizers take turns, each with a loss of its own (a GAN?); such losses fall and rise "
        "against each other, so no LR can be read off them"
    ),
    "no-loss": Text("no call of backward() on a single loss was seen, so there is nothing to score"),
    "not-finite-at-start": Text(
        "the loss is not finite before the first step; look at the data and the model"
    ),
}


LEAD_IN = 37
"""Steps by which each repetition begins later, so that it meets other batches under the same seed."""

MOST_APART = 1.0
"""Decades between the suggestions of two repetitions above which neither is believed."""


def find_in_script(
    command: Sequence[str],
    test: RangeTest,
    *,
    repeats: int = 2,
    seed: int | None = None,
    seed_argument: str | None = None,
    timeout: float | None = None,
    on_progress: Callable[[], None] | None = None,
) -> LrRange:
    """Run the user's script under a range test and score it; the script is ended when the test is over.

    Args:
        command: as for `traindoctor run`.
        test: the range.
        repeats: how often the test is done; the answer is the geometric mean.
        seed: see `start_trial`.
        seed_argument: see `start_trial`.
        timeout: seconds after which the script is stopped.
        on_progress: called while it runs.

    Raises:
        UsageError: the command cannot be started.
        TrialFailedError: the script failed, or trained without an optimizer of torch.
    """
    told = None if on_progress is None else lambda _: on_progress()

    def one(number: int) -> LrRange:
        folder = Path(tempfile.mkdtemp(prefix="traindoctor-lr-find-"))
        try:
            trial = run_trial(
                command,
                Orders(range_test=replace(test, lead_in=number * LEAD_IN)),
                out=folder,
                name="lr-find",
                seed=seed,
                seed_argument=seed_argument,
                timeout=timeout,
                on_progress=told,
            )
            return answer(_measured(trial), trial.notes)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return repeated(one, repeats)


def repeated(one: Callable[[int], LrRange], repeats: int) -> LrRange:
    """The geometric mean of several tests; the refusal of the first that refuses, or where they disagree."""
    found: list[LrRange] = []
    for number in range(repeats):
        found.append(one(number))
        if not found[-1]:
            return found[-1]
    logs = np.log10([each.lr for each in found])
    apart = float(np.ptp(logs))
    singles = tuple(each.lr for each in found)
    first = replace(found[0], repeats=singles)
    if repeats < 2:
        return first
    listed = ", ".join(f"{lr:.3g}" for lr in singles)
    if apart > MOST_APART:
        why = Text(
            "{repeats} repetitions of the test disagree by a factor of {factor:.0f} ({listed})",
            repeats=repeats,
            factor=10**apart,
            listed=listed,
        )
        return replace(first, lr=math.nan, low=math.nan, high=math.nan, refusal=why)
    middle = 10.0 ** float(np.mean(logs))
    shift = middle / first.lr
    mean = Text(
        "geometric mean of {repeats} repetitions of the test: {listed}", repeats=repeats, listed=listed
    )
    notes = (*first.notes, mean)
    return replace(first, lr=middle, low=first.low * shift, high=first.high * shift, notes=notes)


def _measured(trial: Trial) -> DriverReport:
    """The report of the lowest rank that did the test."""
    found = next((report for report in trial.reports if report.range_test is not None), None)
    # A test that was done counts, whatever the script did when it was told to end.
    is_done = found is not None and found.is_stopped and not found.failure
    if found is None or (trial.failure and not is_done):
        raise TrialFailedError(f"lr-find: {trial.failure or 'the test did not begin'}")
    return found


def answer(report: DriverReport, notes: Sequence[str] = ()) -> LrRange:
    """The answer to what a process measured."""
    measured: Mapping[str, Any] = report.range_test or {}
    lrs = as_floats(measured["factors"]) * report.base_lr
    is_probe = not measured["no_probe"]
    losses, start = _losses(measured, is_probe)
    n = min(len(lrs), len(losses))
    found = _score(measured, lrs[:n], losses[:n], start, is_probe)
    remarks = list(notes)
    if not is_probe:
        remarks.append(
            Text("the loss of fixed samples could not be evaluated, because {why}", why=measured["no_probe"])
        )
    if found.ended == found.ended:
        remarks.append(
            Text(
                "from LR {lr:.3g} on the loss was above its start; what came later is not used",
                lr=found.ended,
            )
        )
    return LrRange(
        found.lr,
        found.low,
        found.high,
        found.refusal,
        found.why,
        tuple(remarks),
        report.base_lr,
        report.optimizer,
        Text("{n} fixed samples", n=measured["n_samples"])
        if is_probe
        else Text("the training loss of changing batches, which is less certain"),
        found.half,
        found.minimum,
        lrs[:n],
        losses[:n],
        start,
    )


def _losses(measured: Mapping[str, Any], is_probe: bool) -> tuple[Any, float]:
    """Loss after each step, and before the first."""
    losses = as_floats([np.mean(row) for row in measured["losses"]])
    if is_probe and measured["start"]:
        return losses, float(np.mean(measured["start"]))
    # The training loss of a step is taken before its update, so that of the next one tells what it did.
    return losses[1:], float(np.median(losses[:5])) if len(losses) else math.nan


def _score(measured: Mapping[str, Any], lrs: Any, losses: Any, start: float, is_probe: bool) -> RangeScore:
    reason = str(measured["reason"])
    empty = RangeScore(math.nan, math.nan, math.nan, start=start)
    if reason in _ENDED:
        return refuse(empty, _ENDED[reason])
    if reason == "script-ended":
        return refuse(
            empty,
            Text(
                "the script ended after {done} of {steps} steps of the test; let it train longer, or ask "
                "for fewer --steps",
                done=measured["done"],
                steps=measured["steps"],
            ),
        )
    if len(lrs) < 3:
        return refuse(
            empty, Text("the loss diverged within the first steps; begin lower, with a smaller --min")
        )
    return score(lrs, losses, start, is_probe=is_probe)


def lr_find(
    model: Any,
    optimizer: Any,
    loss_fn: Callable[..., Any],
    loader: Any,
    *,
    steps: int = 400,
    minimum: float | None = None,
    maximum: float | None = None,
    mode: str = "exp",
    repeats: int = 2,
    scaler: Any = None,
) -> LrRange:
    """A learning-rate range test in a notebook; afterwards everything is as it was before.

    Restored, also after an exception: parameters, buffers, training mode, optimizer state and param groups,
    the scaler, the random numbers of torch, CUDA, numpy and Python, and generators of the loader.

    Args:
        model: a torch module.
        optimizer: a torch optimizer of its parameters.
        loss_fn: `loss_fn(model(inputs), targets)` for batches `(inputs, targets)` or `(*inputs, targets)`;
            for other batches a function of the model and the batch: `loss_fn(model, batch)`.
        loader: yields batches, again and again if it is shorter than the test.
        steps: steps of the test, at least 20.
        minimum: lowest LR of the first param group; None = its LR / 1000.
        maximum: highest; None = its LR x 1000.
        mode: `exp` or `linear`.
        repeats: how often the test is done, each on other batches; the answer is the geometric mean.
        scaler: a GradScaler, if the training uses one.

    Raises:
        UsageError: an argument is of another kind or out of range, or the loader yields nothing.
    """
    from .collectors.driving.in_process import measure

    if repeats < 1:
        raise UsageError(f"lr_find: expected at least 1 repetition, found {repeats}")
    if mode not in ("exp", "linear"):
        raise UsageError(f"lr_find: expected mode exp or linear, found {mode!r}")
    test = RangeTest(minimum, maximum, steps, "linear" if mode == "linear" else "exp")

    def one(number: int) -> LrRange:
        later = replace(test, lead_in=number * LEAD_IN)
        return answer(measure(model, optimizer, loss_fn, loader, later, scaler))

    return repeated(one, repeats)


def write_answer(found: LrRange, path: Path, language: str = "en") -> None:
    """Write it as JSON, or as a drawing: .png, .svg, or an .html page, in a language of the reports.

    Raises:
        UsageError: the suffix is another one, or the file cannot be written.
    """
    check_suffix(path)
    if path.suffix == ".json":
        data = (json.dumps(found.to_json(), indent=1) + "\n").encode()
    else:
        from .report_templates.language import speaking
        from .report_templates.lr_range_page import lr_range_html, lr_range_png, lr_range_svg

        drawn = {".png": lr_range_png, ".svg": lr_range_svg, ".html": lr_range_html}
        with speaking(language):
            data = drawn[path.suffix](found)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def check_suffix(path: Path) -> None:
    """Raise UsageError where nothing can be written under such a name."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"--out: expected a name that ends in {', '.join(SUFFIXES)}, found {path.name}")
