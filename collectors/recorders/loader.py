"""Data loading: epochs, batch sizes, and which loader feeds training."""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from traindoctor.names import EPOCH

from .inferences import EPOCHS
from .internals import LoaderIterator
from .part import Part
from .patches import Patches
from .state import ThreadState

if TYPE_CHECKING:
    from .run_recorder import Recorder


MOST_AHEAD = 1024
"""Batches that may be delivered before the first of them is trained on."""


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


@dataclass(slots=True, eq=False)
class LoaderPass:
    """One iteration over a loader.

    Attributes:
        loader: what is iterated.
        without_gradients: gradients were off when it began.
        iterator: weak; alive after the end while whoever looks one batch ahead still works on the last one.
        fed: a backward call followed one of its batches.
        n_batches: batches delivered.
        n_evaluated: of those, batches on which something was evaluated.
        exhausted: it has ended.
        interrupted: the pass that fed training when this one began.
        sizes: samples in the batches that were delivered and not yet trained on.
        ahead: batches that are delivered before the one in use is done with; None before the first use.
        batches: the last ones, kept only while labels may be wanted.
    """

    loader: LoaderFacts
    without_gradients: bool
    iterator: weakref.ref[Any]
    fed: bool = False
    n_batches: int = 0
    n_evaluated: int = 0
    exhausted: bool = False
    interrupted: LoaderPass | None = None
    sizes: deque[int] = field(default_factory=lambda: deque[int](maxlen=MOST_AHEAD))
    ahead: int | None = None
    batches: deque[Any] = field(default_factory=lambda: deque[Any](maxlen=3))
    _evaluated_at: tuple[int, bool] = (0, False)

    @property
    def is_complete(self) -> bool:
        """Whether it delivered every batch."""
        return self.exhausted or self.n_batches == self.loader.n_batches

    @property
    def is_left_at_once(self) -> bool:
        """Whether it delivered one batch of several."""
        return self.n_batches == 1 and not self.is_complete

    @property
    def is_trailing(self) -> bool:
        """Whether its end was seen early: its last batch, read ahead, is still to be evaluated."""
        return self.exhausted and self.iterator() is not None

    def note_evaluation(self) -> None:
        """Something was evaluated on the batch in use."""
        at = self.n_batches, self.exhausted
        if at != self._evaluated_at:
            self._evaluated_at = at
            self.n_evaluated += 1

    def take_batch(self) -> Any:
        """The evaluated batch whose labels are asked for, once; None when it was taken before."""
        waiting = self.batches
        if self.ahead is None:
            self.ahead = 1 if len(waiting) == 2 and not self.exhausted else 0
        while len(waiting) > self.ahead + 1:
            waiting.popleft()
        return waiting.popleft() if len(waiting) > (0 if self.exhausted else self.ahead) else None

    def step_done(self) -> None:
        """An optimizer stepped: what was delivered and not used was read ahead (one batch) or passed over."""
        if self.ahead is None:
            self.ahead = 1 if len(self.sizes) == 1 else 0
        while len(self.sizes) > self.ahead:
            self.sizes.popleft()

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
        self._passes: dict[int, LoaderPass] = {}
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
        state = self.recorder.state()
        begun = LoaderPass(
            facts, not torch.is_grad_enabled(), weakref.ref(iterator, lambda gone: passes.pop(key, None))
        )
        before = state.source
        if before is not None and not before.exhausted:
            begun.interrupted = before if before.fed else before.interrupted
        passes[key] = begun
        self.recorder.evaluation.pass_begins(state, begun)

    def _delivered(self, iterator: Any, batch: Any) -> None:
        current = self._passes.get(id(iterator))
        if current is None:
            return
        current.n_batches += 1
        self.recorder.local.state.source = current
        current.sizes.append(batch_length(batch))
        if current.fed:
            return  # training writes when it steps
        began = perf_counter_ns()
        if current.is_evaluation and self.recorder.predictions.is_watching:
            current.batches.append(batch)
        self.recorder.flush_if_due(began)
        self.recorder.spent_ns += perf_counter_ns() - began

    def _end(self, iterator: Any) -> None:
        current = self._passes.get(id(iterator))
        if current is None or current.exhausted:
            return
        current.exhausted = True
        state = self.recorder.state()
        if current.fed:
            self.epochs_completed += 1
        else:
            self.recorder.evaluation.pass_ends(state, current)

    def backward_begins(self, state: ThreadState) -> None:
        """Backward is called: on which batch of which pass."""
        source = state.source
        if source is None:
            return
        if not source.fed and source.exhausted and source.interrupted is not None:
            # An evaluation came between; the batch in use was read before it, and no other was needed since.
            source = state.source = source.interrupted
        if not source.fed:
            self._fed_backward(source)
        if source.sizes:
            state.batch_size = source.sizes.popleft()
            state.batch_number += 1

    def _fed_backward(self, source: LoaderPass) -> None:
        """The first backward call after a batch of this pass: its loader feeds training."""
        source.fed = True
        source.interrupted = None
        source.batches.clear()
        source.loader.feeds_training = True
        before, self._training = self._training, source
        if before is not None and before.loader is source.loader:
            if before.is_left_at_once:
                return  # next(iter(loader)) for every batch: no pass worth the name
            if not before.exhausted and before.is_complete:
                self.epochs_completed += 1  # its end was never asked for
        source.loader.epoch += 1
        self.recorder.infer(EPOCH, EPOCHS)
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

    def finish(self) -> None:
        """Count the last epoch, if all of it was delivered and its end was never asked for."""
        last = self._training
        if last is not None and not last.exhausted and last.is_complete:
            last.exhausted = True
            self.epochs_completed += 1


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
            return len(batch) if batch.ndim else 0
        if isinstance(batch, (list, tuple)) and batch:
            batch = batch[0]
        elif isinstance(batch, Mapping):
            batch = next(iter(batch.values()), None)
        else:
            break
    return 0
