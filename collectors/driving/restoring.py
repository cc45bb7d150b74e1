"""Putting a model, its optimizer and every random number back, bit for bit, after a test on them."""

from __future__ import annotations

import copy
import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer


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
