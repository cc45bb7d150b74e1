"""What is known about one optimizer, and about one thread of the training process."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer

if TYPE_CHECKING:
    from .accumulation import Accumulation, Share
    from .evaluation import Evaluation
    from .governor import Governor
    from .loader import LoaderPass
    from .loss_functions import LossCall
    from .statistics import ParameterStatistics

Value = float | Tensor
"""A number that is known, or one that an accelerator still has to deliver (0-dim tensor)."""


@dataclass(slots=True, eq=False)
class Row:
    """The scalars of one optimizer step. None means not recorded.

    Attributes:
        step: 0-based step of its optimizer.
        losses: value of each backward call of the step.
        learning_rates: one per param group.
        norms: gradient norm of each parameter that had a gradient; None when not measured at this step.
        preclip: gradient norm before clipping.
        seconds: time since the previous step's end.
        late: holds the numbers that are still on an accelerator.
        copies: for each norm, how many ranks hold the same part of the gradient, see `sharding`; () = whole.
        preclip_copies: the same for `preclip`.
        before_backward: see `traindoctor.names.TIME_BEFORE_BACKWARD`.
        n_batches: batches of a loader that its losses came from; 0 when not known.
    """

    step: int
    losses: list[Value]
    learning_rates: list[Value]
    norms: Any = None
    preclip: Value | None = None
    seconds: float | None = None
    epoch: int | None = None
    batch_size: int | None = None
    micro_batches: int | None = None
    scale: Value | None = None
    skipped: int = 0
    stale: float | None = None
    late: Any = None
    copies: tuple[int, ...] = ()
    preclip_copies: int = 0
    before_backward: float | None = None
    n_batches: int = 0


@dataclass(slots=True, eq=False)
class Track:
    """One optimizer in one thread.

    Attributes:
        optimizer: weak, so that we keep nobody's model alive.
        governor: cadence of the parameter statistics.
        norm_governor: cadence of the gradient norm, every step unless steps are very short.
        first_parameter: id of its first parameter; wrappers of an optimizer share it.
        is_wrapper: it only ever steps around another optimizer of the same parameters.
        ran_backward_inside: a closure called backward during the open step.
        index: position in the order of first steps; -1 before its first.
        steps: optimizer steps done.
        pending: losses of the backward calls since the last step or zero_grad.
        share: what one of several pending losses was divided by; None when not known.
        in_pieces: several losses were of parts of one batch each.
        accumulation: how the losses of several backward calls make a step's; None before the first such.
        evaluations: earlier `pending` lists of closures that ran inside the open step.
        zeroed: zero_grad was called since the last step.
        stale: see `traindoctor.names.STALE_GRADIENTS`; None before the first backward of the step.
        first_step: how many steps earlier attempts of the run had done, see `restart`.
        backward_ns: from the last step to the first backward since; None before it, or in a lone process.
        samples: samples seen by those backward calls.
        batch_number: `ThreadState.batch_number` of the batch that was counted last.
        n_batches: how many batches were counted.
        reads_before_step: the optimizer changes gradients while it steps, so they are read before.
        probe: a parameter and its gradient (weak) after the last step, that gradient's version and norm.
    """

    optimizer: weakref.ref[Optimizer]
    name: str
    governor: Governor
    norm_governor: Governor
    first_parameter: int = 0
    is_wrapper: bool = False
    ran_backward_inside: bool = False
    index: int = -1
    steps: int = 0
    first_step: int = 0
    backward_ns: int | None = None
    pending: list[Value] = field(default_factory=list[Value])
    share: Share | None = None
    in_pieces: bool = False
    accumulation: Accumulation | None = None
    evaluations: list[list[Value]] = field(default_factory=list[list[Value]])
    zeroed: bool = True
    stale: float | None = None
    samples: int = 0
    batch_number: int = -1
    n_batches: int = 0
    last_ns: int = 0
    preclip: Value | None = None
    preclip_copies: int = 0
    scale: Value | None = None
    skipped: int = 0
    reads_before_step: bool = False
    plain: bool | None = None
    probe: Any = None
    rows: list[Row] = field(default_factory=list[Row])
    labels: tuple[str, ...] = ()
    layouts: dict[tuple[int, ...], ParameterStatistics] = field(
        default_factory=dict[tuple[int, ...], "ParameterStatistics"]
    )

    @property
    def position(self) -> int:
        """The step that is next, over all attempts of the run."""
        return self.first_step + self.steps

    @property
    def prefix(self) -> str:
        """What precedes the names of its series."""
        return "" if self.index <= 0 else f"optimizer{self.index}/"


@dataclass(slots=True, eq=False)
class OpenStep:
    """An optimizer step that has begun and not ended.

    Attributes:
        superseded: an inner optimizer with the same parameters was recorded in its place.
        norms: gradient norms read before the step, for optimizers that change gradients.
    """

    optimizer: Optimizer
    track: Track
    is_sampled: bool = False
    superseded: bool = False
    norms: Any = None
    versions: int = 0
    cost_ns: int = 0


@dataclass(slots=True, eq=False)
class ThreadState:
    """Everything that belongs to one thread. Threads never read each other's gradients: that corrupts memory.

    Attributes:
        depth: nesting of backward calls.
        steps: optimizer steps done in this thread.
        open_steps: optimizer steps in progress, outermost first.
        tracks: `id(optimizer)` -> Track.
        orphans: losses whose optimizer was not known yet.
        loss_call: the last loss function called with gradients on.
        training_labels: storage, first and last byte of labels that training slices out of something larger.
        source: the loader pass that delivered the last batch.
        batch_number: loader batches that backward was called on.
        batch_size: samples in the last of them.
        evaluation: the evaluation pass in progress.
        scaled: the last output of GradScaler.scale (weak), the loss it was made of, and the scale.
    """

    depth: int = 0
    steps: int = 0
    open_steps: list[OpenStep] = field(default_factory=list[OpenStep])
    tracks: dict[int, Track] = field(default_factory=dict[int, Track])
    orphans: list[Value] = field(default_factory=list[Value])
    loss_call: LossCall | None = None
    training_labels: tuple[int, int, int] | None = None
    source: LoaderPass | None = None
    batch_number: int = 0
    batch_size: int = 0
    evaluation: Evaluation | None = None
    scaled: tuple[Any, Value, Any] | None = None
    inside_backward: list[tuple[Track, Row]] = field(default_factory=list[tuple[Track, Row]])

    @property
    def is_inside_step(self) -> bool:
        """Whether a closure may be running."""
        return bool(self.open_steps)
