"""One worker of a search: asks the study for values, runs the script with them, tells what came out."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from .errors import TraindoctorError
from .tuning_plan import Outcome
from .tuning_store import Store
from .tuning_trial import Following, ObjectiveMissingError, begin, follow

FAILURES_AT_START = 3
"""Trials that fail with none before them that did not: there the search is given up."""

SAME_AT_START = 4
"""Completed trials with the same objective to the last digit: there the script ignores its arguments."""

_WAIT_SECONDS = 0.3


class Worker:
    """Works on a study until it is done, is told to stop, or its parent is gone.

    Attributes:
        store: the study.
        runs: folder that receives the runs.
        deadline: clock (`time.time`) after which it stops, infinite for none.
        horizon: optimizer steps of a full run, 0 when unknown; for schedules set through the hook.
    """

    def __init__(self, store: Store, runs: Path, deadline: float = math.inf, horizon: int = 0) -> None:
        self.store = store
        self.runs = runs
        self.deadline = deadline
        self.horizon = horizon
        self._parent = os.getppid()
        self._is_told_to_stop = False

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Signal handler: end the running script and leave."""
        del number, frame
        self._is_told_to_stop = True

    def goes_on(self) -> bool:
        """Whether the session lasts."""
        return not self._is_told_to_stop and os.getppid() == self._parent and time.time() < self.deadline

    def work(self) -> None:
        """Take trials until there are none left."""
        while self.goes_on():
            with self.store.turn():
                what, trial = self.store.next()
            if what == "done":
                return
            if what == "wait":
                time.sleep(_WAIT_SECONDS)
                continue
            try:
                outcome = self._one(trial)
            except TraindoctorError as error:
                self._tell(trial, Outcome("failed", why=str(error)), error)
                continue
            except BaseException:
                with self.store.turn():
                    self.store.tell(trial, Outcome("lost", why="its worker ended with an error"))
                raise
            self._tell(trial, outcome)

    def _tell(self, trial: Any, outcome: Outcome, error: TraindoctorError | None = None) -> None:
        with self.store.turn():
            self.store.tell(trial, outcome)
            if error is None:
                self._give_up_if_hopeless()
            else:
                self._stop_for(error)

    def _one(self, trial: Any) -> Outcome:
        plan = self.store.plan
        name = f"trial-{trial.number:04d}"
        running = begin(plan, self.store.space, trial.params, self.runs, name, self.horizon)
        with running:
            self.store.note_script(trial, running.pid, running.path)
            following = Following(
                plan,
                running.path,
                self.store.measured(),
                lambda number, value: self.store.should_stop(trial, number, value),
            )
            return self._checked(follow(running, following, self.goes_on))

    def _checked(self, outcome: Outcome) -> Outcome:
        """A trial whose length does not fit the schedule that was set through the hook has failed."""
        planned = self.horizon
        if outcome.state != "complete" or not planned or abs(outcome.steps - planned) <= 0.05 * planned:
            return outcome
        why = (
            f"took {outcome.steps} optimizer steps where the schedule was planned over {planned}: with the "
            "schedule set through the hook, no searched argument may change the length of the training"
        )
        return Outcome("failed", why=why, seconds=outcome.seconds, steps=outcome.steps)

    def _stop_for(self, error: TraindoctorError) -> None:
        """A call that cannot work, or an objective that nothing recorded, ends the search; others do not."""
        is_first = not any(trial.values for trial in self.store.trials())
        if is_first or not isinstance(error, ObjectiveMissingError):
            self.store.stop(type(error).__name__, str(error))

    def _give_up_if_hopeless(self) -> None:
        ended = [
            t for t in self.store.trials() if t.state.is_finished() and t.user_attrs.get("outcome") != "lost"
        ]
        outcomes = [trial.user_attrs.get("outcome") for trial in ended]
        if len(ended) == FAILURES_AT_START and set(outcomes) == {"failed"}:
            why = ended[-1].user_attrs.get("why", "")
            self.store.stop("SearchFailedError", f"the first {FAILURES_AT_START} trials failed: {why}")
        done = [trial for trial, outcome in zip(ended, outcomes, strict=True) if outcome == "complete"]
        settings = {str(sorted(trial.params.items())) for trial in done}
        if len(done) >= SAME_AT_START == len(settings) and len({trial.value for trial in done}) == 1:
            self.store.stop(
                "SearchFailedError",
                f"the first {len(done)} completed trials have the same {self.store.plan.objective} to the "
                f"last digit ({done[0].value:.6g}) although their parameters differ: the script seems to "
                "ignore the arguments that are searched; check their names, or set values with --hook",
            )


def main(arguments: list[str]) -> int:
    """`python -m traindoctor.tuning_worker JOURNAL RUNS DEADLINE HORIZON`, started by `traindoctor tune`."""
    journal, runs, deadline, horizon = arguments
    worker = Worker(Store(Path(journal)), Path(runs), float(deadline), int(horizon))
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which ends its workers
    worker.work()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
