"""Predictions on held-out data: scores and labels, from the loss's inputs or from argmax, max and topk."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .device import Arriving
from .loss_functions import LossCall, is_traced
from .part import Part
from .patches import Patches

if TYPE_CHECKING:
    from ..options import RecorderOptions
    from .run_recorder import Recorder

MOST_CLASSES = 10_000
"""Language models have larger vocabularies; their scores are neither kept nor counted."""

WRITTEN_BYTES = 64 << 20
"""Predictions of every pass are written up to this sum; after it only those of the last pass, at the end."""

_PICKS = ("max", "argmax", "topk")
_LABEL_KEYS = ("labels", "label", "targets", "target", "y")


class PassPredictions:
    """Labels and scores of one evaluation pass, in memory up to a limit.

    Attributes:
        source: how they were captured.
        is_binary: scores are of shape (n,), for the positive class.
        n_samples: samples seen, also those beyond the limit.
    """

    def __init__(self, options: RecorderOptions) -> None:
        self._options = options
        self._chunks: list[tuple[Any, Any]] = []
        self._bytes = 0
        self._beyond: list[tuple[Any, int]] = []
        self.source = ""
        self.is_binary = False
        self.n_samples = 0

    def from_loss(self, call: LossCall, given: Tensor) -> None:
        """Keep the inputs of a classification loss."""
        target = call.target
        if call.name in ("cross_entropy", "nll_loss"):
            if given.ndim == 2 and target.ndim == 1 and not target.is_floating_point():
                self._from(f"captured from {call.name}", given, target, is_binary=False)
        elif (
            call.name.startswith("binary_cross_entropy") and given.numel() == given.shape[0] == target.numel()
        ):
            self._from(f"captured from {call.name}", given.reshape(-1), target.reshape(-1), is_binary=True)

    def from_pick(self, function: str, given: Tensor, labels: Tensor) -> None:
        """Keep the scores among which the user picked the largest; a loss tells the same more surely."""
        if not self.source or self.source == f"captured from {function}":
            self._from(f"captured from {function}", given, labels, is_binary=False)

    def _from(self, source: str, given: Tensor, labels: Tensor, *, is_binary: bool) -> None:
        if not self._options.predictions or (given.ndim == 2 and given.shape[1] > MOST_CLASSES):
            return
        if self.source.endswith(_PICKS) and not source.endswith(_PICKS):
            self.__init__(self._options)  # type: ignore[misc]
        if self.source not in ("", source):
            return
        self.source, self.is_binary = source, is_binary
        self.n_samples += len(labels)
        self._bytes += given.numel() * 4 + labels.numel() * 8
        if self._bytes <= self._options.prediction_bytes:
            self._chunks.append((_copy(given.detach().float()), _copy(labels.detach())))
        else:
            picked = given.detach().argmax(1) == labels if not is_binary else None
            if picked is not None:
                self._beyond.append((_copy(picked.sum()), len(labels)))

    @property
    def is_cut(self) -> bool:
        """Whether some samples were seen and not kept."""
        return bool(self._beyond) or self._bytes > self._options.prediction_bytes

    def has_arrived(self) -> bool:
        """Whether reading would not wait for an accelerator."""
        copies = [copy for chunk in self._chunks for copy in chunk] + [copy for copy, _ in self._beyond]
        return all(copy.has_arrived() for copy in copies if isinstance(copy, Arriving))

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Labels (n,) and scores (n, n_classes) or (n,) that were kept; None when they make no sense."""
        if not self._chunks:
            return None
        scores = [_read(s) for s, _ in self._chunks]
        if len({s.shape[1:] for s in scores}) > 1:
            return None
        y_score = np.concatenate(scores).astype(np.float64)
        labels = np.concatenate([_read(t) for _, t in self._chunks])
        y_true = labels.astype(np.int64)
        kept = y_true >= 0  # ignore_index
        if self.is_binary and not np.isin(labels, (0, 1)).all():
            return None
        if not self.is_binary and y_true.max(initial=-1) >= y_score.shape[1]:
            return None
        return y_true[kept], y_score[kept]

    def accuracy(self, y_true: NDArray[np.int64], y_score: NDArray[np.float64]) -> float:
        """Share of correct predictions over all samples seen, NaN for none."""
        if self.is_binary:
            threshold = 0.0 if self.source.endswith("logits") else 0.5
            right, n = int(((y_score > threshold) == y_true).sum()), len(y_true)
        else:
            right, n = int((y_score.argmax(axis=1) == y_true).sum()), len(y_true)
        for correct, count in self._beyond:
            right, n = right + int(_read(correct)), n + count
        return right / n if n else float("nan")


def _copy(tensor: Tensor) -> Any:
    return tensor.numpy().copy() if tensor.is_cpu else Arriving(tensor)


def _read(copied: Any) -> NDArray[Any]:
    found: NDArray[Any] = copied.read().numpy() if isinstance(copied, Arriving) else copied
    return found


def kind_of(y_score: NDArray[np.float64], source: str) -> str:
    """`probabilities` if the scores look like them, else `logits`. Log-probabilities are logits."""
    if y_score.ndim == 1:
        return "logits" if source.endswith("logits") else "probabilities"
    sums = y_score.sum(axis=1)
    looks = bool(np.all(y_score >= 0) and np.all(np.abs(sums - 1) < 1e-3))
    return "probabilities" if looks else "logits"


