"""Functions that torch does not export, looked up in one place; each has a fallback or a feature that goes without."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

_C: Any = getattr(torch, "_C")  # noqa: B009 - private to torch, and to type checkers
_torch: Any = torch

nn: Any = _C._nn
set_grad_enabled: Callable[[bool], None] = _C._set_grad_enabled
disable_function_modes: Callable[[], Any] = _C.DisableTorchFunction
n_function_modes: Callable[[], int] = getattr(_C, "_len_torch_function_stack", lambda: 0)
n_dispatch_modes: Callable[[], int] = getattr(_C, "_len_torch_dispatch_stack", lambda: 0)
tracing_state: Callable[[], Any] = getattr(_C, "_get_tracing_state", lambda: None)
has_transforms: Callable[[], bool] = getattr(_C, "_are_functorch_transforms_active", lambda: False)

foreach_norm: Callable[..., Any] = _torch._foreach_norm
foreach_sub_: Callable[..., Any] = _torch._foreach_sub_
foreach_copy_: Callable[..., Any] = _torch._foreach_copy_


def without_dynamo(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, left alone by torch.compile. Lazily, because importing dynamo takes a second."""
    lazy: Any = getattr(torch, "_disable_dynamo", None)
    wrapped: Callable[..., Any] = lazy(function) if lazy is not None else torch.compiler.disable(function)
    return wrapped


def untraced_like(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: `without_dynamo`, under the name and documentation of the original."""
    return lambda function: without_dynamo(functools.wraps(original)(function))
