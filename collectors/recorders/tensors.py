"""Reading tensors of any kind: gradients off, no user's mode sees it, no collective starts."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from . import internals
from .sharding import is_summand

_PLAIN_TYPES = (Tensor, torch.nn.Parameter)
_WIDE = (torch.float32, torch.float64)
_FLOATING = (*_WIDE, torch.float16, torch.bfloat16)


class Quiet:
    """Turns gradients and `__torch_function__` modes off inside; cheaper than torch.no_grad."""

    __slots__ = ("_disabled", "_was_enabled")

    def __enter__(self) -> None:
        self._was_enabled = torch.is_grad_enabled()
        self._disabled: Any = None
        if internals.n_function_modes():
            self._disabled = internals.disable_function_modes()
            self._disabled.__enter__()
        if self._was_enabled:
            internals.set_grad_enabled(False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._was_enabled:
            internals.set_grad_enabled(True)
        if self._disabled is not None:
            self._disabled.__exit__(kind, error, traceback)


def is_plain(tensors: list[Tensor]) -> bool:
    """Whether the fast functions apply: ordinary strided float tensors, one dtype, one real device."""
    if not tensors:
        return True
    first = tensors[0]
    dtype, device = first.dtype, first.device
    return (
        dtype in _FLOATING
        and device.type != "meta"
        and all(
            type(t) in _PLAIN_TYPES and t.dtype is dtype and t.layout is torch.strided and t.device == device
            for t in tensors
        )
    )


def readable(tensor: Tensor) -> Tensor | None:
    """This process's own numbers of a tensor as an ordinary float32 or float64 one, None when there are none.

    A DTensor gives its local shard (its own functions would talk to other ranks), a sparse tensor its
    coalesced values (zeros elsewhere), half precision becomes float32. Complex, integer, quantized, meta,
    fake and unknown tensors give None, and so does a sum over ranks that is not added up yet.
    """
    local: Any = getattr(tensor, "_local_tensor", None)
    if isinstance(local, Tensor):
        if is_summand(tensor):
            return None
        tensor = local
    if type(tensor) not in _PLAIN_TYPES or tensor.device.type == "meta" or not tensor.dtype.is_floating_point:
        return None
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        if tensor.layout is not torch.sparse_coo:
            return None
        tensor = tensor.coalesce().values()
    return tensor if tensor.dtype in _WIDE else tensor.float()


def norms(tensors: list[Tensor], plain: bool) -> list[Tensor | None]:
    """L2 norm of each tensor (0-dim, on its device), None where it cannot be read. Call inside `Quiet`."""
    if not tensors:
        return []
    if plain and tensors[0].dtype in _WIDE:
        return list(internals.foreach_norm(tensors))
    if plain:
        return list(internals.foreach_norm(tensors, 2, torch.float32))
    return [None if t is None else torch.linalg.vector_norm(t) for t in map(readable, tensors)]


def plain_norms(tensors: list[Tensor]) -> list[Tensor]:
    """L2 norms of tensors that are plain; the shortest way there is, as it is gone at every step."""
    if internals.n_function_modes() or tensors[0].dtype not in _WIDE:
        with Quiet():
            return list(
                internals.foreach_norm(tensors, 2, None if tensors[0].dtype in _WIDE else torch.float32)
            )
    was_enabled = torch.is_grad_enabled()
    internals.set_grad_enabled(False)
    try:
        found: list[Tensor] = internals.foreach_norm(tensors)
        return found
    finally:
        internals.set_grad_enabled(was_enabled)


def local_version(tensor: Tensor) -> int:
    """How often a tensor was changed in place; -1 where torch does not count (inference tensors)."""
    try:
        return tensor._version
    except RuntimeError:
        return -1
