"""The training loss: the root of each backward call, and the optimizers it belongs to."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from . import tensors
from .accumulation import share_of
from .internals import dynamo_callback, left_alone
from .optimizer_step import forget_pending, gradients
from .part import Part
from .patches import Patches
from .reach import reached
from .state import ThreadState, Track, Value

if TYPE_CHECKING:
    from .run_recorder import Recorder


MOST_PENDING = 4096
"""Losses that wait for a step of their optimizer."""


class LossRecorder(Part):
    """Reads the loss when backward is called, before anything can change it."""

    name = "training loss"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._owners: dict[int, tuple[int, ...]] = {}
        self._signature: tuple[tuple[int, int], ...] = ()

    def install(self, patches: Patches) -> None:
        """Follow every backward call."""
        patches.replace(torch.autograd, "backward", self._wrap_backward, operator="aten::backward")

    def _wrap_backward(self, original: Any) -> Any:
        recorder = self.recorder

        @functools.wraps(original)
        def backward(*args: Any, **kwargs: Any) -> Any:
            if dynamo_callback():
                return detour(*args, **kwargs)
            if self.off:
                return original(*args, **kwargs)
            received: Sequence[Track] = ()
            try:
                state = recorder.local.state
                if state.depth == 0:
                    received = self._before(state, args[0] if args else kwargs.get("tensors"))
            except Exception as error:
                self.fail(error)
                return original(*args, **kwargs)
            state.depth += 1
            try:
                result = original(*args, **kwargs)
            except BaseException:
                for track in received:
                    del track.pending[-1:]
                raise
            finally:
                state.depth -= 1
            if state.inside_backward and state.depth == 0:
                self._end_of_steps_inside(state)
            return result

        short, detour = left_alone(backward)
        return short

    def _before(self, state: ThreadState, given: Any) -> Sequence[Track]:
        began = perf_counter_ns()
        recorder = self.recorder
        recorder.backward_calls += 1
        scale = state.scaled[2] if state.scaled is not None else None
        value: Value
        if scale is None and type(given) is Tensor and given.is_cpu and given.numel() == 1 and is_real(given):
            roots, value = [given], given.item()
        else:
            roots = scalar_roots(given)
            if not roots:
                recorder.rootless_calls += 1
                recorder.network.backward_begins(state, given)
                return ()
            value = self._value(state, roots)
        if recorder.first is None and not recorder.sink.is_open:
            recorder.open()
        recorder.loader.backward_begins(state)
        if state.evaluation is not None or recorder.evaluation.holds_any:
            recorder.evaluation.training_goes_on(state)
        if not recorder.network.is_complete:
            recorder.network.backward_begins(state, given)
        if state.loss_call is not None:
            recorder.baseline.trained_on(state, state.loss_call, roots[0], scale)
        lone = recorder.lone_track(state)
        tracks = self._tracks(state, roots) if lone is None else (lone,)
        for track in tracks:
            self._receive(state, track, value, began)
            if len(track.pending) > 1 and track.accumulation is None:
                call = state.loss_call
                track.share = share_of(roots[0], scale, None if call is None else call.sequence)
                track.in_pieces = call is not None and 2 * call.n_samples <= state.batch_size
        if not tracks:
            state.orphans.append(value)
            del state.orphans[:-MOST_PENDING]
        state.loss_call = None
        recorder.spent_ns += perf_counter_ns() - began
        return tracks

    def _receive(self, state: ThreadState, track: Track, value: Value, began: int) -> None:
        if track.pending and not state.open_steps and was_cleared(track):
            forget_pending(track)
        if self.recorder.is_spread and not track.pending and track.last_ns:
            track.backward_ns = began - track.last_ns
        if not track.pending and track.steps and track.stale is None:
            track.stale = 0.0 if track.zeroed else staleness(track)
        track.ran_backward_inside = bool(state.open_steps)
        track.pending.append(value)
        if len(track.pending) > MOST_PENDING:  # an optimizer that is never stepped
            del track.pending[: MOST_PENDING // 2]
        if state.batch_number != track.batch_number or not state.batch_number:
            track.batch_number = state.batch_number
            track.n_batches += 1
            track.samples += self.recorder.loader.samples(state)

    def _value(self, state: ThreadState, roots: list[Tensor]) -> Value:
        """The loss before GradScaler multiplied it."""
        value: Value = local_value(roots[0])
        for root in roots[1:]:
            value = value + local_value(root)
        if state.scaled is None:
            return value
        output, unscaled, scale = state.scaled
        state.scaled = None
        if output() is roots[0] and len(roots) == 1:
            return unscaled
        # The scaled loss went through more arithmetic (a division for accumulation, say).
        factor: Value = scale.item() if scale.is_cpu else scale
        return value / factor

    def _tracks(self, state: ThreadState, roots: list[Tensor]) -> list[Track]:
        optimizers = self.recorder.optimizers()
        if len(optimizers) != 1:
            signature = tuple((id(o), sum(len(g["params"]) for g in o.param_groups)) for o in optimizers)
            if signature != self._signature:
                self._signature = signature
                self._owners = {}
                for o in optimizers:
                    for p in (p for group in o.param_groups for p in group["params"]):
                        self._owners[id(p)] = (*self._owners.get(id(p), ()), id(o))
            keys = reached(roots, self._owners, len(optimizers))
            # A graph that hides its leaves (reentrant checkpointing) tells nothing: it is everybody's loss.
            optimizers = [o for o in optimizers if id(o) in keys] or optimizers
        return [self.recorder.track(state, o) for o in optimizers]

    def _end_of_steps_inside(self, state: ThreadState) -> None:
        """Optimizers that stepped inside backward, one per parameter: together they are one step."""
        steps, state.inside_backward = state.inside_backward, []
        try:
            track, row = steps[0]
            row.norms = [norm for _, other in steps for norm in other.norms or ()]
            self.recorder.step.keep(state, track, row)
        except Exception as error:
            self.fail(error)


is_real = Tensor.is_floating_point


def scalar_roots(given: Any) -> list[Tensor]:
    """The one-element real tensors among what backward was given."""
    candidates = (given,) if isinstance(given, Tensor) else given if isinstance(given, (tuple, list)) else ()
    return [t for t in candidates if isinstance(t, Tensor) and t.numel() == 1 and t.is_floating_point()]


def local_value(root: Tensor) -> Value:
    """The number in a one-element tensor; a copy of it where reading would wait; NaN where there is none."""
    if type(root) is Tensor and root.is_cpu:
        return root.item()
    local: Any = getattr(root, "_local_tensor", root)
    if type(local) not in (Tensor, torch.nn.Parameter) or local.device.type == "meta":
        return float("nan")
    if local.is_cpu:
        return float(local.item())
    copy: Tensor = local.detach().reshape(()).clone()
    return copy


def was_cleared(track: Track) -> bool:
    """Whether somebody cleared the gradients without zero_grad: the losses before that led to no step."""
    if track.probe is not None:
        parameter = track.probe[0]()
        return parameter is not None and parameter.grad is None
    optimizer = track.optimizer()
    return optimizer is not None and not gradients(optimizer)


def staleness(track: Track) -> float:
    """1.0 if non-zero gradients of the last step are still there, else 0.0."""
    optimizer = track.optimizer()
    if optimizer is None:
        return 0.0
    left = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if not left:
        return 0.0
    if track.probe is not None:
        parameter, gradient, version, norm = track.probe
        kept = gradient()
        is_untouched = (
            kept is not None
            and parameter() is not None
            and parameter().grad is kept
            and tensors.local_version(kept) == version
        )
        if not left[0].is_cpu:
            return float(is_untouched)
        if is_untouched and norm is not None and norm.item() != 0:
            return 1.0
    with tensors.Quiet():
        return float(any(bool(t.count_nonzero()) for g in left if (t := tensors.readable(g)) is not None))
