"""Chooses how often something is measured, so that measuring stays inside its share of the time."""

from __future__ import annotations

ALWAYS = 10
"""The first steps of a run are measured one by one: that is where most troubles begin."""

LONGEST = 4096

STATISTICS_BUDGET = 0.005
NORM_BUDGET = 0.05
EARLY_BUDGET = 0.05
HEAD_START_NS = 300_000_000
"""So much may go into the first samples, at `EARLY_BUDGET`: short runs are seen closely."""

_KEPT = 16


class Governor:
    """Cadence of one measurement of one optimizer.

    Ours: every = cost of one measurement / (budget x time of one step), rounded up to a power of two, so that
    steps stay evenly spaced while the cadence changes. It rises at once and falls only by a factor of four,
    so that noise in the timings does not make it swing. Costs and step times are medians of the last 16.

    Args:
        budget: share of the time.
        fixed: cadence chosen by the user, or None.
        head_start_ns: until so much time went into measuring, the share is `EARLY_BUDGET`.
        always: how many first steps are measured in any case.

    Attributes:
        every: steps between two measurements.
        next_step: the next step that is measured.
    """

    def __init__(
        self, budget: float, fixed: int | None = None, always: int = ALWAYS, head_start_ns: int = 0
    ) -> None:
        self.every = fixed or 1
        self.next_step = 0
        self._always = always
        self._budget = budget
        self._fixed = fixed is not None
        self._head_start_ns = head_start_ns
        self._spent_ns = 0
        self._costs: list[int] = []
        self._steps: list[int] = []

    def measured(self, step: int, cost_ns: int, step_ns: int) -> int | None:
        """This step was measured: plan the next one.

        Args:
            step: the step.
            cost_ns: what measuring cost.
            step_ns: what a step takes at the moment, 0 when unknown.

        Returns:
            The cadence from now on if it changes, else None.
        """
        self._spent_ns += cost_ns
        if step:  # the first measurement includes allocations and tells nothing about the next
            self._costs.append(cost_ns)
            del self._costs[:-_KEPT]
        if step_ns:
            self._steps.append(max(step_ns, 1))
            del self._steps[:-_KEPT]
        before = self.every
        if not self._fixed and step + 1 >= self._always and self._steps and self._costs:
            wanted = power_of_two_above(self.share() / self._allowed())
            if before < wanted or wanted * 4 <= before:
                self.every = wanted
        following = step + 1
        self.next_step = following if following < self._always else -(-following // self.every) * self.every
        return self.every if self.every != before else None

    def _allowed(self) -> float:
        return self._budget if self._spent_ns >= self._head_start_ns else max(self._budget, EARLY_BUDGET)

    def share(self) -> float:
        """Cost of one measurement as a share of one step (medians)."""
        return _median(self._costs) / _median(self._steps)


def governors(budget: float | None, every: int | None) -> tuple[Governor, Governor]:
    """Those of an optimizer's parameter statistics and of its gradient norm.

    Args:
        budget: share of the time for both together, None for our own shares.
        every: cadence of the statistics chosen by the user, or None.
    """
    if budget is None:
        return Governor(STATISTICS_BUDGET, every, head_start_ns=HEAD_START_NS), Governor(NORM_BUDGET)
    return Governor(budget / 2, every), Governor(min(budget / 2, NORM_BUDGET))


def power_of_two_above(ratio: float) -> int:
    """The smallest power of two that is at least `ratio`, from 1 to `LONGEST`."""
    power = 1
    while power < ratio and power < LONGEST:
        power *= 2
    return power


def _median(values: list[int]) -> int:
    return sorted(values)[len(values) // 2]
