"""The Run: series on their own steps, per-parameter series, events, predictions and metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RunStatus = Literal["running", "finished", "failed", "killed", "damaged", "unknown"]


@dataclass(frozen=True, eq=False)
class Series:
    """Values over their OWN steps.

    A step that is absent was not recorded; a NaN value was recorded as NaN. The two are never mixed.

    Attributes:
        steps: shape (n,), strictly increasing, unit "optimizer steps" unless `Run.x_unit` says otherwise.
        values: shape (n,), unit given by `traindoctor.names`.

    Raises:
        ValueError: the two shapes differ, or the steps do not increase.
    """

    steps: Ints
    values: Floats

    def __post_init__(self) -> None:
        steps = np.ascontiguousarray(self.steps, dtype=np.int64)
        values = np.ascontiguousarray(self.values, dtype=np.float64)
        if steps.ndim != 1 or steps.shape != values.shape:
            raise ValueError(
                f"expected two equally long vectors, found shapes {steps.shape} and {values.shape}"
            )
        if steps.size > 1 and not bool(np.all(np.diff(steps) > 0)):
            raise ValueError("expected strictly increasing steps; split restarts into runs first")
        steps.setflags(write=False)
        values.setflags(write=False)
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return int(self.steps.size)

    def finite(self) -> Series:
        """The same series without its NaN and infinite values."""
        keep = np.isfinite(self.values)
        return self if bool(keep.all()) else Series(self.steps[keep], self.values[keep])

    def between(self, first: int, last: int) -> Series:
        """The part with `first <= step <= last` (both inclusive)."""
        lo, hi = np.searchsorted(self.steps, [first, last + 1])
        return Series(self.steps[lo:hi], self.values[lo:hi])

    def at(self, steps: Ints) -> Floats:
        """The values in force at `steps` (same shape): the last at or before each; NaN before the first."""
        index = np.searchsorted(self.steps, steps, side="right") - 1
        out = np.full(np.shape(steps), np.nan)
        known = index >= 0
        out[known] = self.values[index[known]]
        return out


@dataclass(frozen=True)
class Event:
    """Something that happened at a step: an epoch began, AMP skipped a step, a recorder switched itself off.

    Attributes:
        step: 0-based optimizer step that was next when it happened.
        kind: `epoch`, `amp-skip`, `gap`, `thinned`, `recorder-off`, `exception`, `note`, …
        data: details, JSON values only.
    """

    step: int
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, eq=False)
class Predictions:
    """Labels and scores of one evaluation pass over a held-out set.

    Attributes:
        y_true: shape (n,), int64 class indices.
        y_score: shape (n, n_classes) scores where larger means more likely (logits or probabilities),
            or shape (n,) for the positive class of a binary task.
        step: optimizer steps done when they were made.
        classes: names in index order; empty when unknown.
        kind: `logits`, `probabilities` or `unknown`.
        split: `validation`, `test` or `train`.
        source: how they were obtained, e.g. `captured from argmax` or `run.log_predictions`.
    """

    y_true: Ints
    y_score: Floats
    step: int
    classes: tuple[str, ...] = ()
    kind: str = "unknown"
    split: str = "validation"
    source: str = ""


@dataclass(frozen=True)
class ParameterInfo:
    """One model parameter as it was at the first recorded step.

    Attributes:
        name: qualified name in the model, e.g. `fc1.weight`.
        shape: its shape.
        role: `matrix`, `bias`, `norm`, `embedding` or `other`.
        trainable: `requires_grad`.
        group: label of the param group that holds it (as in `lr/<group>`); "" when no optimizer does.
        dtype: e.g. `float32`.
        module: class name of the owning module, e.g. `Linear`.
        activation: class name of the activation module that follows it in registration order, "" if unknown.
    """

    name: str
    shape: tuple[int, ...]
    role: str = "other"
    trainable: bool = True
    group: str = ""
    dtype: str = "float32"
    module: str = ""
    activation: str = ""

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64)) if self.shape else 1


@dataclass(frozen=True)
class OptimizerInfo:
    """One optimizer.

    Attributes:
        name: class name, e.g. `AdamW`.
        groups: per param group its `label` and its settings (`lr`, `weight_decay`, `momentum`, `betas`, …).
        scheduler: class name of the scheduler that drives it, "" when none was seen.
    """

    name: str
    groups: tuple[Mapping[str, Any], ...] = ()
    scheduler: str = ""


@dataclass(frozen=True)
class NetworkInfo:
    """What the network computes, read off the autograd graph of the first training loss.

    Attributes:
        operations: kind of operation -> number of its nodes in the graph, named as torch names them, without
            `Backward` and the digit after it: `Addmm`, `Convolution`, `Relu`, … A multiplication of two
            values that both depend on parameters is a `Product`, any other one a `Mul`.
        output: the operations between the result of the loss function and the last layer with parameters,
            from the loss backwards, e.g. `("NllLoss", "LogSoftmax", "Softmax")`; it ends where the graph
            branches, which a cross-entropy with smoothed labels itself does: there it goes on to its
            log-softmax.
        is_whole: False when a part is hidden: compiled code, checkpointed or custom functions, a graph that
            is too large to be walked. What is absent from `operations` may then still be there.
        dropouts: probability of each dropout module that was training, in registration order.
        label_smoothing: as given to `cross_entropy`, share of 1.
    """

    operations: Mapping[str, int]
    output: tuple[str, ...] = ()
    is_whole: bool = True
    dropouts: tuple[float, ...] = ()
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class SeriesInfo:
    """What is known about one series apart from its numbers; imported logs declare it.

    Attributes:
        source_name: the source's own name, "" when it is ours.
        split: `train`, `validation`, `test`, or "" when it belongs to none.
        better: `lower`, `higher`, or "" when the direction is unknown or there is none.
        unit: unit, "" for that of `traindoctor.names`.
        note: what a reader must know: summed over the set, before clipping, divided by 100.
    """

    source_name: str = ""
    split: str = ""
    better: str = ""
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class RunInfo:
    """What a run is, apart from its numbers.

    Attributes:
        status: how the process ended; `killed` when the log has no end mark.
        source: where the run came from: `traindoctor` or the importer's name.
        path: file or folder it was read from, "" if none.
        x_unit: `optimizer steps`, or what the x axis of an imported log counts.
        seconds: wall-clock length, NaN when unknown.
        epochs: completed passes over the training loader, NaN when unknown.
        batch_size: samples per training batch, 0 when unknown.
        n_classes: classes seen in the training targets, 0 when unknown or not a classification.
        loss_name: functional name of the training loss, e.g. `cross_entropy`; "" when unknown.
        loss_role: `progress` when a falling training loss means progress; anything else (`gan`, `rl`,
            `unknown-objective`, …) makes loss verdicts abstain.
        baseline: loss of the best constant predictor when the labels were seen (B0), nats; NaN when unknown.
        parameters: the model's parameters in forward order.
        optimizers: in the order in which they first stepped.
        network: what it computes; None when that was not recorded.
        environment: versions, device, host facts.
        config: what the run was started with: redacted command line, git commit, working folder name.
        diagnostics: sentences about what was skipped, guessed, thinned or damaged.
        series: series name -> what is known about it; holds the series of imported logs.
    """

    status: RunStatus = "unknown"
    source: str = ""
    path: str = ""
    x_unit: str = "optimizer steps"
    seconds: float = float("nan")
    epochs: float = float("nan")
    batch_size: int = 0
    n_classes: int = 0
    loss_name: str = ""
    loss_role: str = "progress"
    baseline: float = float("nan")
    parameters: tuple[ParameterInfo, ...] = ()
    optimizers: tuple[OptimizerInfo, ...] = ()
    network: NetworkInfo | None = None
    environment: Mapping[str, Any] = field(default_factory=dict[str, Any])
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    diagnostics: tuple[str, ...] = ()
    series: Mapping[str, SeriesInfo] = field(default_factory=dict[str, SeriesInfo])


def _frozen_series(series: Mapping[str, Series]) -> Mapping[str, Series]:
    return MappingProxyType(dict(series))


@dataclass(frozen=True, eq=False)
class Run:
    """One training run, read-only.

    Attributes:
        id: unique id; a folder name, never taken from user text.
        name: what the user calls it.
        series: name (see `traindoctor.names`) -> Series.
        parameters: quantity (`weight_norm`, `grad_norm`, …) -> parameter name -> Series.
        events: ordered by step.
        predictions: the last held-out evaluation, if one was captured or logged.
        info: everything else.
    """

    id: str
    name: str
    series: Mapping[str, Series] = field(default_factory=dict[str, Series])
    parameters: Mapping[str, Mapping[str, Series]] = field(default_factory=dict[str, Mapping[str, Series]])
    events: Sequence[Event] = ()
    predictions: Predictions | None = None
    info: RunInfo = field(default_factory=RunInfo)

    def __post_init__(self) -> None:
        object.__setattr__(self, "series", _frozen_series(self.series))
        frozen = {quantity: _frozen_series(table) for quantity, table in self.parameters.items()}
        object.__setattr__(self, "parameters", MappingProxyType(frozen))
        object.__setattr__(self, "events", tuple(self.events))

    @property
    def n_steps(self) -> int:
        """Number of optimizer steps covered: one more than the last recorded step, 0 for an empty run."""
        recorded = [s for name, s in self.series.items() if not name.endswith("/validation")]
        steps = [int(s.steps[-1]) for s in recorded or list(self.series.values()) if len(s)]
        return max(steps) + 1 if steps else 0

    def get(self, name: str) -> Series | None:
        """The series of that name, or None when it was not recorded or is empty."""
        found = self.series.get(name)
        return found if found is not None and len(found) else None

    def learning_rates(self) -> Mapping[str, Series]:
        """Param-group label -> learning-rate series, in group order."""
        return {name[3:]: s for name, s in self.series.items() if name.startswith("lr/") and len(s)}

    def events_of(self, kind: str) -> tuple[Event, ...]:
        """The events of one kind, ordered by step."""
        return tuple(event for event in self.events if event.kind == kind)

    def parameter(self, quantity: str) -> Mapping[str, Series]:
        """Parameter name -> Series of one quantity; empty when it was not recorded."""
        return self.parameters.get(quantity, MappingProxyType({}))

    def info_of(self, parameter: str) -> ParameterInfo | None:
        """What is known about one parameter."""
        return next((p for p in self.info.parameters if p.name == parameter), None)
