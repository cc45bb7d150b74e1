"""A learning-rate range test inside an unmodified script: the LR rises, the loss of fixed samples is kept."""

from __future__ import annotations

import functools
import math
import weakref
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from ..recorders.internals import dynamo_callback, left_alone, untraced_like
from ..recorders.patches import Patches
from .orders import RangeTest
from .tape import Tape
from .tape_replay import Replay, UnrecordableError

if TYPE_CHECKING:
    from .driver import Driven, Driver

MOST_PROBES = 32
"""Batches that are put together for the probe; so many steps at the lowest LR precede the test."""

DIVERGED = 5.0
"""The test ends when the loss exceeds this multiple of the loss at its start."""

MOST_POINTS = 100
"""So many losses are measured, evenly over the steps of the test (up to twice as many)."""

_PATIENCE = 3
"""Losses in a row that are not finite, without a step between them: a scaler that skips every step."""


class RangeRun:
    """The steps of a range test in this process.

    First come steps at the lowest LR, which hardly move the weights. Between each two of them the batch's
    loss is put on a tape, until the tapes hold enough samples. Then the LR rises, and after each step the
    tapes tell the loss of their samples. Where no tape can be made, the training loss of the next batch
    stands in for it.
    """

    def __init__(self, driver: Driver, test: RangeTest) -> None:
        self._driver = driver
        self._test = test
        self._tape: Tape | None = None
        self._probes: list[Replay] = []
        self._n_samples = 0
        self._is_arming = True
        self._no_probe = ""
        self._pending: list[float] = []
        self._planned: tuple[float, ...] = ()
        self._done = 0
        self._every = max(1, test.steps // MOST_POINTS)
        self._factors: list[float] = []
        self._losses: list[list[float]] = []
        self._start: list[float] = []
        self._recent: list[float] = []
        self._reason = ""
        self._n_not_finite = 0
        self._has_own_loss: set[int] = set()
        self._scaled: tuple[weakref.ref[Tensor], Tensor] | None = None

    def install(self, patches: Patches) -> None:
        """Follow every backward call and every loss scaler."""
        patches.replace(torch.autograd, "backward", self._wrap_backward, operator="aten::backward")
        patches.replace(GradScaler, "scale", self._wrap_scale)

    def factor(self) -> float:
        """What the base LRs are multiplied by in the step that begins."""
        if not self._planned:
            self._planned = self._test.factors(self._driver.report.base_lr)
        return self._planned[0 if self._is_arming else min(self._done, self._test.steps - 1)]

    def _wrap_backward(self, original: Any) -> Any:
        @functools.wraps(original)
        def backward(*args: Any, **kwargs: Any) -> Any:
            if dynamo_callback():
                return detour(*args, **kwargs)
            if not self._driver.ending.has_begun:
                given = args[0] if args else kwargs.get("tensors")
                self._guarded(self._before_backward, given)
            return original(*args, **kwargs)

        short, detour = left_alone(backward)
        return short

    def _wrap_scale(self, original: Any) -> Any:
        @untraced_like(original)
        def scale(scaler: Any, outputs: Any) -> Any:
            result = original(scaler, outputs)
            if isinstance(outputs, Tensor) and isinstance(result, Tensor):
                self._scaled = weakref.ref(result), outputs
            return result

        return scale

    def _guarded(self, work: Any, *args: Any) -> None:
        try:
            work(*args)
        except Exception as error:
            self._driver.fail(f"the range test failed ({type(error).__name__}: {str(error)[:300]})")

    def _before_backward(self, given: Any) -> None:
        root = self._root(given)
        if root is None:
            return
        if self._tape is not None:
            self._cut(self._tape, root)
        value = float(root.detach().item())
        self._n_not_finite = 0 if math.isfinite(value) else self._n_not_finite + 1
        if self._n_not_finite and self._driver.lead is None:
            self._end("not-finite-at-start")
        if self._n_not_finite >= _PATIENCE:
            self._end("diverged")
        self._pending.append(value)

    def _root(self, given: Any) -> Tensor | None:
        """The loss that backward is called on, before a loss scaler multiplied it."""
        roots = [given] if isinstance(given, Tensor) else list(given or ())
        if len(roots) != 1 or roots[0].numel() != 1:
            return None
        root = roots[0]
        if self._scaled is not None:
            result, unscaled = self._scaled
            self._scaled = None
            if result() is root:
                return unscaled
        return root

    def _cut(self, tape: Tape, root: Tensor) -> None:
        self._tape = None
        try:
            replay = tape.cut(root)
        except UnrecordableError as error:
            self._no_probe = str(error)
            return
        self._probes.append(replay)
        self._n_samples += replay.n_samples

    def after_step(self, driven: Driven) -> None:
        """An optimizer has stepped."""
        if self._pending:
            self._has_own_loss.add(driven.index)
        if len(self._has_own_loss) > 1:
            self._end("several-losses")
        if driven is not self._driver.lead:
            self._pending.clear()
            return
        if self._pending:
            self._recent.append(_mean(self._pending))
            self._pending.clear()
        if self._is_arming:
            self._arm(driven)
        else:
            self._measure()

    def _arm(self, driven: Driven) -> None:
        """Between two steps at the lowest LR: put the next batch on a tape, or begin the test."""
        self._stop_tape()
        is_enough = self._n_samples >= self._test.probe_samples or len(self._probes) >= MOST_PROBES
        if driven.steps < self._test.lead_in:
            return
        gave_up = bool(self._no_probe) or driven.steps - self._test.lead_in > MOST_PROBES + _PATIENCE
        everyone = self._driver.agreement.decide(f"armed.{driven.steps}", is_enough or gave_up)
        if everyone:
            self._is_arming = False
            if not is_enough and not self._no_probe and not self._probes:
                self._no_probe = "no backward call on a single loss was seen between two steps"
            if self._no_probe:
                self._probes.clear()
            self._start = [probe.loss() for probe in self._probes]
            self._recent.clear()
            return
        self._tape = Tape()
        self._tape.begin()

    def _stop_tape(self) -> None:
        if self._tape is not None:
            self._tape.end()
            self._tape = None

    def _measure(self) -> None:
        self._done += 1
        is_last = self._done >= self._test.steps
        if self._done % self._every and not is_last:
            return
        self._factors.append(self._planned[self._done - 1])
        self._losses.append([probe.loss() for probe in self._probes] or [_mean(self._recent)])
        if not self._probes and not self._recent:
            self._end("no-loss")
        self._recent.clear()
        has_diverged = self._has_diverged()
        if self._driver.agreement.decide(f"tested.{self._done}", is_last or has_diverged):
            self._end("diverged" if has_diverged and not is_last else "done")

    def _has_diverged(self) -> bool:
        means = [_mean(row) for row in self._losses]
        if self._probes:
            now, start = means[-1], _mean(self._start)
        elif len(means) > 2 * _PATIENCE:
            now = median(means[-_PATIENCE:])
            start = median(means[: 2 * _PATIENCE])
        else:
            return False
        return not math.isfinite(now) or now - start > (DIVERGED - 1.0) * abs(start)

    def _end(self, reason: str) -> None:
        """The test is over, whatever the script thinks."""
        self._reason = reason
        self._stop_tape()
        self._driver.stop()

    def result(self) -> dict[str, Any]:
        """What was measured, as JSON values.

        Returns:
            `reason`: `done`, `diverged`, `not-finite-at-start`, `several-losses`, `no-loss`, or
            `script-ended` when the script was over before the test; `steps`: planned; `done`: done;
            `factors`: shape (n,), at the measured ones; `start`: shape (n_probes,), loss of each probe
            before the first; `losses`: shape (n, n_probes), after each; without probes shape (n, 1), the
            mean training loss since the measured step before; `no_probe`: why there are none;
            `n_samples`: in all probes.
        """
        return {
            "reason": self._reason or "script-ended",
            "steps": self._test.steps,
            "done": self._done,
            "factors": self._factors,
            "start": self._start,
            "losses": self._losses,
            "no_probe": self._no_probe,
            "n_samples": self._n_samples,
        }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
