"""The numbers that a param group is to use in one step, from the orders and the script's own."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer

from .base_rates import BaseRates, as_number
from .group_settings import Saved, put, put_momentum
from .orders import Orders


class CannotFollowError(Exception):
    """The orders name something that the optimizer does not have."""


class LrRule:
    """Applies orders to optimizers.

    Attributes:
        reference: base LR of the first param group that has one above 0, of the optimizer that stepped
            first; the plan names its LR, and all others keep their ratio to it. NaN before the first step.
        bases: what the script gave to each group.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.bases = BaseRates()
        self.reference = math.nan

    def look(self, optimizer: Optimizer) -> None:
        """The optimizer that steps first: its base LR is the reference.

        Raises:
            CannotFollowError: it has no LR that could be replaced, though the orders name one.
        """
        rates = [self.bases.of(optimizer, i) for i in range(len(optimizer.param_groups))]
        self.reference = next((rate for rate in rates if rate), math.nan)
        orders = self._orders
        if math.isnan(self.reference) and (orders.lr_plan or orders.range_test or orders.lr is not None):
            raise CannotFollowError(
                f"{type(optimizer).__name__} has no learning rate above 0 in any param group, so none can be "
                "set; give it a fixed lr"
            )

    def apply(self, optimizer: Optimizer, position: int, factor: float | None, saved: Saved) -> None:
        """Put the numbers of a step into the groups.

        Args:
            optimizer: about to step.
            position: 0-based step of the orders.
            factor: of a range test, on every base LR; None without one.
            saved: receives what the groups had.

        Raises:
            CannotFollowError: the optimizer has no such setting.
        """
        groups = optimizer.param_groups
        for index, group in enumerate(groups):
            rate = self._rate(group, self.bases.of(optimizer, index), position, factor)
            if rate is not None:
                put(group, "lr", rate, saved)
        name = type(optimizer).__name__
        momentum, decay = self._orders.momentum, self._orders.weight_decay
        if momentum is not None and not sum(put_momentum(group, momentum, saved) for group in groups):
            raise CannotFollowError(f"{name} has neither momentum nor betas, so no momentum can be set")
        if decay is not None:
            known = [group for group in groups if "weight_decay" in group]
            if not known:
                raise CannotFollowError(f"{name} has no weight_decay, so none can be set")
            # A script that spares biases and norms from the decay gave them 0.
            decayed = [group for group in known if as_number(group["weight_decay"])]
            for group in decayed or known:
                put(group, "weight_decay", decay, saved)

    def _rate(
        self, group: dict[str, Any], base: float | None, position: int, factor: float | None
    ) -> float | None:
        """The LR that a group is to use; None = the script's own."""
        orders = self._orders
        if base is None:
            return None
        if orders.max_steps is not None and position >= orders.max_steps:
            return 0.0  # only waiting for an evaluation
        if factor is not None:
            return base * factor
        if orders.lr_plan is not None:
            value = orders.lr_plan.at(position)
            return base * value if orders.lr_plan.kind == "factor" else self._shared(value, base)
        if orders.lr is None or (own := as_number(group.get("lr"))) is None:
            return None
        # Exactly what the script would have computed from another `lr`, where it has no schedule.
        return self._shared(orders.lr, base) if own == base else own * (orders.lr / self.reference)

    def _shared(self, value: float, base: float) -> float:
        """The LR of a group where the reference has `value`; the very number for groups of the same base."""
        return value if base == self.reference else value * (base / self.reference)
