"""Functions that torch does not export, looked up in one place; some have a fallback for older versions."""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.data import dataloader as _dataloader

_C: Any = getattr(torch, "_C")  # noqa: B009 - private to torch, and to type checkers
_torch: Any = torch
_sys: Any = sys
_loading: Any = _dataloader

LoaderIterator: Any = _loading._BaseDataLoaderIter
DropoutModule: Any = getattr(torch.nn.modules.dropout, "_DropoutNd", torch.nn.Dropout)
PythonNode: Any = getattr(torch.autograd.function, "BackwardCFunction", ())
nn: Any = _C._nn
set_grad_enabled: Callable[[bool], None] = _C._set_grad_enabled
disable_function_modes: Callable[[], Any] = _C.DisableTorchFunction
n_function_modes: Callable[[], int] = getattr(_C, "_len_torch_function_stack", lambda: 0)
n_dispatch_modes: Callable[[], int] = getattr(_C, "_len_torch_dispatch_stack", lambda: 0)
is_compiling: Callable[[], bool] = torch.compiler.is_compiling
tracing_state: Callable[[], Any] = getattr(_C, "_get_tracing_state", lambda: None)
has_transforms: Callable[[], bool] = getattr(_C, "_are_functorch_transforms_active", lambda: False)

_eval_frame: Any = getattr(getattr(_C, "_dynamo", None), "eval_frame", None)
dynamo_callback: Callable[[], Any] = getattr(_eval_frame, "get_eval_frame_callback", lambda: None)
_may_skip = all(
    hasattr(_eval_frame, name)
    for name in ("get_eval_frame_callback", "set_code_exec_strategy", "_FrameExecStrategy", "_FrameAction")
)
"""Whether this torch tells if dynamo is at work; without it every call takes the detour."""

foreach_norm: Callable[..., Any] = _torch._foreach_norm
foreach_sub_: Callable[..., Any] = _torch._foreach_sub_
foreach_copy_: Callable[..., Any] = _torch._foreach_copy_


def frame(depth: int = 0) -> FrameType | None:
    """The frame of the caller, or one further out."""
    found: FrameType | None = _sys._getframe(depth + 1)
    return found


def is_single_threaded() -> bool:
    """Whether only one thread runs Python code."""
    return len(_sys._current_frames()) == 1


def hooked_step_code() -> Any:
    """Code of the function that torch puts around the `step` of every optimizer class, None if it changed."""
    code: Any = getattr(Optimizer.profile_hook_step, "__code__", None)
    return next((c for c in getattr(code, "co_consts", ()) if getattr(c, "co_name", "") == "wrapper"), None)


def without_dynamo(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, left alone by torch.compile. Lazily, because importing dynamo takes a second."""
    lazy: Any = getattr(torch, "_disable_dynamo", None)
    wrapped: Callable[..., Any] = (lazy or _torch.compiler.disable)(function)
    return wrapped


def left_alone(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The function for the hot path, and the detour that it takes when dynamo is at work in this thread.

    `without_dynamo` goes through five Python functions at each call. So dynamo is told to run this one as it
    is, and the function begins with `if dynamo_callback(): return detour(…)`; the detour is the same function
    with dynamo switched off. Where torch does not tell whether dynamo is at work, both are the detour.
    """
    detour = without_dynamo(function)
    if not _may_skip:
        return detour, detour
    marked: Any = function
    marked._torchdynamo_disable = True
    action = _eval_frame._FrameAction
    _eval_frame.set_code_exec_strategy(
        marked.__code__, _eval_frame._FrameExecStrategy(action.SKIP, action.DEFAULT)
    )
    return function, detour


def untraced_like(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: `without_dynamo`, under the name and documentation of the original."""
    return lambda function: without_dynamo(functools.wraps(original)(function))


def living_optimizers() -> list[Optimizer]:
    """The optimizers that exist by now; [] with several threads, whom a look at all objects could disturb."""
    if not is_single_threaded():
        return []
    everything = [o for o in gc.get_objects() if issubclass(type(o), Optimizer)]
    # One whose constructor raised may be kept alive, half made, by the traceback.
    return [o for o in everything if hasattr(o, "param_groups")]
