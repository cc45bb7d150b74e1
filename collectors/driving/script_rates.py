"""The LR that the script itself had chosen, recorded beside the one that its steps used."""

from __future__ import annotations

from time import monotonic
from typing import Any

import numpy as np
from torch import Tensor

from .. import recorder as process
from .base_rates import as_number

WRITE_SECONDS = 0.5
SERIES = "script_lr"


class ScriptRates:
    """Collects (step, LR) of the first param group of each optimizer and writes them into the run's log."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[tuple[int, Any]]] = {}
        self._written = monotonic()

    def note(self, optimizer: int, step: int, rate: float | Tensor | None) -> None:
        """A step was done under another LR than `rate`, the script's own."""
        if rate is None:
            return
        self._waiting.setdefault(optimizer, []).append((step, rate))
        if monotonic() - self._written > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what has collected; without a recorder it is dropped."""
        self._written = monotonic()
        waiting, self._waiting = self._waiting, {}
        recorder = process.active()
        if recorder is None:
            return
        for optimizer, points in waiting.items():
            name = SERIES if optimizer == 0 else f"optimizer{optimizer}/{SERIES}"
            steps = np.array([step for step, _ in points])
            values = np.array([as_number(rate) for _, rate in points], dtype=np.float64)
            recorder.sink.rows(steps, {f"{name}/0": values})
