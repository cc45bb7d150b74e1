"""A range test on a model in this process, after which everything is as it was."""

from __future__ import annotations

import copy
import inspect
import itertools
import math
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from traindoctor.errors import UsageError

from .base_rates import as_number
from .orders import RangeTest
from .range_run import DIVERGED
from .reports import DriverReport

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


class RandomNumbers:
    """The state of every random number generator of this process."""

    def __init__(self) -> None:
        self._python = random.getstate()
        self._numpy = np.random.get_state()
        self._torch = torch.get_rng_state()
        cuda: Any = torch.cuda
        self._cuda: list[Tensor] = cuda.get_rng_state_all() if cuda.is_initialized() else []

    def restore(self) -> None:
        """Make it the state again."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        torch.set_rng_state(self._torch)
        if self._cuda:
            torch.cuda.set_rng_state_all(self._cuda)


@contextmanager
def everything_restored(model: Module, optimizer: Optimizer, loader: Any, scaler: Any) -> Generator[None]:
    """Put parameters, buffers, gradients, modes, optimizer, scaler and random numbers back, bit for bit."""
    randoms = RandomNumbers()
    tensors = [(t, t.detach().clone()) for t in (*model.parameters(), *model.buffers())]
    held = [p for group in optimizer.param_groups for p in group["params"]]
    known = {id(t) for t, _ in tensors}
    tensors += [(p, p.detach().clone()) for p in held if id(p) not in known]
    gradients = [(p, p.grad, None if p.grad is None else p.grad.detach().clone()) for p, _ in tensors]
    modes = [(module, module.training) for module in model.modules()]
    groups = [{k: _value(v) for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    state = [
        (p, entry, {k: (v, _value(v)) for k, v in entry.items()}) for p, entry in optimizer.state.items()
    ]
    flags = {k: v for k, v in vars(optimizer).items() if k not in ("state", "param_groups")}
    scaling = None if scaler is None else copy.deepcopy(vars(scaler))
    generators = [(g, g.get_state()) for g in _generators(loader)]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in tensors:
                tensor.copy_(before)
        for parameter, gradient, content in gradients:
            if gradient is not None and content is not None:
                with torch.no_grad():
                    gradient.copy_(content)
            parameter.grad = gradient
        for module, mode in modes:
            module.training = mode
        for group, settings in zip(optimizer.param_groups, groups, strict=True):
            _put_back(group, settings)
        _restore_state(optimizer, state)
        for key in vars(optimizer).keys() - {*flags, "state", "param_groups"}:
            delattr(optimizer, key)
        vars(optimizer).update(flags)
        if scaling is not None:
            vars(scaler).clear()
            vars(scaler).update(scaling)
        for generator, before in generators:
            generator.set_state(before)
        randoms.restore()


def _restore_state(
    optimizer: Optimizer, state: list[tuple[Any, dict[Any, Any], dict[Any, tuple[Any, Any]]]]
) -> None:
    optimizer.state.clear()  # entries that the test made were not there before
    for parameter, entry, contents in state:
        kept: dict[Any, Any] = {}
        for key, (own, before) in contents.items():
            if isinstance(own, Tensor):
                with torch.no_grad():
                    own.copy_(before)
                kept[key] = own
            else:
                kept[key] = before
        entry.clear()
        entry.update(kept)
        optimizer.state[parameter] = entry


def _put_back(group: dict[str, Any], settings: dict[str, Any]) -> None:
    for key in [key for key in group if key != "params" and key not in settings]:
        del group[key]
    for key, before in settings.items():
        own = group.get(key)
        if isinstance(own, Tensor) and isinstance(before, Tensor):
            with torch.no_grad():
                own.copy_(before)
        else:
            group[key] = before


def _value(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)


def _generators(loader: Any) -> list[torch.Generator]:
    """The generators that decide in which order a loader delivers."""
    holders = (loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None))
    inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    found = [getattr(holder, "generator", None) for holder in (*holders, inner)]
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())


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
