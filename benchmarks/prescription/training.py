"""Training one run as anybody would, and many at once with `torch.func`: the same steps, the same losses.

A run is a task, a seed (of initial weights and batches), and a learning rate for every step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from traindoctor.run import Floats

from .tasks import Data, Task

MOMENTUM, BETAS, EPS, DECAY = 0.9, (0.9, 0.999), 1e-8, 0.01
"""As torch has them; DECAY is AdamW's."""


@dataclass(frozen=True, eq=False)
class Request:
    """A run to be made.

    Attributes:
        plan: LR of each step, shape (steps,).
        seed: of weights and batches.
        every: steps between evaluations; the last step is followed by one, too.
        is_traced: whether every training loss is kept.
    """

    plan: Floats
    seed: int
    every: int
    is_traced: bool = False

    @property
    def steps(self) -> int:
        """Optimizer steps."""
        return len(self.plan)

    def evaluated_after(self) -> list[int]:
        """Numbers of steps after which it is evaluated."""
        return sorted({*range(self.every, self.steps + 1, self.every), self.steps})


@dataclass(frozen=True)
class Result:
    """What came of it.

    Attributes:
        first: training loss of the first step.
        last: training loss of the last step.
        validation: validation losses, in order.
        losses: training losses, empty unless they were asked for.
    """

    first: float
    last: float
    validation: tuple[float, ...]
    losses: tuple[float, ...] = ()

    @property
    def final(self) -> float:
        """Validation loss after the last step, infinite where it is not finite."""
        return self.validation[-1] if math.isfinite(self.validation[-1]) else math.inf


