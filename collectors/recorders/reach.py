"""Which optimizers a loss belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

MOST_NODES = 200_000
"""A larger graph is not walked to its end; the loss then belongs to what was reached so far."""


def reached(roots: list[Tensor], owners: Mapping[int, tuple[int, ...]], wanted: int) -> set[int]:
    """Optimizers whose parameters the loss depends on.

    Walks the autograd graph from the roots to its leaves: to be called before `backward` frees the graph.

    Args:
        roots: the tensors given to `backward`.
        owners: `id(parameter)` -> keys of the optimizers that hold it.
        wanted: number of optimizers; the walk ends once that many were reached.

    Returns:
        Keys of the optimizers.
    """
    found: set[int] = set()
    stack: list[Any] = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen: set[Any] = set(stack)
    while stack and len(found) < wanted and len(seen) < MOST_NODES:
        node = stack.pop()
        if not node.next_functions:
            found.update(owners.get(id(getattr(node, "variable", None)), ()))
            continue
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                stack.append(following)
    return found
