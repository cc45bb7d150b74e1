"""The loss of the best constant prediction (B0), from the labels of the first epoch; name of the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .accumulation import Share, share_of
from .device import Arriving
from .loss_functions import MEAN, SUM, LossCall
from .part import Part
from .state import ThreadState
from .tensors import local_version

if TYPE_CHECKING:
    from .run_recorder import Recorder

MOST_CALLS = 5_000
"""Without a loader there is no epoch to end the count; so many batches are enough."""

MOST_LABELS = 1 << 16
"""Labels (or target columns) that are told apart."""


class BaselineRecorder(Part):
    """Counts labels, or averages targets, while the first epoch lasts.

    Attributes:
        is_complete: everything is known that the calls of loss functions in training can tell.
    """

    name = "label statistics"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.reset()

    def reset(self) -> None:
        """Begin anew with nothing, in a forked child."""
        self.loss_name = ""
        self._reductions: dict[str, int] = {}
        self._calls = 0
        self._is_divided = False
        self._pending: list[tuple[Tensor | Arriving, int, LossCall]] = []
        self._counts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._moments = Moments()
        self._smoothing = 0.0
        self._n_classes = 0
        self._written = 0
        self.is_complete = False

    def reduction_of(self, name: str) -> int | None:
        """How training reduces this loss function; None when it does not train with it."""
        return self._reductions.get(name)

    def trained_on(self, state: ThreadState, call: LossCall, root: Tensor, scale: Tensor | None) -> None:
        """A backward call began at `root`, after this call; `scale` is GradScaler's factor in it."""
        if self.off:
            return
        if state.source is None:
            remember_labels(state, call.target)
        if self.is_complete:
            return
        share = share_of(root, scale, call.sequence)
        is_scaled = share is not None and share.is_the_loss and share.is_scaled
        # A sum that is divided afterwards is a mean after all.
        self._reductions.setdefault(call.name, MEAN if is_scaled else call.reduction)
        if not self.loss_name:
            self.loss_name = call.name
            self._n_classes = call.n_classes if call.name in ("cross_entropy", "nll_loss") else 0
            self.recorder.sink.meta({"loss_name": call.name, "n_classes": self._n_classes})
        self._calls += 1
        if self._is_over():
            self._close()
        elif call.name == self.loss_name and self._is_the_loss(call, share):
            self._collect(call)

    def _is_over(self) -> bool:
        epoch = self.recorder.loader.epoch()
        return (epoch or 0) >= 1 or (epoch is None and self._calls > MOST_CALLS)

    def _is_the_loss(self, call: LossCall, share: Share | None) -> bool:
        """Whether the function's mean alone is trained on, so that its baseline has the loss's units."""
        value = share.value() if share is not None and share.is_the_loss else None
        if share is None or value is None or call.reduction not in (MEAN, SUM):
            return False
        if call.reduction == SUM and share.weight is None:
            return False
        if abs(value - 1) > (0.0 if call.reduction == MEAN else 0.1):
            self._is_divided = True
        return value <= 1 + 1e-6

    def _is_undone(self) -> bool:
        """Whether recording multiplies by what the losses were divided by, see `Accumulation`."""
        first = self.recorder.first
        return first is not None and first.accumulation is not None and first.accumulation.is_divided

    def _collect(self, call: LossCall) -> None:
        target = call.target.detach()
        if call.name in ("cross_entropy", "nll_loss"):
            has_weights = call.arguments[0] is not None
            if has_weights or target.is_floating_point():
                return
        elif call.name != "mse_loss":
            return
        kept = target if target.is_cpu else Arriving(target)
        self._pending.append((kept, local_version(target), call))

    def digest(self) -> None:
        """Count what was collected; called when the log is flushed, off the hot path."""
        pending, self._pending = self._pending, []
        found: list[NDArray[Any]] = []
        call: LossCall | None = None
        for kept, version, call in pending:
            if isinstance(kept, Arriving):
                if not kept.has_arrived():
                    self._pending.append((kept, version, call))
                    continue
                kept = kept.read()
            elif local_version(kept) != version:
                continue  # the user wrote other labels into the same memory
            found.append(kept.numpy())
        if not found or call is None:
            return
        if call.name == "mse_loss":
            for target in found:
                self._moments.add(target.reshape(target.shape[0] if target.ndim else 1, -1))
        else:
            self._count(np.concatenate([labels.reshape(-1) for labels in found]), call)
        if self._seen >= 2 * max(self._written, 1):
            self._write()

    def _count(self, labels: NDArray[Any], call: LossCall) -> None:
        ignored = int(call.arguments[2]) if len(call.arguments) > 2 else -100
        self._smoothing = float(call.arguments[3]) if len(call.arguments) > 3 else 0.0
        labels = labels[(labels != ignored) & (labels >= 0) & (labels < MOST_LABELS)]
        counts = np.bincount(labels, minlength=len(self._counts))
        counts[: len(self._counts)] += self._counts
        self._counts = counts

    @property
    def _seen(self) -> int:
        return int(self._counts.sum()) + self._moments.n

    def _write(self) -> None:
        if not self._seen or (self._is_divided and not self._is_undone()):
            return
        self._written = self._seen
        if self._moments.n:
            self.recorder.sink.meta({"baseline": self._moments.variance()})
        else:
            self.recorder.sink.meta(
                {"baseline": label_entropy(self._counts, self._n_classes, self._smoothing)}
            )

    def _close(self) -> None:
        self.is_complete = True
        self.digest()
        self._write()
        self._pending = []

    def finish(self) -> None:
        """Count what is left and write the baseline."""
        if not self.is_complete:
            self._close()


