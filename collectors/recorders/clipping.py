"""Gradient clipping: the norm before it comes free with torch's own clipping functions."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import utils
from torch.nn.utils import clip_grad

from . import sharding, tensors
from .part import Part
from .patches import Patches
from .state import ThreadState, Track, Value

_TOTAL_NORM = ((clip_grad, "_get_total_norm"), (clip_grad, "get_total_norm"), (utils, "get_total_norm"))
_CLIP_VALUE = ((clip_grad, "clip_grad_value_"), (utils, "clip_grad_value_"))


class ClippingRecorder(Part):
    """Keeps the total norm that clipping computes, for the step that follows."""

    name = "gradient clipping"

    def install(self, patches: Patches) -> None:
        """Follow the clipping functions, under all their names."""
        for owner, name in _TOTAL_NORM:
            patches.replace(owner, name, self._wrap_total_norm)
        for owner, name in _CLIP_VALUE:
            patches.replace(owner, name, self._wrap_clip_value)

    def _wrap_total_norm(self, original: Any) -> Any:
        @functools.wraps(original)
        def get_total_norm(given: Any, norm_type: float = 2.0, *args: Any, **kwargs: Any) -> Any:
            if self.off or torch.compiler.is_compiling():
                return original(given, norm_type, *args, **kwargs)
            if not isinstance(given, Tensor):
                given = list(given)  # the original makes a list, too: an iterator may be read only once
            total = original(given, norm_type, *args, **kwargs)
            try:
                if norm_type == 2:
                    self._keep([given] if isinstance(given, Tensor) else given, total)
            except Exception as error:
                self.fail(error)
            return total

        return get_total_norm

    def _wrap_clip_value(self, original: Any) -> Any:
        @functools.wraps(original)
        def clip_grad_value_(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            if self.off or torch.compiler.is_compiling():
                return original(parameters, *args, **kwargs)
            if not isinstance(parameters, Tensor):
                parameters = list(parameters)
            try:
                self._measure([parameters] if isinstance(parameters, Tensor) else parameters)
            except Exception as error:
                self.fail(error)
            return original(parameters, *args, **kwargs)

        return clip_grad_value_

    def _keep(self, gradients: list[Tensor], total: Tensor) -> None:
        state = self.recorder.state()
        # The whole norm of gradients in parts needs every rank; the norm of the part at hand does not.
        parts = sharding.copies_of(total)
        local: Tensor = getattr(total, "_local_tensor", total)
        value: Value = local.item() if local.is_cpu else local.detach().clone()
        for track in self._concerned(state, gradients):
            track.preclip, track.preclip_copies = value, parts

    def _concerned(self, state: ThreadState, gradients: Iterable[Tensor]) -> list[Track]:
        """Optimizers whose gradients these are: those that hold the first one; all when it cannot be told."""
        tracks = list(state.tracks.values())
        first = next(iter(gradients), None)
        if len(tracks) < 2 or first is None:
            return tracks
        return [
            t
            for t in tracks
            if (o := t.optimizer()) is not None
            and any(p.grad is first for group in o.param_groups for p in group["params"])
        ]

    def _measure(self, parameters: list[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients or hasattr(gradients[0], "_local_tensor"):
            return  # see `_keep`
        with tensors.Quiet():
            norms = tensors.norms(gradients, tensors.is_plain(gradients))
            known = [norm for norm in norms if norm is not None]
            if not known or len({norm.device for norm in known}) > 1:
                return
            norm = torch.linalg.vector_norm(torch.stack(known))
        total: Value = norm.item() if norm.is_cpu else norm
        for track in self._concerned(self.recorder.state(), gradients):
            track.preclip = total
