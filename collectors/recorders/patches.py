"""Replacing functions of torch and putting them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Wrapper = Callable[[Any], Any]

_ABSENT = object()


class Patches:
    """Attributes that were replaced, in order.

    `restore` puts an original back only where our wrapper still stands. Where somebody wrapped ours in the
    meantime it stays, and passes straight through because its recorder is off.
    """

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, wrap: Wrapper, *, operator: str = "") -> bool:
        """Replace `owner.name` by `wrap(owner.name)`.

        Args:
            owner: module or class.
            name: attribute; nothing happens where it does not exist (older or newer torch).
            wrap: builds the wrapper around the original.
            operator: `aten::` name under which torch.jit.script shall know the wrapper.

        Returns:
            Whether it was there.
        """
        original = getattr(owner, name, None)
        if original is None:
            return False
        own = vars(owner).get(name, _ABSENT)
        wrapper = wrap(original)
        setattr(owner, name, wrapper)
        self._replaced.append((owner, name, own, wrapper))
        if operator:
            _tell_script(wrapper, original, operator)
        return True

    def restore(self) -> None:
        """Put every original back."""
        for owner, name, own, wrapper in reversed(self._replaced):
            if vars(owner).get(name) is not wrapper:
                continue
            if own is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, own)
        self._replaced.clear()


def _tell_script(wrapper: Any, original: Any, operator: str) -> None:
    """Make torch.jit.script compile a call of `wrapper` as the operator that `original` is.

    Both stay known: script finds functions by identity, and its table is built on first use from the names
    that stand in torch at that moment.
    """
    from torch.jit import _builtins  # torch.jit is loaded with torch

    if id(wrapper) in _KNOWN_TO_SCRIPT:
        return
    _KNOWN_TO_SCRIPT[id(wrapper)] = wrapper
    table = getattr(_builtins, "_builtin_table", None)
    waiting = getattr(_builtins, "_builtin_ops", None)
    if table is not None:
        table[id(wrapper)] = operator
        table[id(original)] = operator
    elif isinstance(waiting, list):
        waiting += [(wrapper, operator), (original, operator)]


_KNOWN_TO_SCRIPT: dict[int, Any] = {}
"""Wrappers whose id stands in script's table; kept alive, so that the id never means another object."""
