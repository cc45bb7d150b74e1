"""The loss of one training batch as a list of operators that can be evaluated again with today's weights.

An unmodified script has no function `loss(model, batch)` that could be called again: the loss may come from a
closure, several models, arithmetic of its own. What it has is operators. While the tape is on, every operator
that depends on a parameter is written down; whatever does not depend on one (images, labels, masks) is kept
as a constant. Replaying the list gives the loss of the same samples, with the same dropout masks, under the
weights of the moment, and touches neither the script's buffers nor its random numbers.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ..recorders.internals import n_dispatch_modes
from .tape_replay import Constant, Operator, RandomState, Replay, Slot, UnrecordableError

MOST_OPERATORS = 50_000
"""Operators of one training step; more than that between two steps is not one."""

_RANDOM = torch.Tag.nondeterministic_seeded
_COLLECTIVES = ("c10d", "_c10d_functional", "_dtensor", "fsdp")
_TENSORS = (Tensor, torch.nn.Parameter, torch.nn.Buffer)


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """Writes operators down between `begin` and `cut`."""

    def __init__(self) -> None:
        untyped: Any = super()
        untyped.__init__()
        self.is_on = False
        self._pid = os.getpid()
        self._operators: list[Operator] = []
        self._slots: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._aliases: list[int] = []
        self._written: set[int] = set()

    def begin(self) -> None:
        """Start to write down, in this thread."""
        enter: Any = self.__enter__
        enter()
        self.is_on = True

    def end(self) -> None:
        """Stop. Where another mode was put on top of ours, ours stays and does nothing."""
        if self.is_on:
            self.is_on = False
            if n_dispatch_modes() and _top_mode() is self:
                self.__exit__(None, None, None)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self.is_on or len(self._operators) >= MOST_OPERATORS or self._pid != os.getpid():
            return func(*args, **kwargs)
        leaves, spec = pytree.tree_flatten((args, kwargs))
        try:
            operator = self._before(func, leaves, spec)
        except UnrecordableError as error:  # it matters only if the loss is made of it
            operator = Operator(func, [], spec, [], -1, trouble=str(error))
        result = func(*args, **kwargs)
        if operator is not None:
            self._after(operator, result)
        return result

    def _before(self, func: Any, leaves: list[Any], spec: Any) -> Operator | None:
        kept: list[Any] = []
        depends = False
        for leaf in leaves:
            kept.append(self._named(leaf) if isinstance(leaf, Tensor) else leaf)
            depends = depends or isinstance(kept[-1], (Slot, Tensor))
        if not depends:
            return None
        self._check(func, leaves)
        for position in written_arguments(func, leaves):
            written = kept[position]
            if isinstance(written, Tensor):
                raise UnrecordableError("the forward pass changes a parameter")
            if isinstance(written, Constant):
                kept[position] = Constant(written.value.clone(), is_written=True)
                self._written.add(written.value.untyped_storage().data_ptr())
        state = RandomState.of(leaves) if _RANDOM in func.tags else None
        return Operator(func, kept, spec, [], -1, state)

    def _named(self, tensor: Tensor) -> Any:
        """The slot of a tensor that depends on parameters, a parameter itself, or a constant."""
        if type(tensor) not in _TENSORS:
            raise UnrecordableError(f"the model computes with tensors of type {type(tensor).__name__}")
        known = self._slots.get(id(tensor))
        if known is not None and known[0]() is tensor:
            return Slot(known[1])
        if tensor.requires_grad and tensor.is_leaf:
            return tensor
        if tensor.requires_grad:
            raise UnrecordableError("part of the model runs compiled, or in other threads")
        return Constant(tensor)

    def _check(self, func: Any, leaves: list[Any]) -> None:
        if func.namespace in _COLLECTIVES:
            raise UnrecordableError("the forward pass talks to other ranks")
        for leaf in leaves:
            if isinstance(leaf, torch.Generator):
                raise UnrecordableError("the forward pass draws from a generator of its own")
            if isinstance(leaf, Tensor) and id(leaf) not in self._slots and self._is_stained(leaf):
                raise UnrecordableError("the forward pass writes results into parts of other tensors")

    def _is_stained(self, tensor: Tensor) -> bool:
        """Whether results of the model were written into the memory of a tensor that is taken as constant."""
        return bool(self._written) and tensor.untyped_storage().data_ptr() in self._written

    def _after(self, operator: Operator, result: Any) -> None:
        returns = [info.alias_info is not None for info in operator.function._schema.returns]
        source = next((leaf for leaf in operator.leaves if isinstance(leaf, Slot)), None)
        for index, leaf in enumerate(pytree.tree_leaves(result)):
            if not isinstance(leaf, Tensor) or (leaf.is_leaf and leaf.requires_grad):
                operator.results.append(None)
                continue
            number = len(self._aliases)
            aliased = source is not None and (returns[index] if index < len(returns) else any(returns))
            self._aliases.append(self._aliases[source.number] if aliased and source else number)
            operator.results.append(number)
            self._slots[id(leaf)] = weakref.ref(leaf), number
        operator.alias = self._aliases[source.number] if source is not None else -1
        self._operators.append(operator)

    def cut(self, root: Tensor) -> Replay:
        """What computes `root`, checked by computing it.

        Raises:
            UnrecordableError: it cannot be computed from what was written down.
        """
        self.end()
        if len(self._operators) >= MOST_OPERATORS:
            raise UnrecordableError(f"one step has more than {MOST_OPERATORS} operators")
        known = self._slots.get(id(root))
        if known is None or known[0]() is not root:
            raise UnrecordableError("the loss does not come from operators of this thread")
        operators = self._needed(known[1])
        for operator in operators:
            operator.leaves = [_kept(leaf) for leaf in operator.leaves]
        replay = Replay(operators, known[1])
        self._operators, self._slots = [], {}
        replay.verify(float(root.item()))
        return replay

    def _needed(self, root: int) -> list[Operator]:
        """The operators behind a result, with those that write into something behind it."""
        slots, aliases = {root}, {self._aliases[root]}
        found: list[Operator] = []
        last_used = {root}
        for operator in reversed(self._operators):
            writes = operator.function._schema.is_mutable and operator.alias in aliases
            if not writes and not any(number in slots for number in operator.results):
                continue
            if operator.trouble:
                raise UnrecordableError(operator.trouble)
            used = {leaf.number for leaf in operator.leaves if isinstance(leaf, Slot)}
            made = {number for number in operator.results if number is not None}
            operator.free = sorted((used | made) - last_used)
            last_used |= used | made
            slots |= used
            aliases |= {self._aliases[number] for number in used}
            found.append(operator)
        return found[::-1]


def _kept(leaf: Any) -> Any:
    """A constant as a copy of its own: the script may use its memory again. `verify` tells if it did."""
    if not isinstance(leaf, Constant) or leaf.is_written:
        return leaf
    return Constant(leaf.value.detach().clone())


def written_arguments(func: Any, leaves: list[Any]) -> list[int]:
    """Positions among the flattened arguments that an operator writes into; only plain tensor arguments."""
    arguments = func._schema.arguments
    written = [a.alias_info is not None and a.alias_info.is_write for a in arguments]
    if not any(written) or len(arguments) < len(leaves):
        return []
    return [
        i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and i < len(written) and written[i]
    ]


def _top_mode() -> Any:
    from torch.utils import _python_dispatch as dispatch

    current: Callable[[], Any] = getattr(dispatch, "_get_current_dispatch_mode", lambda: None)
    return current()