class Moments:
    """Mean and variance of columns given piece by piece (Chan, Golub and LeVeque 1979, eq. 2.1)."""

    def __init__(self) -> None:
        self.n = 0
        self._mean: NDArray[np.float64] = np.zeros(0)
        self._squares: NDArray[np.float64] = np.zeros(0)

    def add(self, rows: NDArray[Any]) -> None:
        """Add rows of shape (n, n_columns); a piece of another width, or one too wide, is left out."""
        data = rows.astype(np.float64)
        if not len(data) or data.shape[1] > MOST_LABELS or (self.n and data.shape[1] != len(self._mean)):
            return
        mean, n = data.mean(axis=0), len(data)
        squares = np.square(data - mean).sum(axis=0)
        if self.n:
            shift = mean - self._mean
            squares = squares + self._squares + np.square(shift) * (self.n * n / (self.n + n))
            mean = self._mean + shift * (n / (self.n + n))
        self.n, self._mean, self._squares = self.n + n, mean, squares

    def variance(self) -> float:
        """Mean over the columns of the population variance: the loss of the best constant under mse_loss."""
        return float((self._squares / self.n).mean())


def label_entropy(counts: NDArray[np.int64], n_classes: int, smoothing: float) -> float:
    """Cross entropy, in nats, of predicting the label frequencies themselves: what labels alone allow.

    Args:
        counts: labels seen per class, shape (at most n_classes,).
        n_classes: number of classes, over which label smoothing spreads.
        smoothing: as in torch's `label_smoothing`.
    """
    frequency = np.zeros(max(n_classes, len(counts)))
    frequency[: len(counts)] = counts / counts.sum()
    target = (1 - smoothing) * frequency + smoothing / len(frequency)
    positive = target[target > 0]
    return float(-(positive * np.log(positive)).sum())


def remember_labels(state: ThreadState, target: Tensor) -> None:
    """Note which memory the labels of training lie in, if it is a part of something that lasts."""
    if (
        target.device.type == "meta"
        or target.untyped_storage().nbytes() <= target.numel() * target.element_size()
    ):
        return
    storage = target.untyped_storage().data_ptr()
    low = target.data_ptr()
    high = low + target.numel() * target.element_size()
    known = state.training_labels
    if known is not None and known[0] == storage:
        low, high = min(low, known[1]), max(high, known[2])
    state.training_labels = (storage, low, high)
