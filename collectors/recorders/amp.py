"""Mixed precision: the loss before scaling, the scale, and the steps that GradScaler skipped."""

from __future__ import annotations

import weakref
from time import perf_counter_ns
from typing import Any

from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from .internals import untraced_like
from .loss import local_value
from .optimizer_step import forget_pending
from .part import Part
from .patches import Patches


class AmpRecorder(Part):
    """Follows GradScaler; a step that it skips fires no optimizer hook."""

    name = "loss scaling"

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
            steps = -1
            if not self.off and scaler._enabled:
                try:
                    steps = self._before(scaler, optimizer)
                except Exception as error:
                    self.fail(error)
            result = original(scaler, optimizer, *args, **kwargs)
            if steps >= 0 and not self.off:
                try:
                    self._after(optimizer, steps)
                except Exception as error:
                    self.fail(error)
            return result

        return step

    def _before(self, scaler: Any, optimizer: Any) -> int:
        state = self.recorder.state()
        track = self.recorder.track(state, optimizer)
        if isinstance(scaler._scale, Tensor):
            track.scale = local_value(scaler._scale)
        return state.steps

    def _after(self, optimizer: Any, steps: int) -> None:
        state = self.recorder.state()
        if state.steps != steps:
            return
        track = self.recorder.track(state, optimizer)
        forget_pending(track)
        track.skipped = 1
        track.preclip = None
        scale = track.scale if isinstance(track.scale, float) else None
        self.recorder.sink.event(self.recorder.position, "amp-skip", scale=scale)
        self.recorder.flush_if_due(perf_counter_ns())
