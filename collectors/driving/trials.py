"""One run of the user's command under orders: started, followed, stopped, and judged by its reports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO

from traindoctor.errors import UsageError

from ..launcher.command import LaunchOptions, child_environment, full_command, is_isolated, prepare
from .orders import FILE_NAME, VARIABLE, Orders
from .reports import DriverReport, read_reports
from .seeding import VARIABLE as SEED_VARIABLE

OUTPUT_NAME = "output.txt"
"""Standard output and error of a trial, in the run's folder."""

_POLL_SECONDS = 0.1
_TAIL = 400


@dataclass(frozen=True)
class Trial:
    """A driven run that has ended.

    Attributes:
        path: the run's folder; `traindoctor.load(path)` reads it.
        name: what the trial is called.
        seed: seed that was given, None if none.
        exit_code: as a shell sees it; 0 also when the script was ended by `Orders.max_steps`.
        seconds: wall-clock time from start to end.
        steps: optimizer steps that were driven, in the process of the lowest rank.
        failure: why nothing may be concluded from this run, in a sentence; "" when the orders were followed.
        is_stopped: `stop` or a time limit ended it.
        notes: what a reader of the result has to know, in sentences.
        reports: what the processes said about themselves, lowest rank first.
    """

    path: Path
    name: str
    seed: int | None
    exit_code: int
    seconds: float
    steps: int
    failure: str
    is_stopped: bool
    notes: tuple[str, ...]
    reports: tuple[DriverReport, ...]

    @property
    def is_good(self) -> bool:
        """Whether the run did what it was told, to its end."""
        return not self.failure


