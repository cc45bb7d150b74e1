"""A slow, obvious recorder: every quantity of `traindoctor.names` by its definition, at explicit calls."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

from traindoctor import names
from traindoctor.run import (
    Event,
    NetworkInfo,
    OptimizerInfo,
    ParameterInfo,
    Predictions,
    Run,
    RunInfo,
    Series,
)

from .models import ACTIVATIONS

_NORMS = ("BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm")
_ROLES = {
    "Linear": "matrix",
    "Conv2d": "matrix",
    "GRU": "matrix",
    "MultiheadAttention": "matrix",
    "NonDynamicallyQuantizableLinear": "matrix",
    "Embedding": "embedding",
}


def _norm_of(tensors: Iterable[Tensor]) -> float:
    """L2 norm of all elements together, in double precision."""
    return math.sqrt(sum(float(tensor.double().square().sum()) for tensor in tensors))


def describe_parameters(model: nn.Module, groups: Sequence[dict[str, Any]]) -> tuple[ParameterInfo, ...]:
    """The parameters in registration order, with role, owner, param group and the activation that follows."""
    modules = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    activation_types = tuple(ACTIVATIONS[name] for name in ("relu", "gelu", "tanh", "silu"))
    owner_group = {id(p): str(i) for i, group in enumerate(groups) for p in group["params"]}
    following: dict[str, str] = {}
    for index, (name, _) in enumerate(modules):
        later = [module for _, module in modules[index + 1 :]]
        weighted = (n for n, m in enumerate(later) if any(p.dim() >= 2 for p in m.parameters()))
        found = [
            type(m).__name__ for m in later[: next(weighted, len(later))] if isinstance(m, activation_types)
        ]
        following[name] = found[0] if found else ""
    infos = []
    for name, parameter in model.named_parameters():
        owner_name, _, leaf = name.rpartition(".")
        owner = type(model.get_submodule(owner_name)).__name__
        role = (
            "norm"
            if owner in _NORMS
            else "bias"
            if "bias" in leaf
            else _ROLES.get(owner, "matrix" if parameter.dim() >= 2 else "other")
        )
        infos.append(
            ParameterInfo(
                name,
                tuple(parameter.shape),
                role,
                parameter.requires_grad,
                owner_group.get(id(parameter), ""),
                str(parameter.dtype).removeprefix("torch."),
                owner,
                following.get(owner_name, ""),
            )
        )
    return tuple(infos)


def describe_network(model: nn.Module, loss: Tensor, result: Tensor) -> NetworkInfo:
    """The network as the graph of a loss shows it; `result` is what the loss function returned."""
    nodes: list[Any] = []
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes.append(node)
            waiting += [following for following, _ in node.next_functions]
    output, node = [], result.grad_fn
    while len(following := [f for f, _ in node.next_functions if f is not None]) == 1:
        output.append(_operation(node))
        node = following[0]
    rates = [getattr(m, "p" if isinstance(m, nn.Dropout) else "dropout", 0.0) for m in model.modules()]
    leaf = "torch::autograd::AccumulateGrad"
    return NetworkInfo(
        dict(Counter(_operation(node) for node in nodes if node.name() != leaf)),
        tuple(output),
        dropouts=tuple(float(p) for p in rates if isinstance(p, float) and p > 0),
    )


def _operation(node: Any) -> str:
    name = str(node.name()).partition("Backward")[0]
    is_product = name == "Mul" and sum(following is not None for following, _ in node.next_functions) == 2
    return "Product" if is_product else name


@dataclass
class ReferenceRecorder:
    """Called by the training loop at the moments `traindoctor.names` defines.

    Statistics are of the model's parameters that the optimizer holds, as the real recorder sees them.

    Attributes:
        model: the watched model.
        optimizer: its optimizer.
        scheduler: class name of the scheduler, "" for none.
        sample_every: per-parameter statistics are taken at steps 0-9 and every so many steps.
        step: optimizer steps done.
    """

    model: nn.Module
    optimizer: optim.Optimizer
    scheduler: str
    sample_every: int
    step: int = 0
    _points: dict[str, dict[int, float]] = field(default_factory=dict)
    _table: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    _events: list[Event] = field(default_factory=list)
    _losses: list[float] = field(default_factory=list)
    _n_samples: int = 0
    _batch_size: int = 0
    _epoch: int = -1
    _before: dict[str, Tensor] = field(default_factory=dict)
    _zero_rows: dict[str, deque[Tensor]] = field(default_factory=dict)
    _predictions: Predictions | None = None
    _network: NetworkInfo | None = None

    def __post_init__(self) -> None:
        self._started = self._last_step_end = time.perf_counter()
        self._infos = describe_parameters(self.model, self.optimizer.param_groups)
        self._held = {p.name: self.model.get_parameter(p.name) for p in self._infos if p.group}
        self._with_rows = {p.name for p in self._infos if len(p.shape) >= 2 and p.role != "embedding"}
        keys = ("lr", "weight_decay", "momentum", "betas", "alpha", "nesterov", "eps", "initial_lr")
        self._groups = tuple(
            {"label": str(i), **{key: group[key] for key in keys if key in group}}
            for i, group in enumerate(self.optimizer.param_groups)
        )

    def _log(self, name: str, value: float) -> None:
        self._points.setdefault(name, {})[self.step] = float(value)

    def epoch_begins(self) -> None:
        """The training loader starts another pass."""
        self._epoch += 1
        self._events.append(Event(self.step, "epoch", {"epoch": self._epoch}))

    def backward_begins(self, loss: Tensor, result: Tensor, n_samples: int) -> None:
        """`loss.backward()` is about to run on a batch of `n_samples`; `result` is the loss function's."""
        if self._network is None:
            self._network = describe_network(self.model, loss, result)
        if self.step and not self._losses:
            stale = any(p.grad is not None and bool(p.grad.count_nonzero()) for p in self._held.values())
            self._log(names.STALE_GRADIENTS, float(stale))
        self._batch_size = self._batch_size or n_samples
        self._losses.append(float(loss.detach()))
        self._n_samples += n_samples

    def cleared(self) -> None:
        """`zero_grad` was called after `backward`: as for the real recorder, these losses led to no step."""
        self._losses, self._n_samples = [], 0
        self._points.get(names.STALE_GRADIENTS, {}).pop(self.step, None)

    def clipped(self, norm_before: Tensor) -> None:
        """`clip_grad_norm_` returned."""
        self._log(names.GRAD_NORM_PRECLIP, float(norm_before))

    def step_begins(self) -> None:
        """The optimizer is about to step."""
        if self.step < 10 or self.step % self.sample_every == 0:
            self._before = {name: p.detach().clone() for name, p in self._held.items()}

    def step_ends(self) -> None:
        """The optimizer has stepped; gradients are still there."""
        if self._losses:
            self._log(names.LOSS_TRAIN, float(np.mean(self._losses)))
            self._log(names.MICRO_BATCHES, len(self._losses))
            self._log(names.BATCH_SIZE, self._n_samples)
        self._log(names.EPOCH, self._epoch)
        for index, group in enumerate(self.optimizer.param_groups):
            self._log(names.lr(str(index)), group["lr"])
        used = [
            p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        if used:
            self._log(names.GRAD_NORM, _norm_of(used))
        if self._before:
            for name, parameter in self._held.items():
                self._record_parameter(name, parameter, self._before[name])
        now = time.perf_counter()
        self._log(names.STEP_TIME, now - self._last_step_end)
        self._last_step_end, self._before, self._losses, self._n_samples = now, {}, [], 0
        self.step += 1

    def _record_parameter(self, name: str, parameter: Tensor, before: Tensor) -> None:
        weight = parameter.detach().double()
        update, norm_before = _norm_of([weight - before.double()]), _norm_of([before])
        values = {
            "weight_norm": _norm_of([weight]),
            "weight_rms": float(weight.square().mean().sqrt()),
            "weight_max": float(weight.abs().max()),
            "weight_mean": float(weight.mean()),
            "weight_std": float(weight.std(unbiased=False)),
            "weight_zeros": float((weight == 0).double().mean()),
            "update_norm": update,
        }
        if norm_before != 0:
            values["update_ratio"] = update / norm_before
        if parameter.grad is not None:
            values["grad_norm"] = _norm_of([parameter.grad])
            if name in self._with_rows:
                values |= self._row_shares(name, parameter.grad)
        for quantity, value in values.items():
            self._table.setdefault(quantity, {}).setdefault(name, {})[self.step] = value

    def _row_shares(self, name: str, gradient: Tensor) -> dict[str, float]:
        zero = (gradient.flatten(1) == 0).all(dim=1)
        recent = self._zero_rows.setdefault(name, deque(maxlen=5))
        recent.append(zero)
        shares = {"grad_zero_rows": float(zero.double().mean())}
        if len(recent) == 5:
            shares["grad_dead_rows"] = float(torch.stack(list(recent)).all(dim=0).double().mean())
        return shares

    def evaluated(self, loss: float, accuracy: float | None, y_true: Tensor, y_score: Tensor) -> None:
        """An evaluation pass has ended; it belongs to the last step that influenced it."""
        at = max(0, self.step - 1)
        self._points.setdefault(names.LOSS_VALIDATION, {})[at] = loss
        if accuracy is not None:
            self._points.setdefault(names.ACCURACY_VALIDATION, {})[at] = accuracy
            if y_true.dim() == 1:
                self._predictions = Predictions(
                    y_true.numpy().astype(np.int64),
                    y_score.numpy().astype(np.float64),
                    self.step,
                    kind="logits",
                    source="reference recorder",
                )

    def run(self, run_id: str, loss_name: str, baseline: float, n_classes: int, steps_per_epoch: int) -> Run:
        """Everything recorded so far."""
        info = RunInfo(
            status="finished",
            source="reference recorder",
            seconds=time.perf_counter() - self._started,
            epochs=self.step // steps_per_epoch,
            batch_size=self._batch_size,
            n_classes=n_classes,
            loss_name=loss_name,
            baseline=baseline,
            parameters=self._infos,
            optimizers=(OptimizerInfo(type(self.optimizer).__name__, self._groups, self.scheduler),),
            network=self._network,
        )
        table = {q: {name: _series(points) for name, points in row.items()} for q, row in self._table.items()}
        series = {name: _series(points) for name, points in self._points.items() if points}
        return Run(run_id, run_id, series, table, self._events, self._predictions, info)


def _series(points: dict[int, float]) -> Series:
    return Series(np.array(list(points), dtype=np.int64), np.array(list(points.values()), dtype=np.float64))
