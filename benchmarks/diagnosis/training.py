"""One training of one configuration: an ordinary PyTorch loop, with the place where each fault is made."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset

from traindoctor.run import Run

from .configuration import Config
from .models import build_model
from .reference_recorder import ReferenceRecorder
from .schedules import build_optimizer, build_stepper
from .tasks import Data, constant_loss, task_named


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a training.

    Attributes:
        run: what was recorded, None when nothing was asked for.
        validation: validation losses in order, in units of the best constant predictor's loss.
    """

    run: Run | None
    validation: tuple[float, ...]

    @property
    def final(self) -> float:
        """Median of the last three of `validation`; inf when one is not finite."""
        return _level(self.validation[-3:])

    @property
    def best(self) -> float:
        """Lowest median of three consecutive ones of `validation`."""
        return min(_level(self.validation[max(0, i - 2) : i + 1]) for i in range(len(self.validation)))


def _level(losses: tuple[float, ...]) -> float:
    return float(np.median(losses)) if np.isfinite(losses).all() else math.inf


def train(config: Config, run_id: str = "", *, record: bool = False, stop_early: bool = False) -> Outcome:
    """Trains a configuration from its seed.

    Args:
        config: what to train.
        run_id: id of the recorded run.
        record: whether to record it with the reference recorder.
        stop_early: give up at the first non-finite validation loss (for sweeps).
    """
    training = Training(config)
    if record:
        training.recorder = ReferenceRecorder(
            training.model, training.optimizer, training.scheduler_name, max(5, config.n_steps // 80)
        )
    training.fit(stop_early)
    return Outcome(training.recorded(run_id) if record else None, tuple(training.validation))


class Training:
    """The loop and what it works on.

    Attributes:
        recorder: told what happens, when set before `fit`.
        validation: validation losses so far, in units of the best constant predictor's loss.
    """

    def __init__(self, config: Config) -> None:
        torch.manual_seed(config.seed)
        task = task_named(config.task)
        self.config, self.loss_name = config, str(task.loss)
        self.data = spoil(task.draw(config.seed), config)
        self.unit = constant_loss(self.data.y_validation, self.loss_name)
        self.model = build_model(config, self.data)
        held = list(
            (copy.deepcopy(self.model) if config.fault.optimizer_on_copy else self.model).parameters()
        )
        self.optimizer = build_optimizer(
            config, held[-max(1, round(config.fault.in_optimizer * len(held))) :]
        )
        self.loader = self._loader()
        self.steps_per_epoch = max(1, len(self.loader) // config.accumulation)
        self.stepper = build_stepper(config, self.optimizer, self.steps_per_epoch)
        held_out = TensorDataset(self.data.x_validation, self.data.y_validation)
        in_turn = BatchSampler(SequentialSampler(held_out), 200, drop_last=False)
        self.validation_loader = DataLoader(held_out, sampler=in_turn, batch_size=None)
        self.recorder: ReferenceRecorder | None = None
        self.validation: list[float] = []
        self.average = [p.detach().clone() for p in self.model.parameters()]

    @property
    def scheduler_name(self) -> str:
        """Class name of the scheduler, "" for none."""
        return type(self.stepper.scheduler).__name__ if self.stepper.scheduler is not None else ""

    def _loader(self) -> DataLoader[tuple[Tensor, ...]]:
        dataset, config = TensorDataset(self.data.x_train, self.data.y_train), self.config
        generator = torch.Generator().manual_seed(config.seed)
        sampler = (
            SequentialSampler(dataset)
            if config.fault.sorted_data
            else RandomSampler(dataset, generator=generator)
        )
        batches = BatchSampler(sampler, min(config.batch_size, len(dataset)), drop_last=True)
        return DataLoader(dataset, sampler=batches, batch_size=None, generator=generator)

    def fit(self, stop_early: bool = False) -> None:
        """Trains for `n_steps` and evaluates every `evaluate_every` of them, and at the end."""
        n_steps, done = self.config.n_steps, 0
        while done < n_steps:
            for batches in self._steps():
                self._step(batches, done)
                done += 1
                if done % self.evaluate_every == 0 or done == n_steps:
                    with self._averaged():
                        loss = self._evaluate()
                    self.validation.append(loss / self.unit)
                    self.stepper.after("evaluation", loss)
                    if stop_early and not math.isfinite(loss):
                        return
                if done == n_steps:
                    break
            self.stepper.after("epoch")

    @property
    def evaluate_every(self) -> int:
        """Steps between evaluations: whole epochs, at most 50 times; 10 times in under 8 epochs."""
        n_epochs = math.ceil(self.config.n_steps / self.steps_per_epoch)
        if n_epochs < 8:
            return max(1, self.config.n_steps // 10)
        return math.ceil(n_epochs / 50) * self.steps_per_epoch

    @property
    def loss_factor(self) -> float:
        """What the loss is multiplied by before `backward`."""
        return (-1.0 if self.config.fault.ascent else 1.0) / self.config.accumulation

    def _steps(self) -> Iterator[list[tuple[Tensor, ...]]]:
        """The batches of each optimizer step of one epoch."""
        if self.recorder:
            self.recorder.epoch_begins()
        batches: list[tuple[Tensor, ...]] = []
        for batch in self.loader:
            batches.append(batch)
            if len(batches) == self.config.accumulation or len(self.loader) < self.config.accumulation:
                yield batches
                batches = []

    def _step(self, batches: list[tuple[Tensor, ...]], step: int) -> None:
        config, fault, recorder = self.config, self.config.fault, self.recorder
        self.model.train()
        if step == round(fault.lr_jump_at * config.n_steps):
            _multiply_lr(self.optimizer, self.stepper.scheduler, 100.0)
        if step == round(fault.reset_at * config.n_steps):
            _write(self.model, build_model(config, self.data).parameters())
        if fault.clear_gradients:
            self.optimizer.zero_grad()
        for x, y in batches:
            output = self.model(_spoil_batch(x, config, step))
            result = self._loss(output, y, "sum" if fault.summed else "mean")
            loss = result * self.loss_factor if self.loss_factor != 1 else result
            if recorder:
                recorder.backward_begins(loss, result, len(x))
            loss.backward()  # type: ignore[no-untyped-call]
        if config.clip_norm:
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
            if recorder:
                recorder.clipped(norm)
        if fault.cleared_before_step:
            self.optimizer.zero_grad()
            if recorder:
                recorder.cleared()
        if recorder:
            recorder.step_begins()
        self.optimizer.step()
        if recorder:
            recorder.step_ends()
        self._follow()
        self.stepper.after("step")

    @torch.no_grad()
    def _follow(self) -> None:
        """Moves the average of the weights towards them."""
        if decay := self.config.fault.average_decay:
            for mean, parameter in zip(self.average, self.model.parameters(), strict=True):
                mean.lerp_(parameter, 1 - decay)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Evaluation sees the average of the weights where the fault asks for it."""
        if not self.config.fault.average_decay:
            yield
            return
        trained = [p.detach().clone() for p in self.model.parameters()]
        _write(self.model, self.average)
        yield
        _write(self.model, trained)

    def _loss(self, output: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
        with warnings.catch_warnings():
            if self.config.fault.flat_targets:  # torch warns that they broadcast
                warnings.simplefilter("ignore", UserWarning)
            value: Tensor = getattr(nn.functional, self.loss_name)(output, y, reduction=reduction)
        return value

    @torch.no_grad()
    def _evaluate(self) -> float:
        self.model.eval()
        pairs = [(self.model(x), y) for x, y in self.validation_loader]
        output, y = torch.cat([o for o, _ in pairs]), torch.cat([y for _, y in pairs])
        loss = float(sum(float(self._loss(o, y)) * len(y) for o, y in pairs) / len(y))
        accuracy = (
            float((output.argmax(dim=1) == y).double().mean()) if self.loss_name == "cross_entropy" else None
        )
        if self.recorder:
            self.recorder.evaluated(loss, accuracy, y, output)
        return loss

    def recorded(self, run_id: str) -> Run:
        """What the reference recorder saw."""
        assert self.recorder is not None
        n_classes = self.data.n_outputs if self.loss_name == "cross_entropy" else 0
        # as the real recorder: labels are counted for these losses, when their result alone is trained on
        alone = self.loss_factor == 1 and not self.config.fault.summed
        known = alone and self.loss_name in ("cross_entropy", "mse_loss")
        labels, size = self.data.y_train, min(self.config.batch_size, len(self.data.y_train))
        if self.config.fault.flat_targets:  # each place in the batch is a column of what is broadcast
            labels = labels[: len(labels) // size * size].view(-1, size)
        baseline = constant_loss(labels, self.loss_name) if known else math.nan
        return self.recorder.run(run_id, self.loss_name, baseline, n_classes, self.steps_per_epoch)


def spoil(data: Data, config: Config) -> Data:
    """The data with the faults that concern them; the same object when there are none."""
    fault, rng = config.fault, np.random.default_rng(config.seed + 1)
    x, y, x_validation, y_validation = data.x_train, data.y_train, data.x_validation, data.y_validation
    if fault.n_train:
        x, y = x[: fault.n_train], y[: fault.n_train]
    if fault.shuffled:
        y, y_validation = y[rng.permutation(len(y))], y_validation[rng.permutation(len(y_validation))]
    if fault.label_noise:
        wrong = torch.from_numpy(rng.random(len(y)) < fault.label_noise)
        y = torch.where(wrong.view(-1, *[1] * (y.dim() - 1)), y[rng.permutation(len(y))], y)
    if fault.label_shift:
        y = (y + 1) % data.n_outputs
    if fault.missing_classes:
        n_missing = max(1, round(fault.missing_classes * data.n_outputs))
        missing = torch.from_numpy(rng.permutation(data.n_outputs)[:n_missing])
        known = ~torch.isin(y, missing)
        x, y = x[known], y[known]
    if fault.leak:
        target = (y if y.dim() == 1 else y[:, 0]).float()
        x = x.clone()
        x[:, -1] += fault.leak * (target - target.mean()) / target.std()
    if fault.flat_targets:
        y, y_validation = y[:, 0], y_validation[:, 0]
    x_validation = x_validation * fault.validation_factor if fault.validation_factor != 1 else x_validation
    if fault.sorted_data:
        order = (y if y.dim() == 1 else y[:, 0]).argsort()
        x, y = x[order], y[order]
    if fault.input_factor != 1:
        x, x_validation = (
            t * fault.input_factor if t.is_floating_point() else torch.zeros_like(t)
            for t in (x, x_validation)
        )
    if fault.offset:
        x, x_validation = x + fault.offset, x_validation + fault.offset
    if fault.target_factor != 1:
        y, y_validation = y * fault.target_factor, y_validation * fault.target_factor
    return replace(data, x_train=x, y_train=y, x_validation=x_validation, y_validation=y_validation)


def _spoil_batch(x: Tensor, config: Config, step: int) -> Tensor:
    fault = config.fault
    if step == round(fault.nan_at * config.n_steps):
        x = x.clone()
        x[0] = math.nan
    if fault.bad_batch_at >= 0 and 0 <= step - round(fault.bad_batch_at * config.n_steps) < 3:
        x = x * 1000
    return x


@torch.no_grad()
def _write(model: nn.Module, values: Iterable[Tensor]) -> None:
    for old, new in zip(model.parameters(), values, strict=True):
        old.copy_(new)


def _multiply_lr(optimizer: torch.optim.Optimizer, scheduler: object, factor: float) -> None:
    for group in optimizer.param_groups:
        for key in {"lr", "initial_lr", "max_lr", "min_lr"} & set(group):
            group[key] *= factor
    if hasattr(scheduler, "base_lrs"):
        scheduler.base_lrs = [lr * factor for lr in scheduler.base_lrs]
