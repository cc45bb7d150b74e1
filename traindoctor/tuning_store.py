"""The study of a search in a journal that several workers share: whose turn, what next, what came out."""

from __future__ import annotations

import dataclasses
import math
import os
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from .analyzer.search.design import even_start, grid
from .analyzer.search.space import Space, read_space
from .collectors.importers.optuna_search import OUTCOME, PLAN, RUN, SECONDS, WHY
from .errors import MissingDependencyError, UnreadableLogError, UsageError
from .tuning_lock import KernelLock
from .tuning_plan import Measured, Outcome, Plan
from .tuning_processes import end_group, identity, lives
from .tuning_samplers import distribution_of, sampler_of, start_length

NAME = "tune"
_MEASURED, _STOP, _HORIZON = "measured", "stop", "horizon"
_WORKER, _SCRIPT, _AGAIN = "worker", "script", "again"


def optuna_module() -> Any:
    """Optuna, quiet.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError(
            "expected Optuna for a search, but it is not installed; install it with: "
            "pip install 'traindoctor[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class Store:
    """A study in its journal. Everything that changes it happens in `turn()`, but for reports of a trial.

    Attributes:
        path: the journal.
        plan: what was asked for.
        space: what is searched.
    """

    def __init__(self, path: Path, plan: Plan | None = None) -> None:
        """Open a study, or begin it with a plan.

        Raises:
            UsageError: there is no study and no plan, or the plan contradicts the study's.
            UnreadableLogError: the file is no journal.
            MissingDependencyError: Optuna is not installed.
        """
        self._optuna = optuna_module()
        self.path = path
        self._turn = KernelLock(path.with_name(path.name + ".turn"))
        if plan is None and not path.exists():
            raise UsageError(f"expected a study to continue, found nothing at {path}")
        with self._turn.held():
            cut = KernelLock(path.with_name(path.name + ".lock"), path)
            with cut.held():
                pass
            self._storage = self._opened(cut)
            self._study = self._begun(plan)
        self.plan = self._stored_plan()
        self.space: Space = read_space(self.plan.command, self.plan.hooks)

    def _opened(self, lock: KernelLock) -> Any:
        journal: Any = self._optuna.storages.journal
        try:
            return self._optuna.storages.JournalStorage(
                journal.JournalFileBackend(str(self.path), lock_obj=lock)
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableLogError(
                f"{self.path} is not the journal of an Optuna study ({error}); choose another file"
            ) from None

    def _begun(self, plan: Plan | None) -> Any:
        optuna = self._optuna
        names = optuna.get_all_study_names(self._storage)
        if NAME in names:
            study = self._loaded()
            stored = Plan.from_json(study.user_attrs.get(PLAN, {}))
            if plan is None:
                return study
            differences = plan.differences(stored)
            if differences and not any(trial.values for trial in study.get_trials(deepcopy=False)):
                optuna.delete_study(study_name=NAME, storage=self._storage)  # nothing was learnt under it
                return self._begun(plan)
            if differences:
                raise UsageError(
                    f"{self.path} was begun with another plan ({'; '.join(differences)}); repeat the "
                    "command it was begun with to continue it, or choose another folder with -o"
                )
        elif plan is None:
            raise UsageError(f"{self.path} holds no study of traindoctor tune, found {names or 'none'}")
        else:
            direction = "minimize" if plan.better == "lower" else "maximize"
            study = optuna.create_study(storage=self._storage, study_name=NAME, direction=direction)
        self._keep_plan(study, plan)
        study.set_user_attr(_STOP, None)
        return study

    def _keep_plan(self, study: Any, plan: Plan) -> None:
        space = read_space(plan.command, plan.hooks)
        extra = {
            "order": [parameter.name for parameter in space.parameters],
            "hooked": [parameter.name for parameter in space.parameters if parameter.is_hook],
        }
        study.set_user_attr(PLAN, {**plan.to_json(), **extra})

    def _stored_plan(self) -> Plan:
        return Plan.from_json(self._study.user_attrs.get(PLAN, {}))

    def _loaded(self, sampler: Any = None, pruner: Any = None) -> Any:
        optuna = self._optuna
        return optuna.load_study(
            study_name=NAME,
            storage=self._storage,
            sampler=sampler or optuna.samplers.RandomSampler(seed=0),
            pruner=pruner or optuna.pruners.NopPruner(),
        )

    @contextmanager
    def turn(self) -> Generator[None]:
        """Hold the study: no other worker asks, tells or buries meanwhile."""
        with self._turn.held():
            yield

    def stop(self, kind: str, sentence: str) -> None:
        """Tell every worker to begin no further trial, and why."""
        self._study.set_user_attr(_STOP, {"kind": kind, "sentence": sentence})

    def stopped(self) -> dict[str, str] | None:
        """Why no further trial shall begin: `kind` (name of an error class, or "") and `sentence`."""
        found = self._study.user_attrs.get(_STOP)
        return found if isinstance(found, dict) else None

    def measured(self) -> Measured | None:
        """What the first completed trial showed, None before."""
        found = self._study.user_attrs.get(_MEASURED)
        return Measured(**found) if isinstance(found, dict) else None

    def horizon(self) -> int:
        """Optimizer steps of a full run as measured before, 0 when unknown."""
        found = self._study.user_attrs.get(_HORIZON)
        return found if isinstance(found, int) else 0

    def keep_horizon(self, n_steps: int) -> None:
        """Keep the measured number of optimizer steps."""
        self._study.set_user_attr(_HORIZON, n_steps)

    def trials(self) -> Sequence[Any]:
        """All trials as Optuna holds them."""
        found: Sequence[Any] = self._study.get_trials(deepcopy=False)
        return found

    def next(self) -> tuple[Literal["run", "wait", "done"], Any]:
        """What a worker does next; to be called in `turn()`.

        `run` comes with an Optuna trial whose parameters are drawn. `wait`: others still run, and one of them
        may have to be repeated. Trials of dead workers are buried and queued again first.
        """
        self._bury_the_dead()
        if self.stopped() is not None:
            return "done", None
        states = self._optuna.trial.TrialState
        trials = self.trials()
        running = [trial for trial in trials if trial.state == states.RUNNING]
        queued = [trial for trial in trials if trial.state == states.WAITING]
        counted = [t for t in trials if t.state.is_finished() and t.user_attrs.get(OUTCOME) != "lost"]
        if not queued and len(counted) + len(running) >= self.plan.trials:
            return ("wait" if running else "done"), None
        trial = self._asked(trials, bool(queued))
        if trial is None:
            return ("wait" if running else "done"), None
        trial.set_user_attr(_WORKER, identity(os.getpid()))
        return "run", trial

    def _asked(self, trials: Sequence[Any], has_queued: bool) -> Any:
        """A new trial, the oldest queued one first; None when a grid is used up."""
        plan, parameters = self.plan, self.space.parameters
        first = [trial for trial in trials if _AGAIN not in trial.user_attrs]
        n = len(first)
        sampler: Any = None
        if not has_queued:
            if plan.method == "grid":
                points = grid(parameters, plan.trials, plan.seed)
                if n >= len(points):
                    return None
                self._study.enqueue_trial(points[n])
            elif plan.method in ("tpe", "gp") and n < start_length(plan.trials):
                start = even_start(parameters, start_length(plan.trials), plan.seed)
                self._study.enqueue_trial(start[n])
            else:
                sampler = sampler_of(self._optuna, plan, n)
        study = self._loaded(sampler)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna's own remarks on its samplers
            trial = study.ask({p.name: distribution_of(self._optuna, p) for p in parameters})
        trial.study.pruner = self._pruner()
        return trial

    def _pruner(self) -> Any:
        measured = self.measured()
        if self.plan.prune == "none" or measured is None:
            return self._optuna.pruners.NopPruner()
        rungs = max(1, measured.evaluations // measured.stride)
        return self._optuna.pruners.HyperbandPruner(1, rungs, 3)

    def note_script(self, trial: Any, pid: int, run: Path) -> None:
        """Which process the trial's script is, so that whoever finds its worker dead can end it."""
        trial.set_user_attr(RUN, str(run))
        trial.set_user_attr(_SCRIPT, identity(pid))

    def should_stop(self, trial: Any, report: int, value: float) -> bool:
        """Store a value reported on the way (1-based number); whether Hyperband gives the trial up.

        Not at the last one: what that would save is already spent.
        """
        trial.report(value, report)
        measured = self.measured()
        is_last = measured is not None and report >= measured.evaluations // measured.stride
        return not is_last and bool(trial.should_prune())

    def tell(self, trial: Any, outcome: Outcome) -> None:
        """Store how a trial ended; to be called in `turn()`.

        A diverged trial is told as completed with its penalty, so that the sampler learns to stay away.
        """
        states = self._optuna.trial.TrialState
        trial.set_user_attr(OUTCOME, outcome.state)
        trial.set_user_attr(SECONDS, outcome.seconds)
        if outcome.why:
            trial.set_user_attr(WHY, outcome.why)
        if outcome.state == "complete" and self.measured() is None and outcome.points:
            self._measure(outcome)
        if outcome.state == "complete":
            self._report_late(trial, outcome)
            self._study.tell(trial.number, outcome.value)
        elif outcome.state == "diverged" and math.isfinite(penalty := self._penalty(outcome)):
            self._study.tell(trial.number, penalty)
        elif outcome.state == "pruned":
            self._study.tell(trial.number, state=states.PRUNED)
        else:
            self._study.tell(trial.number, state=states.FAIL)
        if outcome.state == "lost":
            self._queue_again(trial)

    def _measure(self, outcome: Outcome) -> None:
        stride = max(1, -(-len(outcome.points) // 81))
        measured = Measured(len(outcome.points), stride, outcome.seconds)
        self._study.set_user_attr(_MEASURED, dataclasses.asdict(measured))

    def _report_late(self, trial: Any, outcome: Outcome) -> None:
        """The values of a trial that ended before anybody knew how far apart reports should be."""
        measured = self.measured()
        known = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
        if measured is None or known:
            return
        for k, value in enumerate(outcome.points[measured.stride - 1 :: measured.stride], start=1):
            if math.isfinite(value):
                trial.report(value, k)

    def _penalty(self, outcome: Outcome) -> float:
        """What a diverged trial counts as: its own limit, or the worst value that any trial had."""
        values = [outcome.penalty, *outcome.points]
        values += [trial.value for trial in self.trials() if trial.values]
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return math.nan
        if math.isfinite(outcome.penalty):
            return outcome.penalty
        return max(finite) if self.plan.better == "lower" else min(finite)

    def _bury_the_dead(self) -> None:
        """Fail the trials whose worker is gone, end their scripts, and queue their parameters again."""
        states = self._optuna.trial.TrialState
        for frozen in self.trials():
            if frozen.state != states.RUNNING or lives(frozen.user_attrs.get(_WORKER)):
                continue
            end_group(frozen.user_attrs.get(_SCRIPT))
            trial = self._optuna.trial.Trial(self._study, frozen._trial_id)
            trial.set_user_attr(OUTCOME, "lost")
            trial.set_user_attr(WHY, "its worker was killed; the same parameters were queued again")
            self._study.tell(frozen.number, state=states.FAIL)
            self._queue_again(frozen)

    def _queue_again(self, trial: Any) -> None:
        if trial.params:
            self._study.enqueue_trial(trial.params, user_attrs={_AGAIN: trial.number})
