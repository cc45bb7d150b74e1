"""Validation loss: what the loss functions return with gradients off, averaged over each evaluation pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from traindoctor import names

from .device import ArrivingScalars
from .inferences import evaluated
from .loader import LoaderFacts, LoaderPass
from .loss_functions import NONE, SUM, LossCall
from .part import Part
from .predictions import PassPredictions
from .state import ThreadState, Value

if TYPE_CHECKING:
    from .run_recorder import Recorder

_CLASSES = ("cross_entropy", "nll_loss")
_ELEMENTWISE = (
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "soft_margin_loss",
    "poisson_nll_loss",
    "hinge_embedding_loss",
)


@dataclass(eq=False)
class Evaluation:
    """One evaluation pass in progress.

    Attributes:
        source: the loader pass it reads from; None for losses computed without a loader.
        values: loss function -> values, one per call.
        weights: loss function -> samples (or tokens) behind each value.
        predictions: labels and scores seen.
        step: optimizer steps done when the last value came.
        with_gradients: gradients were on, only the model's evaluation mode told it from training.
    """

    source: LoaderPass | None
    predictions: PassPredictions
    values: dict[str, list[Value]] = field(default_factory=dict[str, list[Value]])
    weights: dict[str, list[Value]] = field(default_factory=dict[str, list[Value]])
    step: int = 0
    with_gradients: bool = False

    @property
    def loader(self) -> LoaderFacts | None:
        """The loader it reads from."""
        return self.source.loader if self.source is not None else None


@dataclass(eq=False)
class _Point:
    """A mean that waits for its values: series name, step, values, weights."""

    name: str
    step: int
    values: list[Value]
    weights: list[Value]
    late: ArrivingScalars | None


MOST_HELD = 3
"""Passes from before training that are kept until it begins."""


class EvaluationRecorder(Part):
    """Joins losses evaluated without gradients into passes, one point per pass.

    Attributes:
        last_step: optimizer steps done when the last complete pass was made; -1 before the first.
    """

    name = "validation loss"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.reset()

    def reset(self) -> None:
        """Begin anew with nothing, in a forked child."""
        self._held: list[Evaluation] = []
        self._points: list[_Point] = []
        self._sets: list[LoaderFacts | None] = []
        self.last_step = -1

    @property
    def holds_any(self) -> bool:
        """Whether passes from before the first backward call wait for it."""
        return bool(self._held)

    def loss_evaluated(self, state: ThreadState, call: LossCall, given: Tensor, result: Tensor) -> None:
        """A loss function was called with gradients off, or with gradients on in evaluation mode."""
        if self.off or state.open_steps:
            return
        evaluation = self.current(state, call)
        if evaluation is None:
            return
        value, weight = self._value(call, result)
        evaluation.with_gradients = evaluation.with_gradients or result.requires_grad
        if isinstance(weight, Tensor) or weight:
            evaluation.values.setdefault(call.name, []).append(value)
            evaluation.weights.setdefault(call.name, []).append(weight)
        evaluation.predictions.from_loss(call, given)

    def current(self, state: ThreadState, call: LossCall | None) -> Evaluation | None:
        """The pass that a value belongs to, begun if need be; None while a training loader is iterated."""
        source = state.source
        if source is not None and source.exhausted and not source.is_trailing:
            source = None
        if source is not None and not source.is_evaluation:
            return None
        if source is None and (call is None or self._is_trained_on(state, call)):
            return None
        evaluation = state.evaluation
        if evaluation is None or evaluation.source is not source:
            self._close(state)
            evaluation = state.evaluation = Evaluation(source, PassPredictions(self.recorder.options))
        evaluation.step = self.recorder.position
        if source is not None:
            source.note_evaluation()
        return evaluation

    def _is_trained_on(self, state: ThreadState, call: LossCall) -> bool:
        """Whether the labels overlap in memory with those that training uses."""
        trained = state.training_labels
        target = call.target
        if trained is None or target.device.type == "meta":
            return False
        storage, low, high = trained
        first = target.data_ptr()
        last = first + target.numel() * target.element_size()
        return storage == target.untyped_storage().data_ptr() and first < high and low < last

    def _value(self, call: LossCall, result: Tensor) -> tuple[Value, Value]:
        """The mean over the samples of one call, and their number."""
        reduction = call.reduction
        n = counted(call)
        if reduction == NONE:
            result = result.mean()
        value: Value = result.item() if result.is_cpu else result.detach().reshape(()).clone()
        if (
            reduction == SUM
            and self.recorder.baseline.reduction_of(call.name) != SUM
            and (isinstance(n, Tensor) or n)
        ):
            value = value / n
        return value, n

    def pass_begins(self, state: ThreadState, begun: LoaderPass) -> None:
        """A loader begins to be iterated."""
        if state.evaluation is not None and state.evaluation.loader is begun.loader:
            self._close(state)
        if begun.is_evaluation and (begun.without_gradients or begun.loader.was_evaluated):
            self.recorder.predictions.watch()

    def pass_ends(self, state: ThreadState, ended: LoaderPass) -> None:
        """A loader that fed no backward call is exhausted."""
        ended.loader.was_evaluated = True
        if ended.n_evaluated < ended.n_batches:
            return  # the last batch was read ahead; what follows ends the pass
        ended.batches.clear()
        if state.evaluation is not None and state.evaluation.source is ended:
            self._close(state)
        self.recorder.predictions.unwatch()

    def training_goes_on(self, state: ThreadState) -> None:
        """A backward call ends every evaluation."""
        if state.evaluation is not None:
            self._close(state)
            self.recorder.predictions.unwatch()
        if self._held:
            held, self._held = self._held, []
            for evaluation in held:
                # A trial run of a few batches (Lightning's sanity check) is no measurement.
                if evaluation.source is None or evaluation.source.is_complete:
                    self._emit(evaluation)

    def _close(self, state: ThreadState) -> None:
        evaluation, state.evaluation = state.evaluation, None
        if evaluation is None or not (evaluation.values or evaluation.predictions.n_samples):
            return
        source = evaluation.source
        if source is not None:
            if source.ahead and source.batches:  # nothing was read ahead after all: labels of other batches
                evaluation.predictions = PassPredictions(self.recorder.options)
            source.batches.clear()
        if self.recorder.backward_calls == 0:
            self._held.append(evaluation)  # only training shows which loader is the training loader
            del self._held[:-MOST_HELD]
        else:
            self._emit(evaluation)

    def _emit(self, evaluation: Evaluation) -> None:
        loader = evaluation.loader
        if loader is not None and loader.feeds_training:
            return
        number = next(
            (i for i, known in enumerate(self._sets) if is_same_set(known, loader)), len(self._sets)
        )
        if number == len(self._sets):
            self._sets.append(loader)
        suffix = "" if number == 0 else f"{number + 1}"
        self.last_step = evaluation.step
        step = max(evaluation.step - 1, 0)
        name = self._chosen(evaluation)
        if name:
            self._infer(names.LOSS_VALIDATION + suffix, evaluation, f"mean of {name}")
            values, weights = evaluation.values[name], evaluation.weights[name]
            late = [v for v in (*values, *weights) if isinstance(v, Tensor)]
            self._points.append(
                _Point(
                    names.LOSS_VALIDATION + suffix,
                    step,
                    values,
                    weights,
                    ArrivingScalars(late) if late else None,
                )
            )
        if evaluation.predictions.source:
            self._infer(names.ACCURACY_VALIDATION + suffix, evaluation, evaluation.predictions.source)
        self.recorder.predictions.pass_done(
            evaluation.predictions, evaluation.step, names.ACCURACY_VALIDATION + suffix
        )
        self.write(wait=False)

    def _infer(self, series: str, evaluation: Evaluation, what: str) -> None:
        has_loader, with_gradients = evaluation.source is not None, evaluation.with_gradients
        how = evaluated(what, has_loader=has_loader, in_evaluation_mode=with_gradients)
        self.recorder.infer(series, how)

    def _chosen(self, evaluation: Evaluation) -> str:
        """The function that also trains, if it was among those evaluated; else the first."""
        trained = self.recorder.baseline.loss_name
        return trained if trained in evaluation.values else next(iter(evaluation.values), "")

    def write(self, *, wait: bool) -> None:
        """Write the points whose values have arrived."""
        while self._points and (wait or self._points[0].late is None or self._points[0].late.has_arrived()):
            point = self._points.pop(0)
            late = iter(point.late.read() if point.late is not None else ())
            values: list[Any] = [next(late) if isinstance(v, Tensor) else v for v in point.values]
            weights: list[Any] = [next(late) if isinstance(w, Tensor) else w for w in point.weights]
            total = sum(v * w for v, w in zip(values, weights, strict=True) if w)
            if sum(weights):
                self.recorder.sink.scalar(point.name, point.step, total / sum(weights))

    def finish(self) -> None:
        """Close the passes in progress and write what is left."""
        for state in self.recorder.states():
            self._close(state)
        self.write(wait=True)


def counted(call: LossCall) -> Value:
    """Samples that a loss function averages over: those whose label is not to be ignored, or all."""
    target = call.target
    if call.name in _ELEMENTWISE:
        return target.numel()
    if target.is_floating_point():
        return call.n_samples
    if call.name not in _CLASSES or len(call.arguments) < 3:
        return target.numel()
    n = (target != int(call.arguments[2])).sum()
    return int(n.item()) if n.is_cpu else n


def is_same_set(known: LoaderFacts | None, loader: LoaderFacts | None) -> bool:
    """Whether two loaders read the same data: the same one, the same dataset, or one built anew alike."""
    if known is None or loader is None:
        return known is loader
    return known is loader or (known.signature == loader.signature and known.signature[1] is not None)
