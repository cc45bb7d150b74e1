"""Mixed precision: the loss before scaling, the scale, and the steps that GradScaler skipped."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from .device import ArrivingScalars
from .internals import untraced_like
from .loss import local_value
from .optimizer_step import forget_pending
from .part import Part
from .patches import Patches
from .state import Value

if TYPE_CHECKING:
    from .run_recorder import Recorder


@dataclass(slots=True, eq=False)
class _Attempt:
    """A call of GradScaler.step: optimizer steps done before it, and the losses that led to it."""

    steps: int
    losses: list[Value]


@dataclass(slots=True, eq=False)
class _Skip:
    """A skipped step whose losses may still be on an accelerator."""

    position: int
    scale: float | None
    losses: list[Value]
    late: ArrivingScalars | None


class AmpRecorder(Part):
    """Follows GradScaler; a step that it skips fires no optimizer hook.

    A skip is no fault as such: the scale was too large for these gradients, and GradScaler lowers it. It is
    one where the loss itself was not finite. Each `amp-skip` event says which: `cause` is `overflow`, `loss`,
    or `unknown` where no loss was seen.
    """

    name = "loss scaling"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.reset()

    def reset(self) -> None:
        """Begin anew with nothing, in a forked child."""
        self.skipped = 0
        self._skips: list[_Skip] = []

    def install(self, patches: Patches) -> None:
        """Follow every GradScaler."""
        patches.replace(GradScaler, "scale", self._wrap_scale)
        patches.replace(GradScaler, "step", self._wrap_step)

    def _wrap_scale(self, original: Any) -> Any:
        @untraced_like(original)
        def scale(scaler: Any, outputs: Any) -> Any:
            result = original(scaler, outputs)
            if not self.off and scaler._enabled:
                try:
                    if isinstance(outputs, Tensor) and outputs.numel() == 1 and isinstance(result, Tensor):
                        state = self.recorder.state()
                        state.scaled = (weakref.ref(result), local_value(outputs), scaler._scale)
                except Exception as error:
                    self.fail(error)
            return result

        return scale

    def _wrap_step(self, original: Any) -> Any:
        @untraced_like(original)
        def step(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            attempt = None
            if not self.off and scaler._enabled:
                try:
                    attempt = self._before(scaler, optimizer)
                except Exception as error:
                    self.fail(error)
            result = original(scaler, optimizer, *args, **kwargs)
            if attempt is not None and not self.off:
                try:
                    self._after(optimizer, attempt)
                except Exception as error:
                    self.fail(error)
            return result

        return step

    def _before(self, scaler: Any, optimizer: Any) -> _Attempt:
        state = self.recorder.state()
        track = self.recorder.track(state, optimizer)
        if isinstance(scaler._scale, Tensor):
            track.scale = local_value(scaler._scale)
        return _Attempt(state.steps, track.pending)

    def _after(self, optimizer: Any, attempt: _Attempt) -> None:
        state = self.recorder.state()
        if state.steps != attempt.steps:
            return
        track = self.recorder.track(state, optimizer)
        forget_pending(track)
        track.skipped += 1
        track.preclip = None
        self.skipped += 1
        late = [v for v in attempt.losses if isinstance(v, Tensor)]
        scale = track.scale if isinstance(track.scale, float) else None
        self._skips.append(
            _Skip(self.recorder.position, scale, attempt.losses, ArrivingScalars(late) if late else None)
        )
        self._write(wait=False)
        self.recorder.flush_if_due(perf_counter_ns())

    def _write(self, *, wait: bool) -> None:
        while self._skips and (wait or self._skips[0].late is None or self._skips[0].late.has_arrived()):
            skip = self._skips.pop(0)
            late = iter(skip.late.read() if skip.late is not None else ())
            losses = [next(late) if isinstance(v, Tensor) else v for v in skip.losses]
            self.recorder.sink.event(skip.position, "amp-skip", scale=skip.scale, cause=cause_of(losses))

    def finish(self) -> None:
        """Write what is still under way."""
        self._write(wait=True)


def cause_of(losses: list[float]) -> str:
    """Why GradScaler skipped a step: `overflow` of scaled gradients, a `loss` not finite, or `unknown`."""
    if not losses:
        return "unknown"
    return "overflow" if all(map(math.isfinite, losses)) else "loss"
