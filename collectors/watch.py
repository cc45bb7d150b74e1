"""`traindoctor.watch`: record a run from inside your own program or notebook."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from traindoctor.errors import UsageError
from traindoctor.guard_thread import Guard, Reaction

from . import recorder as process
from .environment import describe_command, describe_git
from .launcher.identity import shared_run_id
from .options import RecorderOptions
from .recorders.run_recorder import Recorder
from .run_folder import runs_root


class Watch:
    """A recording in progress. Ends with the `with` block, with `close()`, or with the process.

    Attributes:
        id: id of the run.
        path: its folder.
    """

    def __init__(self, recorder: Recorder, owns: bool, guard: Guard | None = None) -> None:
        self._recorder = recorder
        self._guard = guard
        self._owns = owns
        self.id = recorder.sink.run_id
        self.path = recorder.sink.folder

    def __enter__(self) -> Watch:
        self._recorder.is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._end({"status": "failed", "exception": type(error).__name__})

    def close(self) -> None:
        """End the recording and take every hook away. Safe to call twice."""
        self._end({"status": "finished", "exception": ""})

    def _end(self, end: dict[str, Any]) -> None:
        if self._guard is not None:
            self._guard.close()
        if self._owns and process.active() is self._recorder:
            self._recorder.open()
            process.stop(end)

    def log(self, name: str, value: Any) -> None:
        """Record one value of a series at the current optimizer step (the last one done).

        Args:
            name: e.g. `accuracy/validation`, or any name of your own.
            value: a number, or a tensor or array of one element. The last value at a step counts.

        Raises:
            UsageError: the name is no text of 1 to 200 printable characters, or the value is no number.
        """
        given: Any = name
        if not isinstance(given, str) or not 0 < len(given) <= 200 or not given.isprintable():
            raise UsageError(
                f"run.log: expected a name of 1 to 200 printable characters, found {given!r:.80}"
            )
        number = _number(value, name)
        self._recorder.open()
        self._recorder.sink.scalar(name, max(self._recorder.position - 1, 0), number)

    def log_predictions(self, y_true: Any, y_score: Any, classes: Sequence[str] = ()) -> None:
        """Record labels and scores of held-out data; they take the place of captured ones.

        Args:
            y_true: class indices, shape (n,).
            y_score: scores where larger means more likely (logits or probabilities), shape (n, n_classes);
                or shape (n,) for the positive class of a binary task. Tensors, arrays or nested lists.
            classes: names in index order.

        Raises:
            UsageError: the shapes do not fit each other, labels are no indices of the scores' columns,
                or there are more or fewer names than columns.
        """
        labels, scores = _checked(_array(y_true), _array(y_score))
        n_classes = scores.shape[1] if scores.ndim == 2 else 2
        if classes and len(classes) != n_classes:
            raise UsageError(f"log_predictions: expected {n_classes} class names, found {len(classes)}")
        recorder = self._recorder
        recorder.open()
        recorder.predictions.logged(recorder.position, labels, scores, [str(name) for name in classes])


def watch(
    model: Any = None,
    optimizer: Any = None,
    *,
    name: str = "",
    out: str | Path | None = None,
    every: int | None = None,
    budget: float | None = None,
    predictions: bool = True,
    on_critical: str | Reaction | None = None,
) -> Watch:
    """Record this process from now on: `with traindoctor.watch(model, optimizer) as run:`.

    Every optimizer, loss and loader of the process is recorded, not only those named. Without `with`,
    recording ends with the process, with `close()`, or with the next call. Inside another `with` block of
    `watch`, or under `traindoctor run`, there is one recording: the same run is returned, and only its first
    owner ends it.

    Args:
        model: torch module that names the parameters; found by itself when left out.
        optimizer: one optimizer or several, known from the first loss on; found by itself when left out.
        name: what you call the run.
        out: folder that receives the run's folder; default `TRAINDOCTOR_OUT` or `traindoctor-runs`.
        every: steps between two samples of the parameter statistics; default: what the budget allows.
        budget: share of the time that parameter statistics and gradient norms may take; default: 0.005 for
            the statistics after their first 0.3 seconds, and exact gradient norms at every step.
        predictions: whether labels and scores of held-out data are captured.
        on_critical: what to do when the log shows, twice in a row, that the run cannot be saved (a non-finite
            loss, divergence, exploding or stale gradients, a model that is not trained): `"raise"` raises
            `TrainingStoppedError` in this thread; a function is called in another thread, with a mapping that
            holds `code`, `name`, `message` and `action`. A second process looks every 10 seconds or more.

    Raises:
        UsageError: an option is out of range, or `model` or `optimizer` is something else.
    """
    from torch.nn import Module
    from torch.optim import Optimizer

    if model is not None and not isinstance(model, Module):
        raise UsageError(f"watch: expected a torch.nn.Module as model, found {type(model).__name__}")
    given = (
        list(optimizer)
        if isinstance(optimizer, (list, tuple))
        else [optimizer]
        if optimizer is not None
        else []
    )
    for one in given:
        if not isinstance(one, Optimizer):
            raise UsageError(f"watch: expected a torch optimizer, found {type(one).__name__}")
    running = process.active()
    if running is not None and (running.is_entered or running.is_launched):
        running.adopt(model, given)
        return Watch(running, owns=False)
    if running is not None:
        process.stop({"status": "finished", "exception": ""})
    options = RecorderOptions(name=name, every=every, budget=budget, predictions=predictions)
    recorder = _new_recorder(options, Path(out) if out is not None else runs_root())
    guard = None if on_critical is None else Guard(recorder.sink.folder, on_critical)
    process.start(recorder)
    recorder.adopt(model, given)
    return Watch(recorder, owns=True, guard=guard)


def _new_recorder(options: RecorderOptions, root: Path) -> Recorder:
    run_id = _run_id(root)
    here = Path.cwd()
    config = {
        "command": describe_command(list(sys.orig_argv)),
        "folder": here.name,
        "git": describe_git(here),
    }
    return Recorder(run_id, root.absolute() / run_id, options, {"config": config})


_n_recorders = 0


def _run_id(root: Path) -> str:
    """A new id; under torchrun the one that all ranks compute, for the first recording of the process."""
    global _n_recorders
    _n_recorders += 1
    shared = shared_run_id(os.environ, root)
    return (
        shared if _n_recorders == 1 or "TORCHELASTIC_RUN_ID" not in os.environ else f"{shared}-{_n_recorders}"
    )


def _number(value: Any, name: str) -> float:
    read: Any = getattr(value, "item", None)
    number: Any = None if isinstance(value, (str, bytes)) else value
    try:
        return float(number if read is None else read())
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"run.log({name!r}): expected one number, found {value!r:.80}") from None


def _array(value: Any) -> np.ndarray[Any, Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value
    try:
        return np.asarray(value)
    except ValueError as error:
        raise UsageError(f"log_predictions: expected rows of equal length ({error})") from None


def _checked(
    labels: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    shapes = f"y_true {labels.shape} and y_score {scores.shape}"
    if labels.ndim != 1 or scores.ndim not in (1, 2) or len(labels) != len(scores) or not len(labels):
        raise UsageError(
            f"log_predictions: expected y_true (n,) and y_score (n, n_classes) or (n,), n > 0, found {shapes}"
        )
    if labels.dtype.kind not in "iub" and not (
        labels.dtype.kind == "f" and bool(np.all(labels == np.floor(labels)))
    ):
        raise UsageError(f"log_predictions: expected class indices in y_true, found {labels.dtype}")
    if scores.dtype.kind not in "iubf":
        raise UsageError(f"log_predictions: expected numbers in y_score, found {scores.dtype}")
    n_classes = scores.shape[1] if scores.ndim == 2 else 2
    if labels.min() < 0 or labels.max() >= n_classes:
        raise UsageError(
            f"log_predictions: expected labels 0 to {n_classes - 1}, found {labels.min()} to {labels.max()}"
        )
    return labels.astype(np.int64), scores.astype(np.float64)
