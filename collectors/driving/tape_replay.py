"""Operators that were written down, and running them again under the weights of the moment."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


class UnrecordableError(Exception):
    """The loss cannot be replayed; the message ends the sentence "because …"."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a result among all results."""

    number: int


@dataclass(slots=True, eq=False)
class Constant:
    """A tensor that depends on no parameter; `value` is a copy once the tape is cut."""

    value: Tensor
    is_written: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RandomState:
    """The state of the random numbers of one device."""

    device: torch.device
    state: Tensor

    @classmethod
    def of(cls, leaves: list[Any]) -> RandomState:
        """The one that an operator with these arguments draws from.

        Raises:
            UnrecordableError: torch does not tell it for this kind of device.
        """
        device = next((leaf.device for leaf in leaves if isinstance(leaf, Tensor)), torch.device("cpu"))
        if device.type == "cpu":
            return cls(device, torch.get_rng_state())
        if device.type == "cuda":
            return cls(device, torch.cuda.get_rng_state(device))
        raise UnrecordableError(f"the forward pass draws random numbers on {device.type}")

    def now(self) -> RandomState:
        """The state that the device has at present."""
        return RandomState.of([torch.empty(0, device=self.device)])

    def set(self) -> None:
        """Make it the device's state."""
        if self.device.type == "cpu":
            torch.set_rng_state(self.state)
        else:
            torch.cuda.set_rng_state(self.state, self.device)


@dataclass(slots=True, eq=False)
class Operator:
    """One call of an operator.

    Attributes:
        function: the operator.
        leaves: its flattened arguments: slots, constants, parameters, and whatever is no tensor.
        spec: how they are nested.
        results: a slot for each result, None for what is no tensor.
        alias: what memory it writes into, as the number of the slot that was first there.
        random_state: of the random numbers before it, for operators that draw some.
        trouble: why it cannot be run again; "" when it can.
        free: slots that nothing needs after it.
    """

    function: Any
    leaves: list[Any]
    spec: Any
    results: list[int | None]
    alias: int
    random_state: RandomState | None = None
    trouble: str = ""
    free: list[int] = field(default_factory=list[int])


class Replay:
    """Operators that compute one loss.

    Attributes:
        n_samples: largest first dimension among the constants that are no scalars, 1 without any.
    """

    def __init__(self, operators: list[Operator], root: int) -> None:
        self._operators = operators
        self._root = root
        constants = [leaf.value for op in operators for leaf in op.leaves if isinstance(leaf, Constant)]
        floats = [c for c in constants if c.ndim > 1 and c.is_floating_point()]
        self.n_samples = (
            int(floats[0].shape[0]) if floats else max((len(c) for c in constants if c.ndim), default=1)
        )

    def loss(self) -> float:
        """The loss under the weights of the moment; nothing of the script's is changed."""
        used = {op.random_state.device: op.random_state for op in self._operators if op.random_state}
        before = [state.now() for state in used.values()]
        slots: dict[int, Tensor] = {}
        try:
            with torch.no_grad(), _without_autocast():
                for operator in self._operators:
                    _perform(operator, slots)
            return float(slots[self._root].item())
        finally:
            for state in before:
                state.set()

    def verify(self, loss: float) -> None:
        """Compare with the loss that the script computed.

        Raises:
            UnrecordableError: they differ.
        """
        try:
            again = self.loss()
        except Exception as error:
            raise UnrecordableError(f"its operators cannot be run again ({type(error).__name__})") from error
        if not abs(again - loss) <= 1e-3 * abs(loss) + 1e-7 and not (again != again and loss != loss):
            raise UnrecordableError(f"computed again it is {again:.6g} instead of {loss:.6g}")


def _perform(operator: Operator, slots: dict[int, Tensor]) -> None:
    def present(leaf: Any) -> Any:
        if isinstance(leaf, Slot):
            return slots[leaf.number]
        if isinstance(leaf, Constant):
            return leaf.value.clone() if leaf.is_written else leaf.value
        return leaf.detach() if isinstance(leaf, Tensor) else leaf

    if operator.random_state is not None:
        operator.random_state.set()
    args, kwargs = pytree.tree_unflatten([present(leaf) for leaf in operator.leaves], operator.spec)
    results = pytree.tree_leaves(operator.function(*args, **kwargs))
    for number, result in zip(operator.results, results, strict=True):
        if number is not None:
            slots[number] = result
    for number in operator.free:
        slots.pop(number, None)


def _without_autocast() -> ExitStack:
    """The operators were written down with their casts; they are not to be cast again."""
    stack = ExitStack()
    for kind in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        stack.enter_context(torch.autocast(kind, enabled=False))
    return stack
