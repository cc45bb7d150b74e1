"""From a Run to a Diagnosis: run every detector, contain the ones that fail, rank causes, conclude."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from traindoctor.detector import Detector, NotAssessable
from traindoctor.finding import Diagnosis, Finding, Prescription, Schedule, Skipped
from traindoctor.run import Run
from traindoctor.text import Text

from .catalog import all_detectors, choose
from .causes import rank_causes
from .extent import extent
from .metrics import metrics_of
from .phrases import is_native
from .schedule import prescribe, recognise
from .undivided import undivided
from .verdict import conclude

HOW_TO_RECORD = {
    "loss/train": Text(
        "call backward() on the loss inside the watched process, or log it as the training loss"
    ),
    "loss/validation": Text("evaluate with gradients off (torch.no_grad) after each epoch"),
    "accuracy/validation": Text("count correct predictions with gradients off after each epoch"),
    "grad_norm/global": Text("record the run with traindoctor, or log the global gradient norm"),
    "grad_norm/preclip": Text("clip with torch.nn.utils.clip_grad_norm_, whose return value is recorded"),
    "stale_gradients": Text("record the run with traindoctor"),
    "lr/": Text("record the run with traindoctor, or log the learning rate at every step"),
    "parameters:": Text("record the run with traindoctor; logs of other tools do not hold it"),
}
"""How to get a series into a log that our recorder writes."""

HOW_TO_LOG = {
    "loss/train": Text("log the loss of each step or epoch; where it has another name, pass --map loss=NAME"),
    "loss/validation": Text(
        "log the loss of each evaluation; where it has another name, pass --map val_loss=NAME"
    ),
    "grad_norm/global": Text("log the global gradient norm, or record the script with `traindoctor run`"),
    "lr/": Text("log the learning rate beside the loss, or record the script with `traindoctor run`"),
}
"""How to get it into the log of another tool; what is not here only our recorder writes."""

IN_WORDS = {"lr/": Text("the learning rate"), "time/step": Text("the duration of each update")}
"""What a need is called in a sentence, where its name would not do in a log that counts something else."""

ONLY_OURS = Text("logs of other tools do not hold it; record the script with `traindoctor run`")


def diagnose(
    run: Run,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    replay: Callable[..., Any] | None = None,
    detectors: Sequence[Detector] | None = None,
) -> Diagnosis:
    """Everything that can be said about a run, and what could not be looked at.

    Args:
        run: the run; it is not changed.
        select: codes, beginnings of codes, or names of the only detectors to run; all when empty.
        ignore: codes, beginnings of codes, or names of detectors to leave out.
        replay: runs prescribed scheduler code and returns the learning rates it gives
            (`replay(code, optimizer_lrs, n_steps) -> array`); without it the code is shown as not replayed.
        detectors: run these instead of the catalogue.

    Raises:
        UsageError: `select` or `ignore` names no detector.
    """
    run = undivided(run)
    broken: dict[str, str] = {}
    if detectors is None:
        detectors, broken = all_detectors()
    findings: list[Finding] = []
    skipped = [Skipped("plugin", name, why) for name, why in broken.items()]
    passed: dict[str, str] = {}
    for detector in choose(detectors, select, ignore):
        found, why = examine(detector, run)
        findings += found
        if why:
            skipped.append(Skipped(detector.code, detector.name, why))
        elif not found:
            passed[detector.code] = detector.name
    ranked = rank_causes(findings, extent(run).length)
    schedule, prescription = _schedule_advice(run, ranked, replay)
    return Diagnosis(
        run,
        conclude(run, ranked, len(passed)),
        ranked,
        tuple(skipped),
        passed,
        schedule,
        prescription,
        metrics_of(run.predictions),
    )


def examine(detector: Detector, run: Run) -> tuple[list[Finding], str]:
    """The findings of one detector, and why it could not answer ("" when it could).

    What the detector found before it gave up or failed is kept.
    """
    why = missing_need(detector, run)
    findings: list[Finding] = []
    if why:
        return findings, why
    try:
        with np.errstate(all="ignore"):
            findings.extend(detector.check(run))
    except NotAssessable as reason:
        why = reason.args[0] if reason.args else ""
    except Exception as error:  # one failing check must not cost the user the others
        why = Text(
            "the check failed with {kind}: {error}; please report it with the run",
            kind=type(error).__name__,
            error=error,
        )
    return findings, why


def missing_need(detector: Detector, run: Run) -> str:
    """A sentence about the first of the detector's needs that was not recorded; "" when all were."""
    for need in detector.needs:
        if not _is_recorded(need, run):
            kind = "parameters:" if need.startswith("parameters:") else need
            is_parameter = kind == "parameters:"
            what = (
                Text("{need} of the parameters", need=need[len(kind) :])
                if is_parameter
                else Text("{need}", need=need)
            )
            what = IN_WORDS.get(need, what)
            how = HOW_TO_LOG.get(kind, ONLY_OURS)
            if is_native(run):
                how = HOW_TO_RECORD.get(kind, Text("log it in the training loop"))
            link = "; " if how == ONLY_OURS else Text("; to get it, ")
            return Text("needs {what}, which was not recorded{link}{how}", what=what, link=link, how=how)
    return ""


def _is_recorded(need: str, run: Run) -> bool:
    if need == "predictions":
        return run.predictions is not None
    if need.startswith("parameters:"):
        return any(len(series) for series in run.parameter(need.removeprefix("parameters:")).values())
    if need.endswith("/"):
        return any(name.startswith(need) and len(series) for name, series in run.series.items())
    return run.get(need) is not None


def _schedule_advice(
    run: Run, findings: Sequence[Finding], replay: Callable[..., Any] | None
) -> tuple[Schedule, Prescription]:
    try:
        schedule = recognise(run)
        return schedule, prescribe(run, schedule, findings, replay=replay)
    except Exception as error:  # the findings stand without a prescription
        why = Text(
            "No prescription: working it out failed with {kind}: {error}.",
            kind=type(error).__name__,
            error=error,
        )
        return Schedule("unknown"), Prescription("cannot-tell", why=why)
