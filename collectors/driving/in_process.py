"""A range test on a model in this process, after which everything is as it was."""

from __future__ import annotations

import copy
import inspect
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from traindoctor.errors import UsageError

from .base_rates import as_number
from .orders import RangeTest
from .range_run import DIVERGED
from .reports import DriverReport
from .restoring import RandomNumbers, everything_restored

Loss = Callable[[Any], Any]
"""The loss of a batch, a scalar tensor."""


def measure(
    model: Any, optimizer: Any, loss_fn: Any, loader: Any, test: RangeTest, scaler: Any = None
) -> DriverReport:
    """Do the test and put everything back; see `traindoctor.lr_find` for the arguments.

    Raises:
        UsageError: an argument is of another kind, or the loader yields nothing.
    """
    if not isinstance(model, Module):
        raise UsageError(f"lr_find: expected a torch.nn.Module as model, found {type(model).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise UsageError(f"lr_find: expected a torch optimizer, found {type(optimizer).__name__}")
    rates = [as_number(group.get("lr")) for group in optimizer.param_groups]
    base = next((rate for rate in rates if rate), None)
    if base is None:
        raise UsageError("lr_find: expected an optimizer with an LR above 0, found none in its param groups")
    factors = test.factors(base)
    with everything_restored(model, optimizer, loader, scaler):
        session = _Session(model, optimizer, _loss_of(model, loss_fn), scaler, rates)
        return session.run(_endless(loader), test, factors, base)


class _Session:
    """One test in progress."""

    def __init__(
        self, model: Module, optimizer: Optimizer, loss: Loss, scaler: Any, rates: list[float | None]
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._loss = loss
        self._scaler = scaler
        self._rates = rates
        self._random: RandomNumbers | None = None

    def run(
        self, batches: Iterator[Any], test: RangeTest, factors: tuple[float, ...], base: float
    ) -> DriverReport:
        probe: list[Any] = []
        n_samples = 0
        for _ in range(test.lead_in):
            next(batches, None)
        while n_samples < test.probe_samples and len(probe) < test.probe_samples:
            batch = next(batches, None)
            if batch is None:
                raise UsageError("lr_find: expected a loader that yields batches, found none")
            probe.append(_own_copy(batch))
            n_samples += samples_in(batch)
        self._random = RandomNumbers()
        start = self._probe(probe)
        done: list[float] = []
        losses: list[list[float]] = []
        reason = "done" if math.isfinite(_mean(start)) else "not-finite-at-start"
        while reason == "done" and len(done) < len(factors):
            self._step(next(batches), factors[len(done)])
            done.append(factors[len(done)])
            losses.append(self._probe(probe))
            now, first = _mean(losses[-1]), _mean(start)
            if not math.isfinite(now) or now - first > (DIVERGED - 1.0) * abs(first):
                reason = "diverged"
        return DriverReport(
            steps=len(done),
            base_lr=base,
            optimizer=type(self._optimizer).__name__,
            range_test={
                "reason": reason,
                "steps": len(factors),
                "done": len(done),
                "factors": done,
                "start": start,
                "losses": losses,
                "no_probe": "",
                "n_samples": n_samples,
            },
        )

    def _step(self, batch: Any, factor: float) -> None:
        optimizer, scaler = self._optimizer, self._scaler
        for group, rate in zip(optimizer.param_groups, self._rates, strict=True):
            if rate is None:
                continue
            if isinstance(group["lr"], Tensor):
                with torch.no_grad():
                    group["lr"].fill_(rate * factor)
            else:
                group["lr"] = rate * factor

        def closure() -> Any:
            optimizer.zero_grad()
            loss = self._loss(batch)
            (loss if scaler is None else scaler.scale(loss)).backward()
            return loss

        if scaler is None:
            optimizer.step(closure)
            return
        closure()
        scaler.step(optimizer)
        scaler.update()

    def _probe(self, batches: list[Any]) -> list[float]:
        """Loss of each batch, always with the same random numbers; buffers stay as they were."""
        now = RandomNumbers()
        buffers = [(buffer, buffer.detach().clone()) for buffer in self._model.buffers()]
        assert self._random is not None
        self._random.restore()
        try:
            with torch.no_grad():
                return [float(self._loss(batch)) for batch in batches]
        finally:
            now.restore()
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        is_empty = True
        for batch in loader:
            is_empty = False
            yield batch
        if is_empty:
            return


def _loss_of(model: Module, loss_fn: Any) -> Loss:
    """The loss of a batch, by the two forms of `loss_fn`."""
    if not callable(loss_fn):
        raise UsageError(f"lr_find: expected a function as loss_fn, found {type(loss_fn).__name__}")
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    takes_model = not isinstance(loss_fn, Module) and _first_name(loss_fn) in ("model", "net", "module")

    def loss(batch: Any) -> Any:
        batch = _moved(batch, device)
        if takes_model:
            return loss_fn(model, batch)
        if not isinstance(batch, (list, tuple)) or len(batch) < 2:
            raise UsageError(
                f"lr_find: expected batches (inputs, targets), found {type(batch).__name__}; for others "
                "give a function loss_fn(model, batch)"
            )
        *inputs, target = batch
        return loss_fn(model(*inputs), target)

    return loss


def _first_name(function: Any) -> str:
    try:
        return next(iter(inspect.signature(function).parameters), "")
    except (TypeError, ValueError):
        return ""


def _moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: _moved(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(_moved(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(_moved(value, device) for value in batch)
    return batch


def _own_copy(batch: Any) -> Any:
    """A batch that no loader can write into again."""
    return copy.deepcopy(batch)


def samples_in(batch: Any) -> int:
    """First dimension of the first tensor of a batch, 1 without any."""
    values = (
        batch.values() if isinstance(batch, dict) else batch if isinstance(batch, (list, tuple)) else [batch]
    )
    sizes = (value.shape[0] for value in values if isinstance(value, Tensor) and value.ndim)
    return next(itertools.chain(sizes, (1,)))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
