"""traindoctor's own decisions, with the benchmark's trainings in the place of the user's script.

Recorded run -> `diagnose` -> `open_case` -> `sweep` -> `decide`, and `open_trial` -> `prove`: the code of
`traindoctor prescribe` and `traindoctor prove`, called as they call it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import traindoctor
from benchmarks.diagnosis import storage
from benchmarks.diagnosis.reference_recorder import ReferenceRecorder
from benchmarks.diagnosis.tasks import constant_loss
from traindoctor.names import LOSS_TRAIN, LOSS_VALIDATION
from traindoctor.prescribing import FIRST_RUNS, Case, cost_of, decide, open_case, sweep
from traindoctor.prescription import Prescription
from traindoctor.proving import open_trial, prove
from traindoctor.run import Floats, Run, Series
from traindoctor.trial_score import Outcome, Script

from .store import Store
from .training import Request, Result, train

SAMPLES = 80
"""Samples of the parameters in a recorded run, about."""


@dataclass(frozen=True)
class Trainings(Script):
    """In the place of the user's command: it is given orders and answers from the store.

    Attributes:
        store: where finished runs are; a missing one is an error that names it.
        plan: the script's own LR of each step.
        every: steps between its evaluations.
    """

    store: Store | None = None
    plan: Floats | None = None
    every: int = 1

    def run(self, orders: Any, judge: Any, name: str, seed: int, planned: Floats | None = None) -> Outcome:
        """As `Script.run`."""
        assert self.store is not None
        assert self.plan is not None
        plan = self.plan if planned is None else planned
        request = Request(np.ascontiguousarray(plan[: orders.max_steps], dtype=np.float64), seed, self.every)
        result = self.store.result(request)
        return Outcome(judge.score(as_run(request, result)), result.first, request.steps, math.nan, "", None)


def as_run(request: Request, result: Result) -> Run:
    """As much of a run as a score is read from."""
    ends = np.array(request.evaluated_after()) - 1
    losses = Series(np.array([0, request.steps - 1]), np.array([result.first, result.last]))
    held_out = Series(ends, np.array(result.validation))
    return Run("trial", "trial", {LOSS_TRAIN: losses, LOSS_VALIDATION: held_out})


def recorded(store: Store, request: Request) -> Run:
    """The run as a recorder sees it, from disk where it was made before."""
    path = store.folder / f"recorded-{store.key(request)}.npz"
    if not path.is_file():
        task, data = store.task, store.data

        def watch(model: Any, optimizer: Any) -> ReferenceRecorder:
            return ReferenceRecorder(model, optimizer, "", max(5, request.steps // SAMPLES))

        _, recorder = train(task, data, request, watch)
        per_epoch = max(1, len(data.x) // min(task.batch, len(data.x)))
        n_classes = int(data.y.max()) + 1 if task.loss == "cross_entropy" else 0
        targets = data.y if n_classes else data.y.reshape(len(data.y), -1)
        run = recorder.run("case", task.loss, constant_loss(targets, task.loss), n_classes, per_epoch)
        # as a run of our own recorder: nothing is missing because another tool did not log it
        storage.save(path, replace(run, info=replace(run.info, source="")), {})
    return storage.load(path)[0]


def opened(run: Run) -> Case:
    """The case, diagnosed by every detector."""
    return open_case(run, traindoctor.diagnose(run))


def first_requests(case: Case, trainings: Trainings, seed: int) -> list[Request]:
    """The short runs that its sweep begins with, so that those of many cases can be made at once."""
    from traindoctor.analyzer.schedule.sweep import STEP, short_schedule

    setup = case.setup
    if isinstance(setup, str):
        return []
    places = range(-(FIRST_RUNS // 2), FIRST_RUNS // 2 + 1)
    peaks = (setup.centre * 10 ** (STEP * place) for place in places)
    return [Request(short_schedule(peak, setup.steps), seed, trainings.every) for peak in peaks]


def prescribed(case: Case, trainings: Trainings, seed: int) -> Prescription:
    """What `traindoctor prescribe RUN -- script` prescribes.

    Raises:
        MissingRunError: a short run has not been made yet.
    """
    if isinstance(case.setup, str):
        return Prescription("cannot-tell", why=case.setup)
    return decide(case, sweep(case.setup, trainings, seed, cost_of(case.setup)))


def is_proven(
    run: Run, prescription: Prescription, trainings: Trainings, seeds: tuple[int, ...], folder: Path
) -> Callable[[], bool]:
    """Whether `traindoctor prove` adopts it after a pair of each seed; asking may raise MissingRunError."""
    trial = open_trial(run, prescription, trainings, None, seeds, folder / "prescription.json")

    def ask() -> bool:
        proof = prove(trial).proof
        return proof is not None and proof.decision == "adopt"

    return ask