class RunningTrial:
    """A driven run in progress, in a process group of its own. Leaving a `with` block stops it.

    Attributes:
        path: the run's folder, whose log grows while it runs.
        name: what the trial is called.
        seed: seed that was given.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], path: Path, name: str, seed: int | None, orders: Orders
    ) -> None:
        self.path = path
        self.name = name
        self.seed = seed
        self._process = process
        self._orders = orders
        self._began = time.monotonic()
        self._stopped_why = ""
        self._ended: Trial | None = None

    def __enter__(self) -> RunningTrial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the command, which is also the id of its process group."""
        return self._process.pid

    def poll(self) -> Trial | None:
        """How it ended; None while it runs."""
        if self._ended is None and self._process.poll() is not None:
            self._ended = self._judge(self._process.returncode)
        return self._ended

    def wait(self, timeout: float | None = None) -> Trial:
        """Wait for its end; after `timeout` seconds it is stopped. Interrupted, it is stopped as well."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.stop(why=f"stopped after {timeout:g} s, the limit for one run")
        except BaseException:
            self.stop()
            raise
        ended = self.poll()
        assert ended is not None
        return ended

    def stop(self, grace: float = 5.0, why: str = "stopped on request") -> Trial:
        """End it with everything it started: SIGTERM, and SIGKILL after `grace` seconds. Idempotent."""
        if (ended := self.poll()) is not None:
            return ended
        self._stopped_why = why
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))  # also what survived its leader
        self._process.wait()
        ended = self.poll()
        assert ended is not None
        return ended

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, number)
            else:
                self._process.terminate()

    def _judge(self, returncode: int) -> Trial:
        reports = tuple(read_reports(self.path))
        code = 128 - returncode if returncode < 0 else returncode
        trial = Trial(
            self.path,
            self.name,
            self.seed,
            code,
            time.monotonic() - self._began,
            reports[0].steps if reports else 0,
            "",
            bool(self._stopped_why),
            tuple(dict.fromkeys(note for report in reports for note in report.notes)),
            reports,
        )
        return replace(trial, failure=self._stopped_why or self._failure(trial))

    def _failure(self, trial: Trial) -> str:
        """Why nothing may be concluded, "" when something may."""
        if told := next((report.failure for report in trial.reports if report.failure), ""):
            return told
        if trial.exit_code:
            last = last_words(self.path / OUTPUT_NAME)
            return f"the script ended with code {trial.exit_code}{': ' + last if last else ''}"
        if self._orders.drives_optimizer and not any(report.steps for report in trial.reports):
            return (
                "no step of a torch optimizer was seen, so nothing was changed; the script must train with "
                "an optimizer of torch.optim in the Python that has traindoctor installed"
            )
        return ""


def start_trial(
    command: Sequence[str],
    orders: Orders,
    *,
    out: Path,
    name: str,
    seed: int | None = None,
    seed_argument: str | None = None,
    environ: Mapping[str, str] | None = None,
    inherit_output: bool = False,
    every: int | None = None,
    budget: float | None = None,
) -> RunningTrial:
    """Start the user's command under orders, recorded, and return at once.

    Args:
        command: as for `traindoctor run`: `["train.py", "--lr", "1"]`, `["torchrun", …]`.
        orders: what to do differently.
        out: folder that receives the run's folder.
        name: what to call the run.
        seed: seed of the run; None = the script's own.
        seed_argument: how the script takes a seed, e.g. `--seed` (two words are appended) or `seed=` (one).
            Without it the seed is set for `random`, numpy and torch as they are imported.
        environ: further environment variables.
        inherit_output: let the script write to our standard output and error instead of to `output.txt`.
        every: see `LaunchOptions`.
        budget: see `LaunchOptions`.

    Raises:
        UsageError: the command cannot be started or ignores PYTHONPATH, or the folder cannot be made.
    """
    words = list(command)
    if seed is not None:
        words += _seed_words(seed, seed_argument)
        orders = replace(orders, seed=seed)
    full = full_command(words)
    if is_isolated(full):
        raise UsageError(f"{' '.join(full[:2])} ignores PYTHONPATH, so the script cannot be driven")
    handover = prepare(words, LaunchOptions(out, every, name, budget))
    orders.write(handover.run_folder / FILE_NAME)
    variables = {**os.environ, **(environ or {})}
    child = child_environment(handover, variables)
    child[VARIABLE] = str(handover.run_folder / FILE_NAME)
    child["TRAINDOCTOR_PARENT"] = str(os.getpid())
    if seed is not None:
        child["PYTHONHASHSEED"] = str(seed)
        child[SEED_VARIABLE] = str(seed)
    output: IO[bytes] | None = None if inherit_output else (handover.run_folder / OUTPUT_NAME).open("wb")
    sys.stdout.flush()
    try:
        process = subprocess.Popen(
            full,
            env=child,
            stdin=None if inherit_output else subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"cannot start {full[0]}: {error.strerror}") from None
    finally:
        if output is not None:
            output.close()
    return RunningTrial(process, handover.run_folder, name, seed, orders)


def run_trial(
    command: Sequence[str],
    orders: Orders,
    *,
    out: Path,
    name: str,
    seed: int | None = None,
    seed_argument: str | None = None,
    environ: Mapping[str, str] | None = None,
    timeout: float | None = None,
    on_progress: Callable[[RunningTrial], None] | None = None,
    inherit_output: bool = False,
    every: int | None = None,
    budget: float | None = None,
) -> Trial:
    """Run the user's command under orders and wait for it; see `start_trial`.

    Args:
        timeout: seconds after which it is stopped.
        on_progress: called about ten times a second while it runs; it may call `stop`.
    """
    running = start_trial(
        command,
        orders,
        out=out,
        name=name,
        seed=seed,
        seed_argument=seed_argument,
        environ=environ,
        inherit_output=inherit_output,
        every=every,
        budget=budget,
    )
    if on_progress is None:
        return running.wait(timeout)
    began = time.monotonic()
    with running:
        while (ended := running.poll()) is None:
            on_progress(running)
            if timeout is not None and time.monotonic() - began > timeout:
                return running.stop(why=f"stopped after {timeout:g} s, the limit for one run")
            time.sleep(_POLL_SECONDS)
    return ended


def last_words(path: Path) -> str:
    """The last line that a script wrote, shortened; "" when it wrote none."""
    try:
        data = path.read_bytes()[-4096:]
    except OSError:
        return ""
    lines = [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:_TAIL] if lines else ""


def _seed_words(seed: int, argument: str | None) -> list[str]:
    if not argument:
        return []
    return [f"{argument}{seed}"] if argument.endswith("=") else [argument, str(seed)]
