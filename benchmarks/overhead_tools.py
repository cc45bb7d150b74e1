"""What is measured beside recording: the work that other tools do in a training step, each step of it.

TensorBoard and wandb are themselves used, and left out with a reason where they are not installed. What the
Lightning helper and the Composer callback compute is stated here again in a few lines, as both packages are
heavy (and Composer wants an older torch).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.overhead_models import Training
from traindoctor.collectors.options import RecorderOptions
from traindoctor.collectors.recorders.run_recorder import Recorder


class Tool:
    """Nothing: the plain training, and what a tool may do.

    Attributes:
        name: in the table.
        share: steps per block, as a share of those of the plain step: slow tools need fewer.
        every: rounds between two blocks.
    """

    name = "plain"
    share = 1.0
    every = 1

    def __init__(self, training: Training, folder: Path) -> None:
        self.model: nn.Module = training.model
        self.optimizer: Optimizer = training.optimizer
        self.folder = folder
        self.n = 0

    def begin(self) -> None:
        """A block begins."""

    def end(self) -> None:
        """A block ends: leave nothing behind in the training."""

    def look(self, loss: Tensor) -> None:
        """Between backward and the optimizer's step."""

    def close(self) -> None:
        """The measurement is over."""


class Traindoctor(Tool):
    """Recording at default settings."""

    name = "traindoctor"
    options = RecorderOptions()

    def __init__(self, training: Training, folder: Path) -> None:
        super().__init__(training, folder)
        self.recorder = Recorder("overhead", folder / "run", self.options, {})

    def begin(self) -> None:
        """Put the hooks in place; what other tools did since the last block is no part of a step."""
        for state in self.recorder.states():
            for track in state.tracks.values():
                track.last_ns = 0
        self.recorder.install()

    def end(self) -> None:
        """Take them away."""
        self.recorder.uninstall()

    def close(self) -> None:
        """End the recording."""
        self.recorder.install()
        self.recorder.finish({"status": "finished"})
        self.recorder.uninstall()


class Clipping(Tool):
    """The natural floor: the norm that many loops compute anyway, and a multiplication by one."""

    name = "clip_grad_norm_"

    def look(self, loss: Tensor) -> None:
        """Never clips: the training stays the plain one."""
        nn.utils.clip_grad_norm_(self.model.parameters(), 1e12)


class LightningNorms(Tool):
    """What `lightning.pytorch.utilities.grad_norm` computes, the total read."""

    name = "Lightning-style gradient norms"
    every = 3

    def look(self, loss: Tensor) -> None:
        """One norm per parameter, then the norm of those."""
        found = {
            f"grad_2.0_norm/{name}": p.grad.data.norm(2.0)
            for name, p in self.model.named_parameters()
            if p.grad is not None
        }
        torch.tensor(list(found.values())).norm(2.0).item()


class ComposerMonitor(Tool):
    """What Composer's `OptimizerMonitor` reports per layer: norms of weight, gradient, moment and update."""

    name = "Composer-style optimizer monitor"
    every = 3

    def look(self, loss: Tensor) -> None:
        """Norms per parameter and over all, each read as a number."""
        squares: dict[str, Tensor] = {}
        found: dict[str, Tensor] = {}
        rate = self.optimizer.param_groups[0]["lr"]
        for name, p in self.model.named_parameters():
            if p.grad is None:
                continue
            state = self.optimizer.state[p]
            moment = state.get("exp_avg", state.get("momentum_buffer"))
            tensors: dict[str, Tensor] = {"param": p.data, "grad": p.grad}
            if moment is not None:
                step = moment / (state["exp_avg_sq"].sqrt() + 1e-8) if "exp_avg_sq" in state else moment
                tensors |= {"moment": moment, "update": step * rate}
            for kind, tensor in tensors.items():
                norm = torch.linalg.vector_norm(tensor)
                found[f"l2_norm/{kind}/{name}"] = norm
                squares[kind] = squares.get(kind, torch.zeros(())) + norm**2
        found |= {f"l2_norm/{kind}/global": square**0.5 for kind, square in squares.items()}
        {name: value.item() for name, value in found.items()}


class Histograms(Tool):
    """TensorBoard: a histogram of every parameter and of every gradient, and the loss."""

    name = "TensorBoard add_histogram"
    share = 0.06
    every = 3

    def __init__(self, training: Training, folder: Path) -> None:
        super().__init__(training, folder)
        from torch.utils.tensorboard import SummaryWriter

        make: Any = SummaryWriter
        self.writer = make(str(folder))

    def look(self, loss: Tensor) -> None:
        """Write them all."""
        self.n += 1
        for name, p in self.model.named_parameters():
            self.writer.add_histogram(f"weights/{name}", p, self.n)
            self.writer.add_histogram(f"gradients/{name}", p.grad, self.n)
        self.writer.add_scalar("loss", loss.item(), self.n)

    def close(self) -> None:
        """Close the file."""
        self.writer.close()


class WandbWatch(Tool):
    """wandb, offline: `watch` with everything at every step, and the loss logged."""

    name = "wandb.watch(log='all', log_freq=1)"
    share = 0.1
    every = 3

    def __init__(self, training: Training, folder: Path) -> None:
        super().__init__(training, folder)
        import wandb

        os.environ.setdefault("WANDB_SILENT", "true")
        make: Any = wandb.init
        settings: Any = wandb.Settings(silent=True, console="off")
        self.run = make(mode="offline", dir=str(folder), project="overhead", settings=settings)

    def begin(self) -> None:
        """Watch the model."""
        self.run.watch(self.model, log="all", log_freq=1)

    def end(self) -> None:
        """Watch it no more."""
        self.run.unwatch(self.model)

    def look(self, loss: Tensor) -> None:
        """Log, which also sends what watching collected."""
        self.run.log({"loss": loss.item()})

    def close(self) -> None:
        """End the run."""
        self.run.finish()


TOOLS: tuple[type[Tool], ...] = (
    Traindoctor,
    Clipping,
    LightningNorms,
    ComposerMonitor,
    Histograms,
    WandbWatch,
)
