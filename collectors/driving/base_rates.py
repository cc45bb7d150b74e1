"""The LR that a script means by each param group, before any schedule."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ..recorders.patches import Patches


class BaseRates:
    """Remembers the LR with which each param group was given to its optimizer.

    A schedule changes `lr` before the first step, and a script may do so by hand, so the value of that
    moment would not do. `max_lr` of OneCycleLR and CyclicLR and `initial_lr` of the other schedulers tell
    the same for optimizers that were made before us.
    """

    def __init__(self) -> None:
        self._given: weakref.WeakKeyDictionary[Optimizer, list[float | None]] = weakref.WeakKeyDictionary()

    def install(self, patches: Patches) -> None:
        """Follow every `add_param_group`, through which the constructor goes as well."""
        patches.replace(Optimizer, "add_param_group", self._wrap)

    def _wrap(self, original: Any) -> Any:
        given = self._given

        def add_param_group(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(optimizer, *args, **kwargs)
            rates = given.setdefault(optimizer, [])
            groups = optimizer.param_groups
            rates += [None] * (len(groups) - 1 - len(rates))
            rates.append(as_number(groups[-1].get("lr")))
            return result

        add_param_group.__doc__ = original.__doc__
        return add_param_group

    def of(self, optimizer: Optimizer, group: int) -> float | None:
        """Base LR of a param group, unit 1/step; None when it has none that is a number."""
        settings = optimizer.param_groups[group]
        peak = as_number(settings.get("max_lr"))
        if peak is not None:
            return peak
        rates = self._given.get(optimizer, [])
        given = rates[group] if group < len(rates) else None
        if given is None:
            given = as_number(settings.get("initial_lr", settings.get("lr")))
        return given


def as_number(rate: Any) -> float | None:
    """An LR as a float; a tensor is read. None for anything else."""
    if isinstance(rate, Tensor):
        return float(rate.item()) if rate.numel() == 1 else None
    if isinstance(rate, bool) or not isinstance(rate, (int, float)):
        return None
    return float(rate)
