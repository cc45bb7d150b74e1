"""Per-run memory, so that detectors share expensive arithmetic without knowing each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from traindoctor.run import Run

P = ParamSpec("P")
T = TypeVar("T")


def memoised(function: Callable[Concatenate[Run, P], T]) -> Callable[Concatenate[Run, P], T]:
    """Compute `function(run, ...)` once per run and arguments; forget it together with the run.

    The result is shared: it must not be changed by a caller, and it must not hold the run itself
    (the run would then never be freed). The arguments after the run must be hashable. An exception is
    not remembered.

    Example:
        >>> calls = []
        >>> @memoised
        ... def n_series(run):
        ...     calls.append(run.id)
        ...     return len(run.series)
        >>> run = Run("a", "a")
        >>> n_series(run), n_series(run), calls
        (0, 0, ['a'])
    """
    memory: WeakKeyDictionary[Run, dict[Any, T]] = WeakKeyDictionary()

    def remembered(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> T:
        known = memory.setdefault(run, {})
        key = (args, tuple(sorted(kwargs.items())))
        if key not in known:
            known[key] = function(run, *args, **kwargs)
        return known[key]

    update_wrapper(remembered, function)
    return remembered
