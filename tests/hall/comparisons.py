"""Diagnoses to compare: runs of known settings, seeds and results, and one with hostile names everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tests.report_templates.diagnoses import HOSTILE
from traindoctor.finding import Diagnosis, Finding, Remedy, Severity, Verdict
from traindoctor.run import OptimizerInfo, Run, RunInfo, Series

N = 200


def series(values: Sequence[float], steps: Sequence[int] | None = None) -> Series:
    return Series(np.arange(len(values)) if steps is None else np.asarray(steps), np.asarray(values))


def run(
    name: str = "run",
    *,
    best: float = 0.5,
    seed: int | None = None,
    lr: float = 0.1,
    commit: str = "aaaa",
    n: int = N,
    accuracy: float = 0.9,
    batch: int = 32,
) -> Run:
    """A run that reaches `best` validation loss at its second last evaluation."""
    t = np.arange(n) / n
    at = np.arange(19, n, 20)
    validation = best + 2 * np.exp(-6 * at / n)
    validation[-2], validation[-1] = best, best + 0.01
    rate = f"{lr:g}"
    command = ["train.py", "--lr", rate, *(["--seed", str(seed)] if seed is not None else [])]
    return Run(
        f"id-{name}",
        name,
        {
            "loss/train": series(best + 2 * np.exp(-6 * t)),
            "loss/validation": series(validation, at),
            "accuracy/validation": series(np.linspace(0.1, accuracy, len(at)), at),
            "lr/0": series(np.full(n, lr)),
            "epoch": series(np.floor(t * 10)),
            "time/step": series(np.full(n, 0.01)),
        },
        info=RunInfo(
            status="finished",
            source="traindoctor",
            seconds=2.0,
            epochs=10.0,
            batch_size=batch,
            loss_name="cross_entropy",
            optimizers=(OptimizerInfo("SGD", ({"label": "0", "lr": lr},)),),
            environment={"python": "3.11", "overhead": 0.01 + 1e-4 * len(name)},
            config={"command": command, "git": {"commit": commit, "branch": name, "dirty": False}},
        ),
    )


def finding(
    code: str = "TD401",
    severity: Severity = Severity.CRITICAL,
    parameters: tuple[str, ...] = (),
    message: str = "It overfits. More words.",
) -> Finding:
    return Finding(
        code, "overfitting", severity, 0.9, 10, 20, message, {}, {}, Remedy("Stop."), parameters=parameters
    )


def diagnosis(of: Run | None = None, *found: Finding) -> Diagnosis:
    state = "findings" if found else "healthy"
    return Diagnosis(of or run(), Verdict(state, "As it is."), found)  # type: ignore[arg-type]


def hostile_pair() -> tuple[Diagnosis, Diagnosis]:
    bad = "".join(HOSTILE)
    clean = run("base")
    nasty = replace(
        run(bad),
        info=replace(
            run().info,
            x_unit=HOSTILE[0],
            loss_name=bad,
            config={
                "command": [*HOSTILE, "--" + HOSTILE[0], bad],
                bad: bad,
                "git": {"commit": bad, "branch": bad},
            },
            environment={bad: HOSTILE[3]},
            optimizers=(OptimizerInfo(bad, ({"label": bad, bad: bad},), bad),),
        ),
    )
    one = replace(finding("TD207", message=f"{bad} is frozen."), name=bad, parameters=HOSTILE)
    return diagnosis(clean), diagnosis(nasty, replace(one, evidence={bad: 1.0}, units={bad: HOSTILE[0]}))
