"""Optimizers and learning-rate schedules as users build them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn, optim
from torch.optim import lr_scheduler

from .configuration import Config

Groups = Iterable[nn.Parameter] | list[dict[str, Any]]


def build_optimizer(config: Config, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """The optimizer of a configuration, fused where torch can: that halves the cost of a step."""
    lr, decay, eps = config.lr, config.weight_decay, config.fault.eps or 1e-8
    if config.fault.head_factor != 1:
        held = list(parameters)
        head: dict[str, Any] = {"params": held[-2:], "lr": lr * config.fault.head_factor}
        return _optimizer(config, [{"params": held[:-2]}, head], lr, decay, eps)
    return _optimizer(config, parameters, lr, decay, eps)


def _optimizer(config: Config, parameters: Groups, lr: float, decay: float, eps: float) -> optim.Optimizer:
    momentum = config.fault.momentum or 0.9
    if config.optimizer == "sgd":
        return optim.SGD(parameters, lr=lr, weight_decay=decay, fused=True)
    if config.optimizer == "momentum":
        nesterov = bool(config.seed % 2)
        return optim.SGD(
            parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=decay, fused=True
        )
    betas = (momentum, 0.999)
    if config.optimizer == "adam":
        return optim.Adam(parameters, lr=lr, betas=betas, eps=eps, weight_decay=decay, fused=True)
    if config.optimizer == "adamw":
        return optim.AdamW(parameters, lr=lr, betas=betas, eps=eps, weight_decay=decay, fused=True)
    return optim.RMSprop(parameters, lr=lr, eps=eps, weight_decay=decay, foreach=True)


@dataclass
class Stepper:
    """Steps a scheduler where the user's loop would.

    Attributes:
        scheduler: None for a constant learning rate.
        unit: `step`, `epoch` or `evaluation`.
        limit: calls after which it is left alone.
    """

    scheduler: lr_scheduler.LRScheduler | lr_scheduler.ReduceLROnPlateau | None
    unit: str
    limit: int

    def after(self, unit: str, validation_loss: float = math.nan) -> None:
        """A step, an epoch or an evaluation has ended."""
        if self.scheduler is None or unit != self.unit or self.limit <= 0:
            return
        self.limit -= 1
        if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(validation_loss)
        else:
            self.scheduler.step()


def build_stepper(config: Config, optimizer: optim.Optimizer, steps_per_epoch: int) -> Stepper:
    """The scheduler of a configuration; its horizon counts what it is stepped by."""
    calls = math.ceil(config.n_steps / steps_per_epoch) if config.per_epoch else config.n_steps
    horizon = max(2, round(calls * config.fault.horizon))
    scheduler = _scheduler(config, optimizer, horizon)
    unit = "epoch" if config.per_epoch or config.fault.wrong_unit else "step"
    unit = "step" if config.fault.step_for_epoch else unit
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return Stepper(scheduler, "evaluation", config.n_steps)
    if config.schedule == "one-cycle":
        return Stepper(scheduler, unit, horizon - 1)
    held = config.fault.hold_after_horizon and config.schedule in ("cosine", "warmup-cosine")
    return Stepper(scheduler, unit, horizon if held else config.n_steps)


def _scheduler(
    config: Config, optimizer: optim.Optimizer, horizon: int
) -> lr_scheduler.LRScheduler | lr_scheduler.ReduceLROnPlateau | None:
    if config.schedule == "step":
        return lr_scheduler.StepLR(optimizer, max(1, horizon // 3), gamma=(0.1, 0.3, 0.5)[config.seed % 3])
    if config.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, horizon)
    if config.schedule == "warmup-cosine":
        warmup = max(1, horizon // 10)
        return lr_scheduler.LambdaLR(
            optimizer,
            lambda t: (
                (t + 1) / warmup
                if t < warmup
                else 0.5 + 0.5 * math.cos(math.pi * (t - warmup) / max(1, horizon - warmup))
            ),
        )
    if config.schedule == "one-cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=horizon, cycle_momentum=False)
    if config.schedule == "exponential":
        return lr_scheduler.ExponentialLR(optimizer, 0.05 ** (1 / horizon))
    if config.schedule == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=3)
    return None
