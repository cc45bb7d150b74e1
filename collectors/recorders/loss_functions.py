"""Loss functions: which one trains the model, and its value where gradients are off."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import torch
from torch import Tensor

from . import internals
from .accumulation import sequence_of
from .part import Part
from .patches import Patches
from .state import ThreadState

LOSSES: tuple[tuple[Any, str, str, int], ...] = (
    # owner, attribute, name of the public function, position of the reduction among the arguments
    (internals.nn, "cross_entropy_loss", "cross_entropy", 3),
    (internals.nn, "nll_loss_nd", "nll_loss", 3),
    (internals.nn, "binary_cross_entropy", "binary_cross_entropy", 3),
    (internals.nn, "mse_loss", "mse_loss", 2),
    (internals.nn, "l1_loss", "l1_loss", 2),
    (internals.nn, "smooth_l1_loss", "smooth_l1_loss", 2),
    (internals.nn, "huber_loss", "huber_loss", 2),
    (internals.nn, "soft_margin_loss", "soft_margin_loss", 2),
    (internals.nn, "multi_margin_loss", "multi_margin_loss", 5),
    (internals.nn, "multilabel_margin_loss", "multilabel_margin_loss", 2),
    (torch, "binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits", 4),
    (torch, "kl_div", "kl_div", 2),
    (torch, "poisson_nll_loss", "poisson_nll_loss", 5),
    (torch, "hinge_embedding_loss", "hinge_embedding_loss", 3),
)
"""Where the functions of torch.nn.functional end; also after `from torch.nn.functional import …`."""

NONE, MEAN, SUM = 0, 1, 2
"""How torch numbers the reductions."""

_REDUCED_BY_SAMPLE = ("cross_entropy", "nll_loss", "multi_margin_loss", "multilabel_margin_loss")
_reduction_position = {name: position for _, _, name, position in LOSSES}


@dataclass(slots=True, eq=False)
class LossCall:
    """One call of a loss function.

    Attributes:
        name: public name of the function.
        arguments: what it was called with, after the input and the target.
        sequence: number of the autograd node that made the result; None without gradients.
        n_samples: first dimension of the input.
    """

    name: str
    target: Tensor
    arguments: tuple[Any, ...]
    sequence: int | None
    n_samples: int
    n_classes: int

    @property
    def reduction(self) -> int:
        """`NONE`, `MEAN` or `SUM`."""
        position = _reduction_position[self.name] - 2
        return int(self.arguments[position]) if len(self.arguments) > position else MEAN


class LossFunctionRecorder(Part):
    """Wraps the functions in which every loss of torch ends."""

    name = "loss functions"

    def install(self, patches: Patches) -> None:
        """Wrap those of the functions that this torch has."""
        for owner, attribute, name, _ in LOSSES:
            patches.replace(owner, attribute, self._wrapper(name), operator=f"aten::{attribute}")

    def _wrapper(self, name: str) -> Any:
        recorder, baseline = self.recorder, self.recorder.baseline

        def wrap(original: Any) -> Any:
            @functools.wraps(original)
            def loss(*args: Any, **kwargs: Any) -> Any:
                # Dynamo traces this function and sees a constant here: compiled code holds only the original.
                if internals.is_compiling() or self.off:
                    return original(*args, **kwargs)
                result = original(*args, **kwargs)
                if type(result) is Tensor and len(args) > 1:
                    try:
                        # The labels are counted, and a loader tells the batch size: nothing more to learn.
                        if (
                            baseline.is_complete
                            and result.requires_grad
                            and (source := recorder.local.state.source) is not None
                            and not source.is_evaluation
                        ):
                            return result
                        self._called(name, args, kwargs, result)
                    except Exception as error:
                        self.fail(error)
                return result

            return loss

        return wrap

    def _is_evaluated(self, state: ThreadState) -> bool:
        """Whether a loss that could be trained on is not: its author forgot `no_grad`, but not `eval()`."""
        source = state.source
        is_held_out = source is not None and not source.exhausted and source.is_evaluation
        return is_held_out and self.recorder.model.is_in_evaluation_mode()

    def _called(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor) -> None:
        given, target = args[0], args[1]
        if type(target) is not Tensor or not isinstance(given, Tensor) or is_traced():
            return
        began = perf_counter_ns()
        arguments = (*args[2:], *kwargs.values()) if kwargs else args[2:]
        n_samples = given.shape[0] if given.ndim > (1 if name in _REDUCED_BY_SAMPLE else 0) else 1
        n_classes = given.shape[1] if given.ndim > 1 else 0
        call = LossCall(name, target, arguments, sequence_of(result), n_samples, n_classes)
        state = self.recorder.state()
        if result.requires_grad and not self._is_evaluated(state):
            state.loss_call = call
        elif not state.depth and (result.requires_grad or not torch.is_grad_enabled()):
            self.recorder.evaluation.loss_evaluated(state, call, given, result)
            self.recorder.flush_if_due(began)
        self.recorder.spent_ns += perf_counter_ns() - began


def is_traced() -> bool:
    """Whether tensors are stand-ins now: torch.jit.trace, vmap, or a mode that dispatches every operator."""
    return (
        internals.tracing_state() is not None
        or internals.has_transforms()
        or internals.n_dispatch_modes() > 0
    )
