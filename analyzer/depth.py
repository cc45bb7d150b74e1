"""How gradients change along the depth of the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.run import Floats, Ints, Run
from traindoctor.text import Text

from .memo import memoised
from .parameter_signals import known_median, matrices, table
from .signal import theil_sen_slope

MIN_LAYERS = 4
MIN_SAMPLES = 5


@dataclass(frozen=True, eq=False)
class DepthProfile:
    """Relative gradients along the depth.

    Attributes:
        names: weight matrices in forward order.
        steps: shape (n,), sampled steps that could be fitted.
        decades: shape (n,), growth of log10(gradient norm / weight norm) from the first matrix to the last by
            the fitted slope; positive where gradients vanish towards the input, negative where they explode.
        pace: shape (len(names),), median update ratio of each matrix; NaN where it was not recorded.
    """

    names: tuple[str, ...]
    steps: Ints
    decades: Floats
    pace: Floats


@memoised
def depth_profile(run: Run) -> DepthProfile:
    """The profile of the matrices whose gradients and weights were recorded.

    Samples in which fewer than 4 matrices had a finite, non-zero gradient are left out: dead layers are
    another trouble.

    Raises:
        NotAssessable: fewer than 4 matrices, or fewer than 5 samples.
    """
    wanted = tuple(info.name for info in matrices(run))
    gradients = table(run, "grad_norm", wanted)
    weights = table(run, "weight_norm", gradients.names)
    if len(weights.names) < MIN_LAYERS or weights.names != gradients.names:
        raise NotAssessable(
            Text("only {n_names} weight matrices; a trend along depth needs 4", n_names=len(weights.names))
        )
    shared, rows, other = np.intersect1d(gradients.steps, weights.steps, return_indices=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.log10(gradients.values[rows] / weights.values[other])
    usable = np.isfinite(relative).sum(axis=1) >= MIN_LAYERS
    if int(usable.sum()) < MIN_SAMPLES:
        raise NotAssessable(
            Text(
                "only {sum} samples with gradients; {min_samples} are needed",
                sum=int(usable.sum()),
                min_samples=MIN_SAMPLES,
            )
        )
    decades = np.array([_growth(row) for row in relative[usable]])
    ratios = table(run, "update_ratio", gradients.names)
    known = {name: float(known_median(ratios.column(name))) for name in ratios.names}
    pace = np.array([known.get(name, np.nan) for name in gradients.names])
    return DepthProfile(gradients.names, shared[usable], decades, pace)


def _growth(relative: Floats) -> float:
    """Slope over depth times depth of one sample's log10 relative gradients, decades."""
    known = np.isfinite(relative)
    slope = theil_sen_slope(relative[known], np.flatnonzero(known).astype(np.float64)).value
    return slope * (relative.size - 1)
