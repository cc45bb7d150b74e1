"""Parameter statistics: at which steps they are taken, under which names, and when they are written."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer

from .checksums import checksum_tables
from .device import is_capturing
from .part import Part
from .statistics import ParameterStatistics, Table
from .unheld import UnheldParameters

if TYPE_CHECKING:
    from .run_recorder import Recorder
    from .state import Track


MOST_LAYOUTS = 8
"""Sets of parameters of one optimizer for which copies of the weights are kept."""


class ParameterRecorder(Part):
    """Measures the parameters that an optimizer holds, at the governor's cadence, and seldom the others."""

    name = "parameter statistics"

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.reset()

    def reset(self) -> None:
        """Begin anew with nothing under way, in a forked child."""
        self._tables: list[Table] = []
        self._unheld = UnheldParameters(self.recorder.model)

    def before_step(self, track: Track, optimizer: Optimizer) -> bool:
        """Decide whether this step is measured and keep the weights if so."""
        if self.off or not self.recorder.options.parameters:
            return False
        try:
            found = held_parameters(optimizer)
            if not found or is_capturing(found[0].device):
                return False
            self._layout(track, found).snapshot(found)
        except Exception as error:
            self.fail(error)
        return not self.off

    def _layout(self, track: Track, found: list[Tensor]) -> ParameterStatistics:
        """What is kept about exactly these parameters; DeepSpeed shows others at each call."""
        key = tuple(map(id, found))
        statistics = track.layouts.get(key)
        if statistics is None:
            limit = self.recorder.options.snapshot_bytes
            statistics = ParameterStatistics(found, limit)
            if len(track.layouts) >= MOST_LAYOUTS:
                track.layouts.clear()
            track.layouts[key] = statistics
            if not statistics.copies_weights:
                self.recorder.note(
                    f"update norms are not recorded: a copy of the weights would take over {limit >> 20} MiB"
                )
        return statistics

    def _describe(
        self, track: Track, optimizer: Optimizer, found: list[Tensor], to: ParameterStatistics
    ) -> None:
        model = self.recorder.model
        model.look(track, optimizer)
        # A parameter of two optimizers is measured with the first: their steps do not count alike.
        to.names = tuple(model.name_for(track, p) for p in found)
        to.has_rows = tuple(model.info(p).role == "matrix" for p in found)

    def after_step(
        self, track: Track, optimizer: Optimizer, cost_before_ns: int, norms: Mapping[int, Any], step_ns: int
    ) -> None:
        """Measure now.

        Args:
            track: the optimizer.
            optimizer: the same.
            cost_before_ns: what preparing this measurement took before the step.
            norms: `id(parameter)` -> norm of its gradient.
            step_ns: what the step took, 0 when unknown.
        """
        if self.off:
            return
        try:
            began = perf_counter_ns()
            found = held_parameters(optimizer)
            statistics = self._layout(track, found)
            if not statistics.names:
                self._describe(track, optimizer, found, statistics)
            values = statistics.measure(found, [norms.get(id(p)) for p in found])
            self._tables.append(Table(track.position, statistics.names, values))
            if self.recorder.is_spread:
                self._tables += checksum_tables(track.position, statistics.names, found)
            unheld = self._unheld.table(track)
            if unheld is not None:
                self._tables.append(unheld)
            self._write(wait=False)
            cost = perf_counter_ns() - began + cost_before_ns
            every = track.governor.measured(track.steps, cost, step_ns)
            if every is not None:
                self.recorder.thinned(track, "parameters", every, track.governor.share())
        except Exception as error:
            self.fail(error)

    def _write(self, *, wait: bool) -> None:
        while self._tables and (wait or self._tables[0].has_arrived()):
            table = self._tables.pop(0)
            values, present = table.read()
            self.recorder.sink.block(table.quantities, table.names, table.step, values, present)

    def finish(self) -> None:
        """Write what is still under way."""
        self._write(wait=True)


def held_parameters(optimizer: Optimizer) -> list[Tensor]:
    """The parameters of all groups, in order."""
    return [p for group in optimizer.param_groups for p in group["params"]]
