"""Optimizer steps: learning rates, gradient norm, step time. Read in the post hook, see docs/recording.md."""

from __future__ import annotations

import sys
from time import perf_counter_ns
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizer

from traindoctor import names

from . import tensors
from .part import Part
from .patches import Patches
from .state import OpenStep, Row, ThreadState, Track, Value

_CHECKED_STEPS = 3
"""For so many first steps (and each measured one) it is checked whether the optimizer changes gradients."""


class StepRecorder(Part):
    """Records each optimizer step once, whatever wraps it."""

    name = "optimizer step"

    def install(self, patches: Patches) -> None:
        disable = self.recorder.without_dynamo
        pre = torch_optimizer.register_optimizer_step_pre_hook
        post = torch_optimizer.register_optimizer_step_post_hook
        self._handles = [pre(disable(self._before_hook())), post(disable(self._after_hook()))]
        patches.replace(Optimizer, "__init__", self._wrap_init)
        patches.replace(Optimizer, "zero_grad", self._wrap_zero_grad)
        self._step_code = next(
            (c for c in Optimizer.profile_hook_step.__code__.co_consts if getattr(c, "co_name", "") == "wrapper"), None
        )

    def uninstall(self) -> None:
        for handle in self._handles:
            handle.remove()

    def _before_hook(self) -> Any:
        # The hooks are plain functions: torch._disable_dynamo keeps a note on the function it is given.
        def before_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if not self.off:
                try:
                    self._before(optimizer)
                except Exception as error:
                    self.fail(error)

        return before_step

    def _after_hook(self) -> Any:
        def after_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if not self.off:
                try:
                    self._after(optimizer)
                except Exception as error:
                    self.fail(error)

        return after_step

    def _wrap_init(self, original: Any) -> Any:
        @self.recorder.without_dynamo_like(original)
        def __init__(optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
            original(optimizer, *args, **kwargs)
            if not self.off:
                try:
                    self.recorder.register(optimizer)
                except Exception as error:
                    self.fail(error)

        return __init__

    def _wrap_zero_grad(self, original: Any) -> Any:
        @self.recorder.without_dynamo_like(original)
        def zero_grad(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
            result = original(optimizer, *args, **kwargs)
            if not self.off:
                try:
                    self._zeroed(optimizer)
                except Exception as error:
                    self.fail(error)
            return result

        return zero_grad

    def _zeroed(self, optimizer: Optimizer) -> None:
        state = self.recorder.state()
        track = self.recorder.track(state, optimizer)
        for other in state.tracks.values():
            # SAM and the like wrap an optimizer of the same parameters and zero only through the wrapper.
            if other is track or other.first_parameter == track.first_parameter:
                if state.open_steps and other.pending:
                    other.evaluations.append(other.pending)
                    other.pending = []
                forget_pending(other)
                other.zeroed = True

    def _before(self, optimizer: Optimizer) -> None:
        began = perf_counter_ns()
        state = self.recorder.state()
        if state.open_steps:
            self._drop_broken_steps(state)
        track = self.recorder.track(state, optimizer)
        step = OpenStep(optimizer, track)
        if any(outer.optimizer is optimizer for outer in state.open_steps):
            step.superseded = True  # a subclass that calls super().step(): the outer call is the step
        else:
            step.is_sampled = self.recorder.parameters.before_step(track, optimizer)
            if track.reads_before_step or track.steps < _CHECKED_STEPS or step.is_sampled:
                self._look_at_gradients(step)
        state.open_steps.append(step)
        step.cost_ns = perf_counter_ns() - began
        self.recorder.spent_ns += step.cost_ns

    def _look_at_gradients(self, step: OpenStep) -> None:
        found = gradients(step.optimizer)
        step.versions = sum(map(tensors.local_version, found)) + len(found) * 1_000_003
        if step.track.reads_before_step:
            with tensors.Quiet():
                step.norms = tensors.norms(found, tensors.is_plain(found))

    def _drop_broken_steps(self, state: ThreadState) -> None:
        """Forget steps that raised: their post hook never came. The call stack knows how many are really open."""
        active, frame = 0, sys._getframe(1)
        while frame is not None:
            active += frame.f_code is self._step_code
            frame = frame.f_back  # type: ignore[assignment]
        if active and active <= len(state.open_steps):
            del state.open_steps[active - 1 :]

    def _after(self, optimizer: Optimizer) -> None:
        now = perf_counter_ns()
        state = self.recorder.state()
        while state.open_steps:
            step = state.open_steps.pop()
            if step.optimizer is optimizer:
                break
        else:
            return
        track = step.track
        if step.superseded or was_skipped_inside(optimizer, track):
            return
        for outer in state.open_steps:
            if outer.track.first_parameter == track.first_parameter:
                outer.superseded = outer.track.is_wrapper = True
        self.recorder.number(track, optimizer)
        row = self._row(track, optimizer, step, now)
        if state.depth:
            state.inside_backward.append((track, row))
            return
        self.recorder.step_ended(state, track, row)
        self.recorder.spent_ns += perf_counter_ns() - now

    def _row(self, track: Track, optimizer: Optimizer, step: OpenStep, now: int) -> Row:
        found = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        grads: list[Tensor] = [p.grad for p in found]
        row = Row(track.steps, self._losses(track), learning_rates(optimizer))
        if step.versions and self._changes_gradients(track, optimizer, step, grads):
            # This step's gradients are gone; from the next one on they are read before the step.
            grads, found = [], []
        row.norms = self._norms(step, grads)
        track.remember_gradient(found, row.norms)
        if step.is_sampled:
            by_parameter = dict(zip(map(id, found), row.norms or (), strict=False))
            self.recorder.parameters.after_step(track, optimizer, step.cost_ns, by_parameter)
        self._fill(row, track, now)
        return row

    def _norms(self, step: OpenStep, grads: list[Tensor]) -> Any:
        """Gradient norms, or None at a step that the governor leaves out."""
        track, governor = step.track, step.track.norm_governor
        if step.norms is not None:
            return step.norms
        if not (step.is_sampled or governor.is_due(track.steps)):
            return None
        if step.is_sampled or track.plain is None:
            track.plain = tensors.is_plain(grads)
        began = perf_counter_ns()
        with tensors.Quiet():
            found = tensors.norms(grads, track.plain)
        governor.note_cost(perf_counter_ns() - began)
        every = governor.decide(track.steps)
        if every is not None:
            self.recorder.thinned(track, names.GRAD_NORM, every, governor.share())
        return found

    def _fill(self, row: Row, track: Track, now: int) -> None:
        """The parts of a row that were collected since the last step, which begin anew."""
        row.preclip, row.scale, row.skipped, row.stale = track.preclip, track.scale, track.skipped, track.stale
        row.micro_batches = len(row.losses) or None
        row.batch_size = track.samples or None
        row.epoch = self.recorder.loader.epoch()
        if track.last_ns:
            row.seconds = (now - track.last_ns) * 1e-9
            taken = now - track.last_ns
            track.governor.note_step(taken)
            track.norm_governor.note_step(taken)
        track.last_ns = perf_counter_ns()
        track.steps += 1
        track.evaluations.clear()
        track.preclip, track.scale, track.skipped = None, None, 0
        forget_pending(track)
        track.zeroed = False

    def _losses(self, track: Track) -> list[Value]:
        """Losses of the step; of a closure that ran several times, those of its first run."""
        return next((losses for losses in (*track.evaluations, track.pending) if losses), [])

    def _changes_gradients(self, track: Track, optimizer: Optimizer, step: OpenStep, grads: list[Tensor]) -> bool:
        if track.reads_before_step or track.ran_backward_inside or hasattr(optimizer, "grad_scale"):
            track.ran_backward_inside = False
            return False
        now = sum(map(tensors.local_version, grads)) + len(grads) * 1_000_003
        track.reads_before_step = now != step.versions
        return track.reads_before_step


def gradients(optimizer: Optimizer) -> list[Tensor]:
    """The gradients that an optimizer holds now."""
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def learning_rates(optimizer: Optimizer) -> list[Value]:
    """The learning rate of each param group; tensors on an accelerator are copied, not read."""
    found: list[Value] = []
    for group in optimizer.param_groups:
        rate = group.get("lr", float("nan"))
        if isinstance(rate, Tensor):
            rate = rate.item() if rate.is_cpu else rate.detach().clone()
        found.append(rate)
    return found


def was_skipped_inside(optimizer: Optimizer, track: Track) -> bool:
    """Whether a fused optimizer under GradScaler found infinite gradients and left the weights alone."""
    found_inf = getattr(optimizer, "found_inf", None)
    if not isinstance(found_inf, Tensor) or not found_inf.is_cpu or found_inf.item() == 0:
        return False
    forget_pending(track)
    return True


def forget_pending(track: Track) -> None:
    """What was collected for the next step does not count."""
    track.pending = []
    track.samples = 0
    track.batch_number = -1
    track.stale = None


