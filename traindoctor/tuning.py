"""Hyper-parameter search over an unmodified script: workers started and watched, their study summarised."""

from __future__ import annotations

import math
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Protocol

from .analyzer.search.design import at_share, grid
from .analyzer.search.space import Space, read_space
from .analyzer.search.summary import summarise
from .collectors.importers.native import read_run
from .collectors.importers.optuna_search import load_study
from .collectors.intake.series_names import better as better_of_words
from .errors import SearchFailedError, TraindoctorError, UsageError
from .finding import Diagnosis, Verdict
from .run import Run, RunInfo, Series, SeriesInfo
from .search import Search, Study
from .tuning_plan import Plan
from .tuning_samplers import start_length
from .tuning_store import Store
from .tuning_trial import ObjectiveMissingError, begin

JOURNAL = "study.journal"
RUNS = "runs"
MOST_REPLACED = 20
"""Workers that are started anew after they were killed, in one session."""

_TICK_SECONDS = 0.2
_GRACE_SECONDS = 15.0


class OnTick(Protocol):
    """Called a few times a second while a search runs."""

    def __call__(self) -> None:
        """Look at the journal, or at nothing."""
        ...


@dataclass
class Session:
    """One session on a study: from its first worker to its last.

    Attributes:
        store: the study.
        folder: receives the runs and the workers' logs.
        n_workers: how many trials run at the same time.
        notes: what of the command was understood in another way than it stands there.
        replaced: workers that were killed and replaced.
    """

    store: Store
    folder: Path
    n_workers: int = 1
    notes: tuple[str, ...] = ()
    replaced: int = 0
    _workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict[int, "subprocess.Popen[bytes]"])

    def run(self, on_tick: OnTick | None = None) -> None:
        """Work until the study is complete, the time is up, or there is a reason to stop.

        Raises:
            SearchFailedError: the script fails, or ignores its arguments; or a worker failed.
            UsageError: the objective was not recorded.
            KeyboardInterrupt: Ctrl-C; every script was ended and its parameters queued again.
        """
        timeout = self.store.plan.timeout
        deadline = time.time() + timeout if timeout is not None else math.inf
        horizon = self._horizon()
        try:
            for slot in range(self.n_workers):
                self._start(slot, deadline, horizon)
            while self._workers:
                time.sleep(_TICK_SECONDS)
                self._replace_the_dead(deadline, horizon)
                if on_tick is not None:
                    on_tick()
        finally:
            self._end()
        self._raise_if_stopped()

    def _start(self, slot: int, deadline: float, horizon: int) -> None:
        runs = self.folder / RUNS
        words = [str(self.store.path), str(runs), repr(deadline), str(horizon)]
        output: IO[bytes]
        with (self.folder / f"worker-{slot + 1}.log").open("ab") as output:
            self._workers[slot] = subprocess.Popen(
                [sys.executable, "-m", "traindoctor.tuning_worker", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _replace_the_dead(self, deadline: float, horizon: int) -> None:
        for slot, worker in list(self._workers.items()):
            code = worker.poll()
            if code is None:
                continue
            del self._workers[slot]
            if code > 0:
                path = self.folder / f"worker-{slot + 1}.log"
                lines = path.read_text(errors="replace").strip().splitlines()
                raise SearchFailedError(f"a worker failed: {lines[-1] if lines else 'no words'} (see {path})")
            if code < 0 and self.replaced < MOST_REPLACED and time.time() < deadline:
                self.replaced += 1
                self._start(slot, deadline, horizon)

    def _end(self) -> None:
        """Have every worker end its script and queue its parameters again."""
        for worker in self._workers.values():
            worker.send_signal(signal.SIGTERM)
        limit = time.monotonic() + _GRACE_SECONDS
        for worker in self._workers.values():
            with suppress(subprocess.TimeoutExpired):
                worker.wait(max(0.1, limit - time.monotonic()))
            worker.kill()
            worker.wait()
        self._workers.clear()

    def _raise_if_stopped(self) -> None:
        found = self.store.stopped()
        if found is None or not found.get("sentence"):
            return
        kinds = {"ObjectiveMissingError": ObjectiveMissingError, "UsageError": UsageError}
        raise kinds.get(found.get("kind", ""), SearchFailedError)(found["sentence"])

    def _horizon(self) -> int:
        """Optimizer steps of a full run, for a schedule set through the hook: measured by one run."""
        space = self.store.space
        if not any(p.is_hook and p.name == "schedule" for p in space.parameters):
            return 0
        known = self.store.horizon()
        if known:
            return known
        middle: dict[str, Any] = {p.name: at_share(p, 0.5) for p in space.parameters}
        plain = Space(tuple(p for p in space.parameters if not p.is_hook), space.argv)
        ended = begin(self.store.plan, plain, middle, self.folder / RUNS, "pilot", 0).wait()
        n_steps = read_run(ended.path).n_steps if not ended.failure else 0
        if not n_steps:
            raise SearchFailedError(f"the run that measures the number of steps failed: {ended.failure}")
        self.store.keep_horizon(n_steps)
        return n_steps


def objective_direction(objective: str) -> str:
    """`lower` or `higher` for a series, from its name.

    Raises:
        UsageError: the name does not tell.
    """
    if objective.startswith("loss/"):
        return "lower"
    words = re.findall(r"[a-z]+\d*|\d+", objective.lower())
    found = better_of_words([word for word in words if word not in ("validation", "train", "test")])
    if not found:
        raise UsageError(
            f"--objective {objective}: its name does not tell which values are better; say --direction"
        )
    return found


def open_session(plan: Plan, folder: Path, journal: Path | None = None, workers: int = 1) -> Session:
    """Check the plan, then begin or continue its study.

    Raises:
        UsageError: the plan is off, contradicts the study's, or the folder cannot be made.
    """
    space = read_space(plan.command, plan.hooks)
    if plan.method == "grid":
        grid(space.parameters, plan.trials, plan.seed)
    if workers < 1:
        raise UsageError(f"--workers: expected at least 1, found {workers}")
    path = journal or folder / JOURNAL
    try:
        (folder / RUNS).mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder {folder}: {error.strerror}; choose another with -o"
        ) from None
    plan = replace(plan, command=space.argv)
    return Session(Store(path.absolute(), plan), folder.absolute(), workers, space.notes)


def tune(
    command: Sequence[str],
    *,
    out: Path | str = "traindoctor-tune",
    hooks: Sequence[str] = (),
    workers: int = 1,
    **options: Any,
) -> Search:
    """Search a script's hyper-parameters; see docs/tune.md.

    Args:
        command: the script and its arguments with placeholders, `["train.py", "--lr", "{lr:log:1e-5:1}"]`.
        out: folder of the study; the same call continues it.
        hooks: what is set through the optimizer's step hook, `["lr:log:1e-5:1"]`.
        workers: trials at the same time.
        options: further fields of `Plan`: `objective`, `better`, `score`, `method`, `trials`, `prune`,
            `seed`, `timeout`.

    Raises:
        UsageError: the call is off, or the objective was not recorded.
        SearchFailedError: the script fails or ignores its arguments.
        MissingDependencyError: Optuna is not installed.
    """
    objective = options.get("objective", "loss/validation")
    better = options.pop("better", "") or objective_direction(objective)
    plan = Plan(tuple(command), tuple(hooks), better=better, **options)
    session = open_session(plan, Path(out), workers=workers)
    session.run()
    return summarise(load_study(session.store.path))


def cost_sentence(plan: Plan, space: Space, study: Study, workers: int) -> str:
    """What a search is going to cost, before it begins."""
    ended = [trial for trial in study.trials if trial.state not in ("lost", "running", "waiting")]
    n_all = len(grid(space.parameters, plan.trials, plan.seed)) if plan.method == "grid" else plan.trials
    left = max(0, n_all - len(ended))
    known = [trial.seconds for trial in ended if trial.state == "complete" and math.isfinite(trial.seconds)]
    each = sum(known) / len(known) if known else math.nan
    begun = f"{len(ended)} of {n_all} trials are done; " if ended else ""
    names = ", ".join(describe_parameter(p) for p in space.parameters)
    time_text = "the first will tell how long one takes"
    if math.isfinite(each):
        time_text = f"about {each * left / workers / 60:.1f} min at {each:.3g} s each"
    pilot = ""
    if not ended and any(p.is_hook and p.name == "schedule" for p in space.parameters):
        pilot = ", and one run before them that measures the number of steps"
    start = f", the first {start_length(n_all)} spread evenly" if plan.method in ("tpe", "gp") else ""
    return (
        f"{begun}{left} full runs of the script at most{pilot}, {workers} at a time ({time_text}); "
        f"method {plan.method}{start}; searching {names}; judged by {plan.objective} ({plan.score}, "
        f"{plan.better} is better), pruning: {plan.prune}"
    )


def describe_parameter(parameter: Any) -> str:
    """A parameter and its range in a few words."""
    how = " through the optimizer" if parameter.is_hook else ""
    if parameter.kind == "choice":
        return f"{parameter.name} in {', '.join(map(str, parameter.choices))}{how}"
    scale = {"log": " (logarithmic)", "int": f" (whole, step {parameter.step})"}.get(parameter.kind, "")
    return f"{parameter.name} {parameter.low:g} to {parameter.high:g}{scale}{how}"


def study_diagnosis(path: Path, name: str, diagnose: Callable[[Run], Diagnosis]) -> Diagnosis:
    """The search in an Optuna storage, and the diagnosis of its best trial.

    Args:
        path: an SQLite database or a journal.
        name: which study, where there are several.
        diagnose: diagnoses one run.

    Raises:
        UnreadableLogError, UsageError: see `load_study`.
    """
    search = summarise(load_study(path, name))
    run = best_run(search)
    found = diagnose(run)
    sentences = [search.sentence, *search.warnings, *(edge.sentence for edge in search.edges)]
    state = found.verdict.state if run.n_steps else "not-assessable"
    return replace(found, search=search, verdict=Verdict(state, " ".join(sentences)))


def best_run(search: Search) -> Run:
    """The best trial's recorded run; where there is none, what it reported; an empty run without a best."""
    study, best = search.study, search.best
    if best is None:
        return Run(study.name, study.name, info=RunInfo(source="optuna", path=study.path))
    name = f"{study.name} trial {best.number}"
    with suppress(TraindoctorError):
        if best.run:
            return replace(read_run(Path(best.run)), name=name)
    series: Mapping[str, Series] = {}
    if best.reports:
        steps, values = zip(*sorted(dict(best.reports).items()), strict=True)
        series = {"objective/validation": Series(list(map(int, steps)), list(values))}  # type: ignore[arg-type]
    info = RunInfo(
        status="finished",
        source="optuna",
        path=study.path,
        x_unit="steps",
        loss_role="objective",
        config=dict(best.parameters),
        series={"objective/validation": SeriesInfo("intermediate value", "validation", study.better)},
    )
    return Run(name.replace(" ", "-"), name, series, info=info)
