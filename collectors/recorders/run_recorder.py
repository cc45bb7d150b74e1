"""One recorded run in this process: its log, the parts that record, and what they share."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from torch.optim import Optimizer

from traindoctor.names import LOSS_TRAIN

from ..options import RecorderOptions
from . import restart
from .amp import AmpRecorder
from .architecture import group_labels
from .baseline import BaselineRecorder
from .clipping import ClippingRecorder
from .evaluation import EvaluationRecorder
from .governor import governors
from .inferences import TRAINING_LOSS, Inferences
from .internals import living_optimizers
from .loader import LoaderRecorder
from .loss import LossRecorder
from .loss_functions import LossFunctionRecorder
from .model import ModelRecorder
from .network import NetworkRecorder
from .optimizer_step import StepRecorder
from .parameters import ParameterRecorder
from .part import Part
from .patches import Patches
from .predictions import PredictionRecorder
from .process_end import call_at_end_of_child
from .scalars import write_rows
from .self_test import omissions
from .sink import Sink
from .state import ThreadState, Track
from .statistics import ParameterStatistics


class Local(threading.local):
    """What is known about each thread: `state` is the one of whoever asks."""

    def __init__(self, states: list[ThreadState]) -> None:
        self.state = ThreadState()
        states.append(self.state)


class Recorder:
    """Everything of one recorded run in this process.

    Attributes:
        options: see `RecorderOptions`.
        sink: the log.
        spent_ns: time spent in hooks so far.
        backward_calls: calls of backward so far.
        rootless_calls: those of them that were given no single number.
        steps: optimizer steps so far, over all optimizers.
        is_spread: other ranks train, too.
        is_entered: `watch` was used as a context manager.
        is_launched: started by `traindoctor run`.
        at_end_of_child: called when a child of multiprocessing ends.
    """

    def __init__(self, run_id: str, folder: Path, options: RecorderOptions, facts: Mapping[str, Any]) -> None:
        self.options = options
        self.sink = Sink(run_id, folder, {"name": options.name, **facts}, options.flush_seconds)
        self.at_end_of_child: Callable[[], None] = lambda: None
        self.is_installed = False
        self.is_entered = False
        self.is_launched = False
        self._patches = Patches()
        self.model = ModelRecorder(self)
        self.network = NetworkRecorder(self)
        self.parameters = ParameterRecorder(self)
        self.loader = LoaderRecorder(self)
        self.evaluation = EvaluationRecorder(self)
        self.predictions = PredictionRecorder(self)
        self.baseline = BaselineRecorder(self)
        self.step = StepRecorder(self)
        self.amp = AmpRecorder(self)
        self.parts: tuple[Part, ...] = (
            self.step,
            LossRecorder(self),
            self.amp,
            ClippingRecorder(self),
            self.loader,
            LossFunctionRecorder(self),
            self.evaluation,
            self.predictions,
            self.baseline,
            self.parameters,
            self.model,
            self.network,
        )
        self._registry: dict[int, weakref.ref[Optimizer]] = {}
        self._reset()

    def _reset(self) -> None:
        """Begin with nothing: at the start, and in a forked child."""
        self.began_ns = perf_counter_ns()
        self.spent_ns = 0
        self.backward_calls = self.rootless_calls = 0
        self.steps = 0
        self.is_spread = False
        self.first: Track | None = None
        self._n_tracks = 0
        self._states: list[ThreadState] = []
        self.local = Local(self._states)
        self._lock = threading.Lock()
        self._notes: list[str] = []
        self._inferences = Inferences()
        self._said: set[str] = set()

    def install(self) -> None:
        """Put every hook in place; a part that cannot be installed is left out. Idempotent."""
        if self.is_installed:
            return
        self.is_installed = True
        for part in self.parts:
            try:
                part.off = part.has_failed
                part.install(self._patches)
            except Exception as error:
                part.fail(error)

    def adopt(self, model: Any, optimizers: list[Optimizer]) -> None:
        """Use what the user named; without optimizers, find those that were made before us. Never raises."""
        try:
            if model is not None:
                self.model.add(model)
            for optimizer in optimizers or living_optimizers():
                self.register(optimizer)
        except Exception as error:
            self.report_failure("optimizers", error)

    def uninstall(self) -> None:
        """Take every hook away. Idempotent."""
        if not self.is_installed:
            return
        self.is_installed = False
        for part in self.parts:
            part.off = True
            try:
                part.uninstall()
            except Exception as error:
                self.report_failure(part.name, error)
        self._patches.restore()

    def state(self) -> ThreadState:
        """What is known about this thread."""
        return self.local.state

    def register(self, optimizer: Optimizer) -> None:
        """An optimizer exists. Weak: it may go whenever the user lets it."""
        key = id(optimizer)
        known = self._registry.get(key)
        if known is None or known() is not optimizer:
            registry = self._registry
            self._registry[key] = weakref.ref(optimizer, lambda gone: registry.pop(key, None))

    def states(self) -> list[ThreadState]:
        """What is known about every thread."""
        return list(self._states)

    def optimizers(self) -> list[Optimizer]:
        """The optimizers that are alive."""
        return [o for ref in list(self._registry.values()) if (o := ref()) is not None]

    def lone_track(self, state: ThreadState) -> Track | None:
        """The track of the only optimizer of the process; None when there are others, or it is not known."""
        if len(self._registry) == 1:
            for key in self._registry:
                track = state.tracks.get(key)
                if track is not None and track.optimizer() is not None:
                    return track
        return None

    def track(self, state: ThreadState, optimizer: Optimizer) -> Track:
        """What is known about an optimizer in this thread."""
        track = state.tracks.get(id(optimizer))
        if track is not None and track.optimizer() is optimizer:
            return track
        if track is not None:
            write_rows(
                self.sink, track, wait=True
            )  # of an optimizer that is gone and whose id was given again
        self.register(optimizer)
        layouts: dict[tuple[int, ...], ParameterStatistics] = {}
        track = Track(
            weakref.ref(optimizer, lambda gone: layouts.clear()),
            type(optimizer).__name__,
            *governors(self.options.budget, self.options.every),
            first_parameter=next((id(p) for g in optimizer.param_groups for p in g["params"]), 0),
            layouts=layouts,
        )
        track.pending, state.orphans = state.orphans, []
        state.tracks[id(optimizer)] = track
        return track

    def number(self, track: Track, optimizer: Optimizer) -> None:
        """The first step of this optimizer completes: it gets its place in the order."""
        with self._lock:
            track.index = self._n_tracks
            self._n_tracks += 1
            if self.first is None:
                self.first = track
        track.labels = tuple(group_labels(optimizer))
        self.open()
        if self.sink.process.get("attempt"):
            restart.count_on(self, track, optimizer)
        self.infer(track.prefix + LOSS_TRAIN, TRAINING_LOSS)
        self.model.look(track, optimizer)

    def open(self) -> None:
        """Create the log, unless it exists. A folder that cannot be written ends the recording."""
        if self.sink.is_open:
            return
        try:
            self.sink.open()
            self.is_spread = self.sink.process["world_size"] > 1
            call_at_end_of_child(self.at_end_of_child)
        except OSError as error:
            for part in self.parts:
                part.off = True
            self.say(f"not recorded: cannot write to {self.sink.folder}: {error.strerror}")

    @property
    def position(self) -> int:
        """The step that is next: optimizer steps done by the first optimizer."""
        return self.first.position if self.first is not None else 0

    def flush_if_due(self, now_ns: int) -> None:
        """Write what has collected, when the last time is long enough ago."""
        if now_ns - self.sink.last_flush_ns >= self.sink.flush_ns and self.sink.is_open:
            self.flush(now_ns, wait=False)

    def flush(self, now_ns: int, *, wait: bool) -> None:
        """Write what has collected."""
        for state in [self.state()] if not wait else list(self._states):
            for track in list(state.tracks.values()):
                write_rows(self.sink, track, wait=wait)
        self.baseline.digest()
        self.evaluation.write(wait=wait)
        self.predictions.write(wait=wait)
        complaint = self.sink.flush(now_ns)
        if complaint:
            self.say(f"the log is incomplete: {complaint}")

    def thinned(self, track: Track, what: str, every: int, share: float) -> None:
        """The governor changed a cadence."""
        self.sink.event(
            track.position, "thinned", what=track.prefix + what, every=every, share=round(share, 6)
        )

    def note(self, sentence: str) -> None:
        """A sentence for `RunInfo.diagnostics`, once."""
        if sentence not in self._notes:
            self._notes.append(sentence)
            self.sink.meta({"diagnostics": list(self._notes)})

    def infer(self, series: str, how: str) -> None:
        """Mark a series as inferred, once."""
        self._inferences.note(self.sink, series, how)

    def say(self, sentence: str) -> None:
        """One line on stderr, once."""
        if sentence not in self._said:
            self._said.add(sentence)
            try:
                print(f"traindoctor: {sentence}", file=sys.stderr)
            except Exception:
                return

    def report_failure(self, what: str, error: Exception) -> None:
        """A part failed and is off: say so here and in the log. Never raises."""
        try:
            sentence = f"recording of the {what} stopped ({type(error).__name__}: {str(error)[:200]})"
            self.say(f"{sentence}; training goes on")
            self.sink.event(self.position, "recorder-off", recorder=what, error=repr(error)[:500])
            self.note(sentence)
        except Exception:
            return

    def finish(self, end: Mapping[str, Any]) -> None:
        """Write everything that is left and close the log. Idempotent."""
        if not self.sink.is_open:
            return
        for part in self.parts:
            try:
                part.finish()
            except Exception as error:
                part.fail(error)
        now = perf_counter_ns()
        seconds = (now - self.began_ns) * 1e-9
        try:
            self.flush(now, wait=True)
            self.sink.meta(self.loader.facts())
            self._say_what_is_missing()
        except Exception as error:
            self.report_failure("last values", error)
        try:
            complaint = self.sink.close(
                {
                    "seconds": seconds,
                    "steps": self.steps,
                    "backward_calls": self.backward_calls,
                    "epochs": self.loader.epochs_completed,
                    "overhead": self.spent_ns * 1e-9 / max(seconds, 1e-9),
                    **end,
                }
            )
            if complaint:
                self.say(f"the log is incomplete: {complaint}")
        except Exception as error:
            self.report_failure("end", error)

    def _say_what_is_missing(self) -> None:
        sentences = omissions(self.steps, self.backward_calls, self.amp.skipped, self.rootless_calls)
        for sentence in sentences:
            self.note(sentence)
        if not self.steps and not self.step.has_failed:  # then it was said why
            self.say(sentences[0])

    def forget(self) -> None:
        """In a forked child: nothing that belongs to the parent is touched or written."""
        options = self.sink
        self.sink = Sink(options.run_id, options.folder, options.facts, self.options.flush_seconds)
        self._reset()
        for part in self.parts:
            part.reset()
