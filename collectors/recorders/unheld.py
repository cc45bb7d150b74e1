"""Statistics of parameters of the model that no optimizer holds: frozen ones, and forgotten ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from . import tensors
from .statistics import ParameterStatistics, Table

if TYPE_CHECKING:
    from .model import ModelRecorder
    from .state import Track


class UnheldParameters:
    """Measures them seldom, at samples 0, 1, 2, 4, 8, … of the optimizer: nothing is expected to change.

    No copy of the weights is kept, so there are no update norms.
    """

    def __init__(self, model: ModelRecorder) -> None:
        self._model = model
        self._samples: dict[int, int] = {}
        self._statistics: dict[tuple[int, ...], ParameterStatistics] = {}

    def table(self, track: Track) -> Table | None:
        """The statistics after this step of the optimizer; None when it is not their turn, or without any."""
        n = self._samples.get(track.index, 0)
        self._samples[track.index] = n + 1
        if n & (n - 1):
            return None
        found = self._model.unheld(track)
        if not found:
            return None
        parameters = [p for p, _ in found]
        statistics = self._of(parameters)
        statistics.names = tuple(info.name for _, info in found)
        statistics.has_rows = tuple(info.role == "matrix" for _, info in found)
        return Table(
            track.position, statistics.names, statistics.measure(parameters, _gradient_norms(parameters))
        )

    def _of(self, parameters: list[Tensor]) -> ParameterStatistics:
        key = tuple(map(id, parameters))
        if key not in self._statistics:
            self._statistics.clear()
            self._statistics[key] = ParameterStatistics(parameters, 0)
        return self._statistics[key]


def _gradient_norms(parameters: list[Tensor]) -> list[Tensor | None]:
    """L2 norm of each gradient, None without one."""
    held = [(index, p.grad) for index, p in enumerate(parameters) if p.grad is not None]
    norms: list[Tensor | None] = [None] * len(parameters)
    gradients = [gradient for _, gradient in held]
    with tensors.Quiet():
        for (index, _), norm in zip(held, tensors.norms(gradients, tensors.is_plain(gradients)), strict=True):
            norms[index] = norm
    return norms
