"""What the network computes: the operations in the autograd graph of the first training loss."""

from __future__ import annotations

import re
import weakref
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn import Module

from traindoctor.run import NetworkInfo

from . import internals
from .part import Part

if TYPE_CHECKING:
    from .loss_functions import LossCall
    from .run_recorder import Recorder
    from .state import ThreadState

MOST_NODES = 10_000
"""A larger graph is walked so far only, which takes some 25 ms (docs/overhead.md)."""

MOST_LINKS = 100
"""Longest chain of operations that is kept of the output."""

MOST_LOSS_LINKS = 8
"""Operations of a loss function itself among which its LogSoftmax is looked for."""

MOST_LETTERS = 100
"""Operations may be named by the user."""

_OWN_FUNCTIONS = ("torch.nn.", "torch.distributed.")
"""Where torch's own functions (SyncBatchNorm, what DDP and FSDP put around a model) run no user code."""

_SUFFIX = re.compile(r"Backwards?\d*$")


class NetworkRecorder(Part):
    """Walks the graph of the first backward call, before it is freed, and asks the model for its dropout.

    Attributes:
        is_complete: nothing is left to be learned from backward calls.
    """

    name = "network description"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.reset()

    def reset(self) -> None:
        """Begin anew with nothing, in a forked child."""
        self.is_complete = False
        self._network: NetworkInfo | None = None
        self._dropouts: list[tuple[weakref.ref[Module], tuple[float, ...]]] = []

    def backward_begins(self, state: ThreadState, given: Any) -> None:
        """Backward was called with `given`: at the first call, and at the first after a loss function."""
        call = state.loss_call
        if self.off or self.is_complete or (call is None and self._network is not None):
            return
        try:
            roots = root_nodes(given)
            if roots:
                self.is_complete = call is not None
                self._network = describe_graph(roots, call)
                self._write()
        except Exception as error:
            self.is_complete = True
            self.fail(error)

    def models_known(self, models: Iterable[Module]) -> None:
        """An optimizer is about to complete its first step, with these models; each is asked once."""
        if self.off:
            return
        try:
            for model in models:
                if not any(known() is model for known, _ in self._dropouts):
                    self._dropouts.append((weakref.ref(model), tuple(dropout_rates(model))))
            self._write()
        except Exception as error:
            self.fail(error)

    def finish(self) -> None:
        """Write it, if the log did not exist yet when it was found."""
        self._write()

    def _write(self) -> None:
        if self._network is not None:
            rates = tuple(rate for _, rates in self._dropouts for rate in rates)
            self.recorder.sink.meta({"network": asdict(replace(self._network, dropouts=rates))})


def root_nodes(given: Any) -> list[Any]:
    """The nodes from which backward starts, without starting it."""
    tensors = given if isinstance(given, (tuple, list)) else (given,)
    with internals.disable_function_modes():
        found = [t.grad_fn for t in tensors if isinstance(t, Tensor)]
    return list(dict.fromkeys(node for node in found if node is not None))


def describe_graph(roots: list[Any], call: LossCall | None) -> NetworkInfo:
    """The operations of a graph, by one walk from its roots to its leaves.

    To be called before `backward` frees the graph. No node is kept.

    Args:
        roots: nodes from which backward starts.
        call: the loss function that made one of the nodes; None when none is known.
    """
    operations: Counter[str] = Counter()
    kinds: dict[type, tuple[str, bool]] = {}
    start = None
    is_whole = True
    # The nearest to the roots first: numbers of nodes are unique in a thread only, and a loss is near them.
    waiting: deque[Any] = deque(roots)
    seen: set[Any] = set(roots)
    while waiting and len(seen) <= MOST_NODES:
        node = waiting.popleft()
        kind, is_known = _kind(node, kinds)
        following = _following(node)
        if kind != "AccumulateGrad":
            operations["Product" if kind == "Mul" and len(following) == 2 else kind] += 1
            is_whole = is_whole and is_known
        if start is None and call is not None and _number(node) == call.sequence:
            start = node
        for further in following:
            if further not in seen:
                seen.add(further)
                waiting.append(further)
    smoothing = _label_smoothing(call)
    n_inside = 0 if start is None or not smoothing else _n_before_scores(start)
    output = () if call is None else tuple(_output(roots[0] if start is None else start, kinds, n_inside))
    return NetworkInfo(dict(operations), output, is_whole and not waiting, label_smoothing=smoothing)


def _output(node: Any, kinds: dict[type, tuple[str, bool]], n_inside: int) -> Iterator[str]:
    """Operations from a node on for as long as each depends on one other alone.

    The first `n_inside` are the loss function's own: there, the first of several leads on.
    """
    for position in range(MOST_LINKS):
        following = _following(node)
        if not following or (len(following) > 1 and position >= n_inside):
            return
        yield _kind(node, kinds)[0]
        node = following[0]


def _following(node: Any) -> list[Any]:
    return [further for further, _ in node.next_functions if further is not None]


def _kind(node: Any, kinds: dict[type, tuple[str, bool]]) -> tuple[str, bool]:
    """Name of a node's operation, and whether that tells what it does."""
    # By the type: `name` is no method any more where a user's function has set `ctx.name`.
    kind = type(node)
    known = kinds.get(kind)
    if known is not None:
        return known
    name = kind.__name__
    if name == "CopySlices":  # an operation in place on a part of a tensor; older versions do not tell which
        inner = getattr(node, "_wrapped_node", None)
        return ("CopySlices", False) if inner is None else _kind(inner, kinds)
    is_known = True
    if issubclass(kind, internals.PythonNode):
        function: Any = getattr(kind, "_forward_cls", None)
        is_known = str(getattr(function, "__module__", "")).startswith(_OWN_FUNCTIONS)
    elif name == "CppFunction":  # of an extension, or of torch.jit, with any number of operations in it
        return str(node.name())[:MOST_LETTERS], False
    kinds[kind] = _SUFFIX.sub("", name)[:MOST_LETTERS], is_known
    return kinds[kind]


def _number(node: Any) -> int | None:
    return None if isinstance(node, internals.PythonNode) else int(node._sequence_nr())


def _n_before_scores(node: Any) -> int:
    """Operations of a smoothed cross entropy before its LogSoftmax, on which both of its terms depend."""
    for position in range(MOST_LOSS_LINKS):
        if type(node).__name__.startswith("LogSoftmax"):
            return position
        following = _following(node)
        if not following:
            break
        node = following[0]
    return 0


def _label_smoothing(call: LossCall | None) -> float:
    if call is None or call.name != "cross_entropy" or len(call.arguments) < 4:
        return 0.0
    return float(call.arguments[3])


def dropout_rates(model: Module) -> Iterator[float]:
    """Probability of each module of a model that drops values now, in registration order.

    Instance attributes only: asking for others could run code of the user.
    """
    for module in model.modules():
        own = vars(module)
        rate: Any = own.get("p" if isinstance(module, internals.DropoutModule) else "dropout")
        if own.get("training") and type(rate) in (int, float) and 0 < rate <= 1:
            yield float(rate)