def batches(n: int, size: int, steps: int, seed: int) -> Tensor:
    """Indices of the samples of each step, shape (steps, size): shuffled passes, their short rest dropped."""
    size = min(size, n)
    chance = torch.Generator().manual_seed(seed)
    passes = [
        torch.randperm(n, generator=chance)[: n // size * size] for _ in range(-(-steps // (n // size)))
    ]
    return torch.cat(passes).view(-1, size)[:steps]


def make_optimizer(task: Task, parameters: Any, lr: float) -> torch.optim.Optimizer:
    """The task's optimizer as torch makes it."""
    if task.optimizer in ("SGD", "momentum"):
        return torch.optim.SGD(parameters, lr, MOMENTUM if task.optimizer == "momentum" else 0.0)
    return (torch.optim.Adam if task.optimizer == "Adam" else torch.optim.AdamW)(parameters, lr)


def train(
    task: Task, data: Data, request: Request, watching: Callable[[nn.Module, Any], Any] | None = None
) -> tuple[Result, Any]:
    """One run in an ordinary loop.

    Args:
        watching: (model, optimizer) -> a recorder with the calls of
            `benchmarks.diagnosis.reference_recorder.ReferenceRecorder`.

    Returns:
        The result, and the recorder.
    """
    model = task.build(request.seed)
    optimizer = make_optimizer(task, model.parameters(), float(request.plan[0]))
    recorder = watching(model, optimizer) if watching else None
    order = batches(len(data.x), task.batch, request.steps, request.seed)
    per_epoch = max(1, len(data.x) // order.shape[1])
    losses: list[float] = []
    validation: list[float] = []
    ends = set(request.evaluated_after())
    for step, lr in enumerate(request.plan):
        if recorder and step % per_epoch == 0:
            recorder.epoch_begins()
        optimizer.param_groups[0]["lr"] = float(lr)
        optimizer.zero_grad()
        loss = task.loss_of(model(data.x[order[step]]), data.y[order[step]])
        if recorder:
            recorder.backward_begins(loss, loss, order.shape[1])
        loss.backward()  # type: ignore[no-untyped-call]
        if recorder:
            recorder.step_begins()
        optimizer.step()
        if recorder:
            recorder.step_ends()
        losses.append(float(loss.detach()))
        if step + 1 in ends:
            validation.append(_evaluate(task, data, model, recorder))
    return _result(request, losses, validation), recorder


@torch.no_grad()
def _evaluate(task: Task, data: Data, model: nn.Module, recorder: Any) -> float:
    model.eval()
    output = model(data.x_held)
    loss = float(task.loss_of(output, data.y_held))
    accuracy = None
    if task.loss == "cross_entropy":
        accuracy = float((output.argmax(dim=-1) == data.y_held).double().mean())
    if recorder:
        recorder.evaluated(loss, accuracy, data.y_held, output)
    model.train()
    return loss


def _result(request: Request, losses: Sequence[float], validation: Sequence[float]) -> Result:
    kept = tuple(losses) if request.is_traced else ()
    return Result(losses[0], losses[-1], tuple(validation), kept)


def train_together(task: Task, data: Data, requests: Sequence[Request]) -> list[Result]:
    """Runs of equal length, all at once.

    Raises:
        ValueError: the requests differ in length or in the steps between evaluations.
    """
    if len({(request.steps, request.every) for request in requests}) != 1:
        raise ValueError("expected requests of equal length and equal steps between evaluations")
    models = [task.build(request.seed) for request in requests]
    parameters, buffers = stack_module_state(models)  # type: ignore[arg-type]
    held = {name: value.detach() for name, value in parameters.items()}
    shape = models[0]

    def loss_of(weights: Any, state: Any, x: Tensor, y: Tensor) -> Tensor:
        return task.loss_of(functional_call(shape, (weights, state), (x,)), y)

    step_of = vmap(grad_and_value(loss_of))
    held_out = vmap(loss_of, in_dims=(0, 0, None, None))
    update = Update(task, len(requests))
    rates = torch.tensor(np.stack([request.plan for request in requests]), dtype=torch.float32)
    size, steps = task.batch, requests[0].steps
    order = torch.stack([batches(len(data.x), size, steps, request.seed) for request in requests])
    losses = torch.empty(len(requests), steps)
    validation: list[Tensor] = []
    ends = set(requests[0].evaluated_after())
    for step in range(steps):
        which = order[:, step]
        gradients, losses[:, step] = step_of(held, buffers, data.x[which], data.y[which])
        update(held, gradients, rates[:, step])
        if step + 1 in ends:
            shape.eval()
            with torch.no_grad():
                validation.append(held_out(held, buffers, data.x_held, data.y_held))
            shape.train()
    found = torch.stack(validation, dim=1).double().tolist()
    return [_result(r, losses[k].double().tolist(), found[k]) for k, r in enumerate(requests)]


class Update:
    """torch's SGD, Adam and AdamW on stacked parameters, with a learning rate for each copy."""

    def __init__(self, task: Task, copies: int) -> None:
        self._optimizer = task.optimizer
        self._copies = copies
        self._step = 0
        self._first: dict[str, Tensor] = {}
        self._second: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, parameters: dict[str, Tensor], gradients: dict[str, Tensor], rates: Tensor) -> None:
        """One step in place; `rates` has shape (copies,)."""
        self._step += 1
        for name, parameter in parameters.items():
            rate = rates.view(-1, *(1,) * (parameter.dim() - 1))
            if self._optimizer in ("Adam", "AdamW"):
                self._adam(name, parameter, gradients[name], rate)
                continue
            gradient = gradients[name]
            if self._optimizer == "momentum":
                known = self._first.get(name)
                gradient = gradient.clone() if known is None else known.mul_(MOMENTUM).add_(gradient)
                self._first[name] = gradient
            parameter.sub_(rate * gradient)

    def _adam(self, name: str, parameter: Tensor, gradient: Tensor, rate: Tensor) -> None:
        first = self._first.setdefault(name, torch.zeros_like(parameter))
        second = self._second.setdefault(name, torch.zeros_like(parameter))
        if self._optimizer == "AdamW":
            parameter.mul_(1 - rate * DECAY)
        first.lerp_(gradient, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        root = second.sqrt().div_(math.sqrt(1 - BETAS[1] ** self._step)).add_(EPS)
        parameter.sub_(rate / (1 - BETAS[0] ** self._step) * first / root)
