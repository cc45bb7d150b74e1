"""The trend of the loss at the end of a run, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor.run import Floats, Run

from .memo import memoised
from .reference import Curve, main_curve
from .signal import Slope, block_means, effective_sample_size, mann_kendall_z, theil_sen_slope

LEAST_POINTS = 30
FEW = 8  # of fewer points not even a steady fall is significant at the 1 % level
SIGNIFICANT = -2.33
"""Mann-Kendall score below which a fall is significant at the 1 % level, one-sided."""


@dataclass(frozen=True)
class Trend:
    """The main curve over the last part of the run: the training loss, where there is one.

    Attributes:
        first_step: first step of the window.
        last_step: last step of the window.
        n_points: losses in the window.
        n_effective: independent ones among them, trend removed.
        z: Mann-Kendall score of 20 block means; negative when the loss falls.
        slope: Theil-Sen slope of the block means with 5 % bounds, loss units per step.
        level: median of the window, loss units.
    """

    first_step: int
    last_step: int
    n_points: int
    n_effective: float
    z: float
    slope: Slope
    level: float

    @property
    def is_falling(self) -> bool:
        """Whether the fall is significant at the 1 % level."""
        return self.z < SIGNIFICANT

    @property
    def is_rising(self) -> bool:
        """Whether the rise is significant at the 1 % level."""
        return self.z > -SIGNIFICANT

    @property
    def length(self) -> int:
        """Length of the window in x, from its first to its last loss."""
        return self.last_step - self.first_step

    def largest_gain(self, steps: float) -> float:
        """Upper bound of the fall over `steps` further steps if the trend goes on, loss units, at least 0."""
        return max(0.0, -self.slope.low * steps)


@memoised
def late_trend(run: Run, share: float = 0.25) -> Trend:
    """The trend of the last `share` of the main curve, see `trend_of`.

    Raises:
        NotAssessable: see `main_curve`.
    """
    return trend_of(main_curve(run), share)


def trend_of(curve: Curve, share: float = 0.25) -> Trend:
    """The trend of the last `share` of a curve, at least of 30 points or half of them, and of 8."""
    n = curve.values.size
    size = min(max(round(share * n), min(LEAST_POINTS, n // 2), min(FEW, n)), n)
    values, steps = curve.values[-size:], curve.steps[-size:].astype(np.float64)
    means, centres = block_means(values), block_means(steps)
    slope = theil_sen_slope(means, centres)
    return Trend(
        first_step=int(steps[0]),
        last_step=int(steps[-1]),
        n_points=size,
        n_effective=effective_sample_size(_without_trend(values, steps, slope.value)),
        z=mann_kendall_z(means),
        slope=slope,
        level=float(np.median(values)),
    )


def _without_trend(values: Floats, steps: Floats, slope: float) -> Floats:
    return np.asarray(values - slope * (steps - steps[0]))
