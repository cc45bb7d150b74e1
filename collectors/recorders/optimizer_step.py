"""Optimizer steps: learning rates, gradient norm, step time. Gradients are read after the step.

After, because before it they may be missing (closures compute them inside the step), those of the step
before, or still multiplied by a loss scale. An optimizer that changes gradients itself is the exception.
"""

from __future__ import annotations

import weakref
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from traindoctor import names

from . import sharding, tensors
from .accumulation import Accumulation
from .governor import ALWAYS
from .internals import dynamo_callback, frame, hooked_step_code, left_alone
from .part import Part
from .patches import Patches
from .scalars import send_late
from .state import OpenStep, Row, ThreadState, Track, Value

if TYPE_CHECKING:
    from .run_recorder import Recorder

_CHECKED_STEPS = 3
"""For so many first steps (and each measured one) it is checked whether the optimizer changes gradients."""

_WATCHED = 32
"""Of so many gradient norms one is timed."""

_PER_GRADIENT = 1_000_003
"""Added per gradient to the sum of versions, so that one gradient less never looks like none changed."""


class StepRecorder(Part):
    """Records each optimizer step once, whatever wraps it."""

    name = "optimizer step"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._handles: list[Any] = []
        self._step_code = hooked_step_code()

    def install(self, patches: Patches) -> None:
        """Hook every optimizer there is and will be."""
        self._handles = [
            register_optimizer_step_pre_hook(self._hook(self._before)),
            register_optimizer_step_post_hook(self._hook(self._after)),
        ]
        patches.replace(Optimizer, "__init__", self._wrap_init)
        patches.replace(Optimizer, "zero_grad", self._wrap_zero_grad)

    def uninstall(self) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()

    def _hook(self, work: Any) -> Any:
        def hook(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if dynamo_callback():
                detour(optimizer, args, kwargs)
            elif not self.off:
                try:
                    work(optimizer)
                except Exception as error:
                    self.fail(error)

        short, detour = left_alone(hook)
        return short

    def _wrap_init(self, original: Any) -> Any:
        return self.after(original, self.recorder.register)

    def _wrap_zero_grad(self, original: Any) -> Any:
        return self.after(original, self._zeroed)

    def _zeroed(self, optimizer: Optimizer) -> None:
        state = self.recorder.local.state
        track = state.tracks.get(id(optimizer))
        if track is None or track.optimizer() is not optimizer:
            track = self.recorder.track(state, optimizer)
        for other in state.tracks.values():
            # SAM and the like wrap an optimizer of the same parameters and zero only through the wrapper.
            if other is track or other.first_parameter == track.first_parameter:
                if state.open_steps and other.pending:
                    other.evaluations.append(other.pending)
                if other.pending:
                    forget_pending(other)
                other.zeroed = True

    def _before(self, optimizer: Optimizer) -> None:
        state = self.recorder.local.state
        track = state.tracks.get(id(optimizer))
        if (
            track is not None
            and not state.open_steps
            and _CHECKED_STEPS <= track.steps < track.governor.next_step
            and not track.reads_before_step
            and track.optimizer() is optimizer
        ):
            state.open_steps.append(OpenStep(optimizer, track))  # most steps: nothing is to be prepared
            return
        began = perf_counter_ns()
        if state.open_steps:
            self._drop_broken_steps(state)
        track = self.recorder.track(state, optimizer)
        step = OpenStep(optimizer, track)
        if state.open_steps and any(outer.optimizer is optimizer for outer in state.open_steps):
            step.superseded = True  # a subclass that calls super().step(): the outer call is the step
        else:
            if track.steps >= track.governor.next_step and not track.is_wrapper:
                step.is_sampled = self.recorder.parameters.before_step(track, optimizer)
            if step.is_sampled or track.reads_before_step or track.steps < _CHECKED_STEPS:
                self._look_at_gradients(step)
        state.open_steps.append(step)
        step.cost_ns = perf_counter_ns() - began
        self.recorder.spent_ns += step.cost_ns

    def begins(self, optimizer: Optimizer) -> None:
        """An optimizer that calls no hooks of torch is about to step."""
        self._before(optimizer)

    def ends(self, optimizer: Optimizer) -> None:
        """It has stepped."""
        self._after(optimizer)

    def _look_at_gradients(self, step: OpenStep) -> None:
        found = gradients(step.optimizer)
        step.versions = sum(map(tensors.local_version, found)) + len(found) * _PER_GRADIENT
        if step.track.reads_before_step:
            with tensors.Quiet():
                step.norms = tensors.norms(found, tensors.is_plain(found))

    def _drop_broken_steps(self, state: ThreadState) -> None:
        """Forget steps that raised: their post hook never came. The call stack knows how many are open."""
        active, caller = 0, frame()
        while caller is not None:
            active += caller.f_code is self._step_code
            caller = caller.f_back
        if active and active <= len(state.open_steps):
            del state.open_steps[active - 1 :]

    def _after(self, optimizer: Optimizer) -> None:
        now = perf_counter_ns()
        state = self.recorder.local.state
        while state.open_steps:
            step = state.open_steps.pop()
            if step.optimizer is optimizer:
                break
        else:
            return
        track = step.track
        if step.superseded or ("found_inf" in vars(optimizer) and was_skipped_inside(optimizer, track)):
            return
        for outer in state.open_steps:
            if outer.track.first_parameter == track.first_parameter:
                outer.superseded = outer.track.is_wrapper = True
        if track.index < 0:
            self.recorder.number(track, optimizer)
        row = self._row(track, optimizer, step, now)
        if state.depth:
            state.inside_backward.append((track, row))
        else:
            self.keep(state, track, row)
        track.last_ns = perf_counter_ns()
        self.recorder.spent_ns += track.last_ns - now

    def keep(self, state: ThreadState, track: Track, row: Row) -> None:
        """A step is complete: note it, and write when it is time."""
        send_late(row)
        track.rows.append(row)
        state.steps += 1
        if state.source is not None:
            state.source.step_done()
        self.recorder.steps += 1
        recorder = self.recorder
        now, sink = perf_counter_ns(), recorder.sink
        if now - sink.last_flush_ns >= sink.flush_ns:
            recorder.flush_if_due(now)

    def _row(self, track: Track, optimizer: Optimizer, step: OpenStep, now: int) -> Row:
        grads: list[Tensor] = []
        first = None
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None:
                    grads.append(gradient)
                    first = first or weakref.ref(parameter)
        losses = track.pending
        if (
            track.evaluations
        ):  # of a closure that ran several times, the first run tells the loss of this step
            losses = next((earlier for earlier in track.evaluations if earlier), losses)
            track.evaluations.clear()
        if len(losses) > 1 and track.accumulation is None:
            n_batches = min(track.n_batches or len(losses), len(losses))
            track.accumulation = Accumulation(track.share, len(losses), n_batches, in_pieces=track.in_pieces)
        taken = now - track.last_ns if track.last_ns else 0
        copies = () if track.plain else sharding.copies(grads)
        if step.versions and self._changes_gradients(track, optimizer, step, grads):
            # What is left of them is not what the step used; from the next one on they are read before it.
            grads = []
        norms = step.norms
        if norms is None and (step.is_sampled or track.steps >= track.norm_governor.next_step):
            norms = self._norms(track, grads, step.is_sampled, taken)
        track.probe = None
        if grads and norms:  # so that the next backward can tell at no cost that nobody touched it
            track.probe = (first, weakref.ref(grads[0]), tensors.local_version(grads[0]), norms[0])
        if step.is_sampled:
            found = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            by_parameter = dict(zip(map(id, found), norms or (), strict=False))
            self.recorder.parameters.after_step(track, optimizer, step.cost_ns, by_parameter, taken)
        row = Row(
            track.position,
            losses,
            learning_rates(optimizer),
            norms,
            track.preclip,
            taken * 1e-9 if taken else None,
            self.recorder.loader.epoch(),
            track.samples or None,
            len(losses) or None,
            track.scale,
            track.skipped,
            track.stale,
        )
        if norms and not track.plain:
            row.copies = copies
        row.preclip_copies = track.preclip_copies
        row.n_batches = track.n_batches
        if track.backward_ns is not None:
            row.before_backward, track.backward_ns = track.backward_ns * 1e-9, None
        track.steps += 1
        track.preclip = track.scale = None
        track.skipped = 0
        forget_pending(track)
        track.zeroed = track.ran_backward_inside = False
        return row

    def _norms(self, track: Track, grads: list[Tensor], is_sampled: bool, taken: int) -> Any:
        governor = track.norm_governor
        is_watched = track.steps % _WATCHED == 0 or governor.every > 1 or track.steps < ALWAYS
        if track.plain and grads and not is_watched and not is_sampled:
            return tensors.plain_norms(grads)
        if is_sampled or track.plain is None:
            track.plain = tensors.is_plain(grads)
        began = perf_counter_ns()
        with tensors.Quiet():
            found = tensors.norms(grads, track.plain)
        if not is_watched:
            return found
        every = governor.measured(track.steps, perf_counter_ns() - began, taken)
        if every is not None:
            self.recorder.thinned(track, names.GRAD_NORM, every, governor.share())
        return found

    def _changes_gradients(
        self, track: Track, optimizer: Optimizer, step: OpenStep, grads: list[Tensor]
    ) -> bool:
        if track.reads_before_step or track.ran_backward_inside or hasattr(optimizer, "grad_scale"):
            return False
        now = sum(map(tensors.local_version, grads)) + len(grads) * _PER_GRADIENT
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
    track.samples = track.n_batches = 0
    track.batch_number = -1
    track.stale = None