class PredictionRecorder(Part):
    """Watches argmax, max and topk during evaluation, and writes what the last pass predicted."""

    name = "predictions"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._patches = Patches()
        self._wrappers: dict[tuple[int, str], Any] = {}
        self.is_watching = False
        self.reset()

    def reset(self) -> None:
        """Begin anew with nothing, in a forked child."""
        self.is_given = False
        self._written = 0
        self._last: tuple[dict[str, Any], Any, Any] | None = None
        self._waiting: list[tuple[PassPredictions, int, str]] = []

    def uninstall(self) -> None:
        """Put the functions back if an evaluation is in progress."""
        self.unwatch()

    def watch(self) -> None:
        """An evaluation begins: wrap the functions by which predictions are picked."""
        if self.is_watching or self.off or not self.recorder.options.predictions:
            return
        self.is_watching = True
        for owner in (torch, Tensor):
            for name in _PICKS:
                self._patches.replace(owner, name, self._wrapper(owner, name), operator=f"aten::{name}")

    def unwatch(self) -> None:
        """The evaluation is over: put the functions back."""
        if self.is_watching:
            self.is_watching = False
            self._patches.restore()

    def _wrapper(self, owner: Any, name: str) -> Any:
        def wrap(original: Any) -> Any:
            key = (id(owner), name)
            if key not in self._wrappers:
                self._wrappers[key] = self._wrap(original, name)
            return self._wrappers[key]

        return wrap

    def _wrap(self, original: Any, name: str) -> Any:
        @functools.wraps(original)
        def pick(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if torch.compiler.is_compiling() or self.off or not self.is_watching:
                return result
            try:
                self._picked(name, args, kwargs)
            except Exception as error:
                self.fail(error)
            return result

        return pick

    def _picked(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = args[0] if args else kwargs.get("input")
        if (
            type(given) is not Tensor
            or given.ndim != 2
            or given.requires_grad
            or not given.is_floating_point()
        ):
            return
        position = 2 if name == "topk" else 1
        dim = args[position] if len(args) > position else kwargs.get("dim", -1 if name == "topk" else None)
        state = self.recorder.state()
        if dim not in (1, -1) or state.source is None or not state.source.batches or is_traced():
            return
        if labels_of(state.source.batches[0], len(given)) is None:
            return
        labels = labels_of(state.source.take_batch(), len(given))  # one prediction per batch: the first
        if labels is None:
            return
        evaluation = self.recorder.evaluation.current(state, None)
        if evaluation is not None:
            evaluation.predictions.from_pick(name, given, labels)

    def pass_done(self, found: PassPredictions, step: int, accuracy_name: str) -> None:
        """An evaluation pass ended after so many steps."""
        if found.n_samples and not self.off:
            self._waiting.append((found, step, accuracy_name))
            self.write(wait=False)

    def write(self, *, wait: bool) -> None:
        """Write the passes whose scores have arrived, in order."""
        while self._waiting and (wait or self._waiting[0][0].has_arrived()):
            found, step, accuracy_name = self._waiting.pop(0)
            arrays = found.arrays()
            if arrays is None:
                continue
            y_true, y_score = arrays
            self.recorder.sink.scalar(accuracy_name, max(step - 1, 0), found.accuracy(y_true, y_score))
            if found.is_cut:
                self.recorder.note(
                    f"predictions: the first {len(y_true)} of {found.n_samples} samples of a pass are kept"
                )
            facts = {
                "step": step,
                "kind": kind_of(y_score, found.source),
                "split": "validation",
                "source": found.source,
                "classes": [],
            }
            if not self.is_given:
                self._keep(facts, y_true, y_score)

    def _keep(self, facts: dict[str, Any], y_true: NDArray[np.int64], y_score: NDArray[np.float64]) -> None:
        size = y_true.nbytes + y_score.nbytes // 2
        self._last = None
        if self._written + size <= WRITTEN_BYTES:
            self._written += size
            self.recorder.sink.predictions(facts, y_true, y_score)
        else:
            self._last = (facts, y_true, y_score)

    def logged(
        self, step: int, y_true: NDArray[np.int64], y_score: NDArray[np.float64], classes: list[str]
    ) -> None:
        """The user gave predictions: captured ones no longer count."""
        self.is_given = True
        facts = {
            "step": step,
            "kind": "unknown" if y_score.ndim == 1 else kind_of(y_score, ""),
            "split": "validation",
            "source": "run.log_predictions",
            "classes": classes,
        }
        self._keep(facts, y_true, y_score)

    def finish(self) -> None:
        """Write what was kept back."""
        self.write(wait=True)
        if self._last is not None:
            self.recorder.sink.predictions(*self._last)
            self._last = None


def labels_of(batch: Any, n: int) -> Tensor | None:
    """The integer label tensor of shape (n,) in a batch; None unless there is exactly one candidate."""
    if isinstance(batch, Mapping):
        named = [batch[key] for key in _LABEL_KEYS if key in batch]
        candidates = named or list(batch.values())
    else:
        candidates = list(batch) if isinstance(batch, (list, tuple)) else []
    found = [
        c
        for c in candidates
        if isinstance(c, Tensor)
        and c.shape == (n,)
        and c.dtype in (torch.int64, torch.int32, torch.uint8, torch.int16)
    ]
    return found[0] if len(found) == 1 else None
