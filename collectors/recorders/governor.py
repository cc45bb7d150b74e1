"""Chooses how often parameters are measured, so that measuring stays inside its share of the time."""

from __future__ import annotations

ALWAYS = 10
"""The first steps of a run are measured one by one: that is where most troubles begin."""

LONGEST = 4096


class Governor:
    """Cadence of one optimizer's measurements.

    Ours: every = cost of one measurement / (budget x time of one step), rounded up to a power of two, so that
    steps stay evenly spaced while the cadence changes. It rises at once and falls only by a factor of four,
    so that noise in the timings does not make it swing.

    Args:
        budget: share of the time.
        fixed: cadence chosen by the user, or None.
        always: how many first steps are measured in any case.
    """

    def __init__(self, budget: float, fixed: int | None = None, always: int = ALWAYS) -> None:
        self.every = fixed or 1
        self.always = always
        self._budget = budget
        self._fixed = fixed is not None
        self._costs: list[int] = []
        self._steps: list[int] = []

    def is_due(self, step: int) -> bool:
        """Whether this step is measured."""
        return step < self.always or step % self.every == 0

    def note_step(self, nanoseconds: int) -> None:
        """Tell how long one step took, our own measuring left out."""
        if len(self._steps) >= 32:
            del self._steps[0]
        self._steps.append(nanoseconds)

    def note_cost(self, nanoseconds: int) -> None:
        """Tell what one measurement cost."""
        if len(self._costs) >= 8:
            del self._costs[0]
        self._costs.append(nanoseconds)

    def decide(self, step: int) -> int | None:
        """The cadence from the next step on if it changes now, else None."""
        if self._fixed or step + 1 < self.always or not self._steps or not self._costs:
            return None
        wanted = min(LONGEST, power_of_two_above(self.share() / self._budget))
        if self.every < wanted or wanted * 4 <= self.every:
            self.every = wanted
            return wanted
        return None

    def share(self) -> float:
        """Cost of one measurement as a share of one step (medians)."""
        return _median(self._costs) / max(1, _median(self._steps))


def power_of_two_above(ratio: float) -> int:
    """The smallest power of two that is at least `ratio`, 1 for anything smaller."""
    power = 1
    while power < ratio and power < LONGEST:
        power *= 2
    return power


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]
