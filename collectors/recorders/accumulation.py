"""Several backward calls in one step: whether its loss is the mean of theirs, or their sum.

Micro-batches make a mean. Most training loops divide each of their losses before backward (by the number of
micro-batches, or by the samples of all of them), some do not; which it is stands in the autograd graph just
below the root. Several losses of one batch (real and fake images, an auxiliary task) add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .device import ArrivingScalars
from .state import Value

_SCALING = ("DivBackward0", "MulBackward0")
_PASSED = ("CloneBackward0", "ToCopyBackward0", "ViewBackward0", "AliasBackward0", "MeanBackward0")
_COUNTED = ("NllLossBackward0", "NllLoss2DBackward0")
_SUM = 2
MOST_LINKS = 4
"""Operations between the root and the loss that are looked at."""


@dataclass(slots=True, eq=False)
class Share:
    """What a root is, relative to a loss that averages over its own samples.

    Attributes:
        factor: product of the numbers it was multiplied with (or divided by).
        weight: samples that the loss sums over; None where it averages, or where that is not known.
        is_the_loss: nothing but such numbers lies between the root and the loss function asked for.
    """

    factor: list[Value]
    weight: Value | None
    is_the_loss: bool

    @property
    def is_scaled(self) -> bool:
        """Whether the loss was multiplied with something other than 1."""
        return any(isinstance(f, Tensor) or f != 1 for f in self.factor)

    def value(self) -> float | None:
        """The share as a number; None while some of it is on an accelerator."""
        found = 1.0
        for part in (*self.factor, 1.0 if self.weight is None else self.weight):
            if isinstance(part, Tensor):
                return None
            found *= part
        return found


class Accumulation:
    """How the losses of one step's backward calls make its loss; decided at the first step that has several.

    Args:
        share: of one of them; None when the graph does not tell.
        n_losses: how many the step had.
        n_batches: how many batches of a loader they came from; `n_losses` when not known.
        in_pieces: each of them was of a part of its batch: these are micro-batches, too.
    """

    def __init__(self, share: Share | None, n_losses: int, n_batches: int, *, in_pieces: bool) -> None:
        self._share = share
        self._n_losses = n_losses
        self._n_batches = n_batches
        self._has_terms = n_batches < n_losses and not in_pieces
        late = [] if share is None else [v for v in (*share.factor, share.weight) if isinstance(v, Tensor)]
        self._late = ArrivingScalars(late) if late else None
        self._divisor: float | None = None
        self.is_settled = False

    @property
    def is_divided(self) -> bool:
        """Whether each loss was divided, so that they add up to the loss of the step. Settles it."""
        if not self.is_settled:
            self._settle()
        return self._divisor is not None

    def _settle(self) -> None:
        self.is_settled = True
        share = self._share
        if share is None:
            return
        if self._late is not None:
            arrived = iter(self._late.read())
            share.factor = [next(arrived) if isinstance(v, Tensor) else v for v in share.factor]
            share.weight = next(arrived) if isinstance(share.weight, Tensor) else share.weight
        value, n = share.value(), self._n_losses
        if value is None:
            return
        by_batches = self._has_terms and self._n_batches > 1 and abs(value * self._n_batches - 1) < 0.01
        if share.weight is None and (by_batches or abs(value * n - 1) < 0.01):
            self._divisor = 1 / value
            self._has_terms = by_batches
        elif share.weight is not None and value < 0.75 and 0.25 < value * n < 1.5:
            self._divisor = 0.0  # by the samples of the whole step: what it has of them always adds up to one

    def loss(self, losses: Sequence[float], n_batches: int) -> float:
        """The loss of a step, from the values of its backward calls (at least one).

        Args:
            losses: of each of them.
            n_batches: how many batches of a loader they came from.
        """
        total = sum(losses)
        if self.is_divided and not self._divisor:
            return total
        count = n_batches if self._has_terms else len(losses)
        return total * (self._divisor or 1.0) / count


def share_of(root: Tensor, scale: Tensor | None = None, loss: int | None = None) -> Share | None:
    """What was done to a loss before backward.

    Args:
        root: what backward is called on.
        scale: the factor of GradScaler, which does not count.
        loss: number of the loss function's own node, see `sequence_of`; None when not known.

    Returns:
        None when the graph does not tell.
    """
    factor: list[Value] = []
    node: Any = None
    try:
        for node in _links(root.grad_fn):
            name = node.name()
            if node._sequence_nr() == loss or name not in (*_SCALING, *_PASSED):
                break
            if name in _SCALING:
                number = _number(node._saved_other, scale)
                if number is None:
                    return None
                factor.append(1 / number if name.startswith("Div") else number)
        return None if node is None else Share(factor, _weight(node), node._sequence_nr() == loss)
    except (RuntimeError, AttributeError, ZeroDivisionError):  # freed, or another torch names it otherwise
        return None


def _links(node: Any) -> Iterator[Any]:
    """The nodes from the root down, along the first input."""
    for _ in range(MOST_LINKS + 1):
        if node is None:
            return
        yield node
        node = node.next_functions[0][0] if node.next_functions else None


def _number(other: Any, scale: Tensor | None) -> Value | None:
    """A plain number that a loss was multiplied with; None for anything else."""
    if not isinstance(other, Tensor) or other.numel() != 1 or other.requires_grad:
        return None
    if scale is not None and other.data_ptr() == scale.data_ptr():
        return 1.0
    return float(other.item()) if other.is_cpu else other.detach().reshape(())


def _weight(node: Any) -> Value | None:
    """Samples that a loss function sums over; None where it averages."""
    if node.name() not in _COUNTED or node._saved_reduction != _SUM:
        return None
    total: Tensor = node._saved_total_weight
    return float(total.item()) if total.is_cpu else total.detach().reshape(())


def sequence_of(result: Tensor) -> int | None:
    """The number of the autograd node that made a tensor: tells it again without keeping it."""
    node: Any = result.grad_fn
    return None if node is None else int(node._sequence_nr())
