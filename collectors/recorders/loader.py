"""Data loading: epochs, batch sizes, and which loader feeds training."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .internals import LoaderIterator
from .part import Part
from .patches import Patches
from .state import ThreadState

if TYPE_CHECKING:
    from .run_recorder import Recorder


@dataclass(eq=False)
class LoaderFacts:
    """One DataLoader.

    Attributes:
        epoch: 0-based number of the pass in force among those that fed a backward call; -1 before the first.
        feeds_training: some batch of it was followed by a backward call.
        signature: type and length of its data, by which a loader built anew each time is known again.
        was_evaluated: it was iterated to its end without feeding a backward call.
    """

    signature: tuple[str, int | None]
    was_evaluated: bool = False
    n_batches: int | None = None
    epoch: int = -1
    feeds_training: bool = False


@dataclass(eq=False)
class LoaderPass:
    """One iteration over a loader.

    Attributes:
        loader: what is iterated.
        without_gradients: gradients were off when it began.
        fed: a backward call followed one of its batches.
        n_batches: batches delivered.
        batch: the last one, kept only while labels may be wanted.
    """

    loader: LoaderFacts
    without_gradients: bool
    fed: bool = False
    n_batches: int = 0
    exhausted: bool = False
    batch: Any = None

    @property
    def is_complete(self) -> bool:
        """Whether it delivered every batch."""
        return self.exhausted or self.n_batches == self.loader.n_batches

    @property
    def is_left_at_once(self) -> bool:
        """Whether it delivered one batch of several."""
        return self.n_batches == 1 and not self.is_complete

    @property
    def is_evaluation(self) -> bool:
        """Whether its batches are, as far as is known, not trained on."""
        return not self.fed and not self.loader.feeds_training


class LoaderRecorder(Part):
    """Follows every DataLoader of the process."""

    name = "data loading"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.reset()

    def reset(self) -> None:
        """Begin anew with nothing, in a forked child."""
        self._loaders: weakref.WeakKeyDictionary[Any, LoaderFacts] = weakref.WeakKeyDictionary()
        self._passes: dict[int, tuple[weakref.ref[Any], LoaderPass]] = {}
        self._training: LoaderPass | None = None
        self.epochs_completed = 0
        self._batch_sizes: dict[int, int] = {}

    def install(self, patches: Patches) -> None:
        """Follow every loader that is iterated from now on."""
        patches.replace(DataLoader, "__iter__", self._wrap_iter)
        patches.replace(LoaderIterator, "__next__", self._wrap_next)

    def _wrap_iter(self, original: Any) -> Any:
        @functools.wraps(original)
        def begin(loader: Any) -> Any:
            iterator = original(loader)
            if not self.off:
                try:
                    self._begin(loader, iterator)
                except Exception as error:
                    self.fail(error)
            return iterator

        return begin

    def _wrap_next(self, original: Any) -> Any:
        @functools.wraps(original)
        def deliver(iterator: Any) -> Any:
            try:
                batch = original(iterator)
            except StopIteration:
                if not self.off:
                    try:
                        self._end(iterator)
                    except Exception as error:
                        self.fail(error)
                raise
            if not self.off:
                try:
                    self._delivered(iterator, batch)
                except Exception as error:
                    self.fail(error)
            return batch

        return deliver

    def _begin(self, loader: Any, iterator: Any) -> None:
        facts = self._loaders.get(loader)
        if facts is None:
            facts = self._loaders[loader] = LoaderFacts(signature_of(loader))
        facts.n_batches = length_of(loader)
        key = id(iterator)
        passes = self._passes
        begun = LoaderPass(facts, not torch.is_grad_enabled())
        passes[key] = (weakref.ref(iterator, lambda gone: passes.pop(key, None)), begun)
        self.recorder.evaluation.pass_begins(self.recorder.state(), begun)

    def _delivered(self, iterator: Any, batch: Any) -> None:
        known = self._passes.get(id(iterator))
        if known is None:
            return
        began = perf_counter_ns()
        state, current = self.recorder.state(), known[1]
        current.n_batches += 1
        state.source = current
        state.batch_number += 1
        state.batch_size = batch_length(batch)
        current.batch = batch if current.is_evaluation and self.recorder.predictions.is_watching else None
        self.recorder.flush_if_due(began)
        self.recorder.spent_ns += perf_counter_ns() - began

    def _end(self, iterator: Any) -> None:
        known = self._passes.get(id(iterator))
        if known is None or known[1].exhausted:
            return
        current = known[1]
        current.exhausted = True
        current.batch = None
        state = self.recorder.state()
        if current.fed:
            self.epochs_completed += 1
        else:
            self.recorder.evaluation.pass_ends(state, current)

    def fed_backward(self, state: ThreadState, source: LoaderPass) -> None:
        """The first backward call after a batch of this pass: its loader feeds training."""
        source.fed = True
        source.loader.feeds_training = True
        before, self._training = self._training, source
        if before is not None and before.loader is source.loader:
            if before.is_left_at_once:
                return  # next(iter(loader)) for every batch: no pass worth the name
            if not before.exhausted and before.is_complete:
                self.epochs_completed += 1  # its end was never asked for
        source.loader.epoch += 1
        self.recorder.sink.event(self.recorder.position, "epoch", epoch=source.loader.epoch)

    def epoch(self) -> int | None:
        """Epoch of the training loader in force; None without a loader."""
        return self._training.loader.epoch if self._training is not None else None

    def samples(self, state: ThreadState) -> int:
        """Samples of the batch behind a backward call; 0 when unknown."""
        source = state.source
        size = state.batch_size if source is not None and source.fed else 0
        if not size and state.loss_call is not None:
            size = state.loss_call.n_samples
        if size:
            self._batch_sizes[size] = self._batch_sizes.get(size, 0) + 1
        return size

    def facts(self) -> Mapping[str, Any]:
        """Metadata: the usual batch size."""
        sizes = self._batch_sizes
        return {"batch_size": max(sizes, key=lambda size: (sizes[size], size))} if sizes else {}


def length_of(loader: Any) -> int | None:
    """Number of batches, None when the loader cannot tell."""
    try:
        return len(loader)
    except Exception:  # an iterable dataset has no length, and a sampler is anybody's code
        return None


def signature_of(loader: Any) -> tuple[str, int | None]:
    """Type of the dataset, and number of samples that the sampler draws from it."""
    dataset, sampler = getattr(loader, "dataset", None), getattr(loader, "sampler", None)
    return type(dataset).__qualname__, length_of(sampler)


def batch_length(batch: Any) -> int:
    """First dimension of the first tensor in a batch; 0 when there is none."""
    for _ in range(4):
        if isinstance(batch, Tensor):
            return int(batch.shape[0]) if batch.ndim else 0
        if isinstance(batch, Mapping):
            batch = next(iter(batch.values()), None)
        elif isinstance(batch, (list, tuple)) and batch:
            batch = batch[0]
        else:
            break
    return 0
