"""Statistics of every parameter of one optimizer: norms, extremes, zeros, updates, dead rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traindoctor.names import PARAMETER_QUANTITIES

from . import internals
from .device import Arriving, gather
from .tensors import Quiet, readable

QUANTITIES = tuple(quantity.name for quantity in PARAMETER_QUANTITIES)
DEAD_SAMPLES = 5
_ILL_CONDITIONED = 1e-2
"""Below this ratio of variance to squared mean, one pass in float32 loses too many digits."""


class ParameterStatistics:
    """Measures a fixed list of parameters.

    Args:
        parameters: the parameters, on any device, in any dtype.
        snapshot_bytes: memory that the copy of the weights may take; above it update norms are left out.

    Attributes:
        names: of the parameters, "" for one that is not to be measured; set before `measure`.
        has_rows: for each, whether its first dimension counts output units (matrices, convolutions).
        copies_weights: whether update norms are measured.
    """

    def __init__(self, parameters: Sequence[Tensor], snapshot_bytes: int) -> None:
        self.names: tuple[str, ...] = ()
        self.has_rows: tuple[bool, ...] = ()
        self._zero_runs: list[Tensor | None] = [None] * len(parameters)
        self._sampled = [0] * len(parameters)
        self._before: list[Tensor | None] | None = None
        self.copies_weights = sum(4 * p.numel() for p in parameters) <= snapshot_bytes
        self._is_fresh = False

    def snapshot(self, parameters: Sequence[Tensor]) -> None:
        """Keep a copy of the weights from before the step."""
        if not self.copies_weights:
            return
        with Quiet():
            found = [readable(p) for p in parameters]
            if self._before is None:
                self._before = [None if t is None else t.clone() for t in found]
            else:
                pairs = [
                    (b, t)
                    for b, t in zip(self._before, found, strict=True)
                    if b is not None and t is not None
                ]
                if pairs:
                    internals.foreach_copy_([b for b, _ in pairs], [t for _, t in pairs])
        self._is_fresh = True

    def measure(
        self, parameters: Sequence[Tensor], grad_norms: Sequence[Tensor | None]
    ) -> list[dict[str, Tensor | float]]:
        """Every quantity of every parameter now, after the step.

        Args:
            parameters: as given at construction.
            grad_norms: L2 norm of each parameter's gradient, None without one.

        Returns:
            Per parameter: quantity -> value (0-dim tensor or number). What does not exist is absent.
        """
        with Quiet():
            weights = [readable(p) for p in parameters]
            known = [i for i, w in enumerate(weights) if w is not None and w.numel() and self.names[i]]
            found: list[dict[str, Tensor | float]] = [{} for _ in parameters]
            live: list[Tensor] = [w for i in known if (w := weights[i]) is not None]
            if live:
                self._measure_weights(live, [found[i] for i in known])
                self._measure_updates(known, live, [found[i] for i in known])
            for index, (p, norm) in enumerate(zip(parameters, grad_norms, strict=True)):
                if norm is not None and self.names[index]:
                    found[index]["grad_norm"] = norm.item() if norm.is_cpu else norm
                    self._measure_rows(index, p.grad, found[index])
        return found

    def _measure_weights(self, live: list[Tensor], found: list[dict[str, Tensor | float]]) -> None:
        for weight, norm, values in zip(live, internals.foreach_norm(live), found, strict=True):
            if weight.is_cpu:
                self._measure_here(weight, norm.item(), values)
                continue
            values["weight_norm"] = norm
            values["weight_rms"] = norm / weight.numel() ** 0.5
            low, high = torch.aminmax(weight)
            values["weight_max"] = torch.maximum(low.abs(), high.abs())
            variance, values["weight_mean"] = torch.var_mean(weight, correction=0)
            values["weight_std"] = variance.sqrt()
            values["weight_zeros"] = 1 - torch.count_nonzero(weight) / weight.numel()

    def _measure_here(self, weight: Tensor, norm: float, values: dict[str, Tensor | float]) -> None:
        """The same on a CPU, where an operation on one number costs as much as one on a thousand."""
        n = weight.numel()
        low, high = torch.aminmax(weight)
        mean = weight.sum().item() / n
        values["weight_norm"] = norm
        values["weight_rms"] = norm / n**0.5
        values["weight_max"] = _largest(low.item(), high.item())
        values["weight_std"] = _std(weight, norm, mean)
        values["weight_mean"] = mean
        # numpy counts twice as fast as torch.count_nonzero on a CPU
        values["weight_zeros"] = np.count_nonzero(weight.numpy() == 0) / n

    def _measure_updates(
        self, known: list[int], live: list[Tensor], found: list[dict[str, Tensor | float]]
    ) -> None:
        if self._before is None or not self._is_fresh:
            return
        self._is_fresh = False
        before = [b for i in known if (b := self._before[i]) is not None]
        norms = internals.foreach_norm(before)
        internals.foreach_sub_(before, live)
        for values, norm, update in zip(found, norms, internals.foreach_norm(before), strict=True):
            if not norm.is_cpu:
                values["update_norm"] = update
                values["update_ratio"] = update / norm
                continue
            length, moved = norm.item(), update.item()
            values["update_norm"] = moved
            if length > 0:
                values["update_ratio"] = moved / length

    def _measure_rows(self, index: int, gradient: Tensor | None, values: dict[str, Tensor | float]) -> None:
        if not self.has_rows[index] or gradient is None or gradient.layout is not torch.strided:
            return
        grad = readable(gradient)
        if grad is None or not grad.numel():
            return
        zero = zero_rows(grad.flatten(1))
        runs = self._zero_runs[index]
        self._sampled[index] += 1
        n, is_old = zero.numel(), self._sampled[index] >= DEAD_SAMPLES
        if zero.is_cpu:  # numpy needs a fraction of the time on so few numbers
            here = zero.numpy()
            known = np.zeros(n, np.int32) if runs is None or len(runs) != n else runs.numpy()
            rows = (known + 1) * here
            self._zero_runs[index] = torch.from_numpy(rows)
            values["grad_zero_rows"] = np.count_nonzero(here) / n
            if is_old:
                values["grad_dead_rows"] = np.count_nonzero(rows >= DEAD_SAMPLES) / n
            return
        runs = zero.to(torch.int32) if runs is None or runs.shape != zero.shape else (runs + 1) * zero
        self._zero_runs[index] = runs
        values["grad_zero_rows"] = zero.sum() / n
        if is_old:
            values["grad_dead_rows"] = (runs >= DEAD_SAMPLES).sum() / n


def _largest(low: float, high: float) -> float:
    """Largest absolute value between two extremes; NaN if either is."""
    return max(abs(low), abs(high)) if low <= high else math.nan


def _std(weight: Tensor, norm: float, mean: float) -> float:
    """Population standard deviation; a second pass where one pass would lose the digits (weights near 1)."""
    square = norm * norm / weight.numel()
    variance = square - mean * mean
    if variance > _ILL_CONDITIONED * mean * mean:
        return math.sqrt(variance)
    return float(torch.linalg.vector_norm(weight - mean)) / math.sqrt(weight.numel())


def zero_rows(rows: Tensor) -> Tensor:
    """Which rows of a matrix, shape (n_rows, n_columns), are exactly zero: shape (n_rows,), bool.

    On a CPU the L2 norm per row is many times faster than any exact test; squares of tiny numbers underflow
    in it, so rows that it calls zero are looked at again.
    """
    if not rows.is_cpu:
        largest: Tensor = torch.linalg.vector_norm(rows, torch.inf, dim=1)
        return largest == 0
    zero = torch.linalg.vector_norm(rows, dim=1).numpy() == 0
    if zero.any():
        zero[zero] = ~rows.numpy()[zero].any(axis=1)
    return torch.from_numpy(zero)


class Table:
    """Statistics as a matrix of quantities and parameters, read once no accelerator has to be waited for.

    Args:
        step: optimizer step.
        names: of the parameters.
        values: as `ParameterStatistics.measure` returns them.
        quantities: the rows.
    """

    def __init__(
        self,
        step: int,
        names: Sequence[str],
        values: Sequence[Mapping[str, Tensor | float]],
        quantities: Sequence[str] = QUANTITIES,
    ) -> None:
        self.step = step
        self.quantities = quantities
        kept = [index for index, name in enumerate(names) if name]
        self.names = tuple(names[index] for index in kept)
        values = [values[index] for index in kept]
        self._at: dict[torch.device, list[tuple[int, int]]] = {}
        self._copies: dict[torch.device, Any] = {}
        self._table = np.zeros((len(quantities), len(values)), dtype=np.float32)
        self._present = np.zeros(self._table.shape, dtype=bool)
        waiting: dict[torch.device, list[Tensor]] = {}
        rows = {name: index for index, name in enumerate(quantities)}
        for column, known in enumerate(values):
            for name, value in known.items():
                self._present[rows[name], column] = True
                if isinstance(value, Tensor):
                    waiting.setdefault(value.device, []).append(value)
                    self._at.setdefault(value.device, []).append((rows[name], column))
                else:
                    self._table[rows[name], column] = value
        with Quiet():
            self._copies = {device: Arriving(gather(found)) for device, found in waiting.items()}

    def has_arrived(self) -> bool:
        """Whether reading would not wait."""
        return all(copy.has_arrived() for copy in self._copies.values())

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Values and whether each is there, both of shape (n_quantities, n_parameters)."""
        for device, copy in self._copies.items():
            at = np.array(self._at[device])
            self._table[at[:, 0], at[:, 1]] = copy.read().numpy()
        self._copies = {}
        return self._table, self._present
