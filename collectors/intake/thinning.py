"""Which points of a series are kept when memory is too small for all: evenly spread ones and all odd ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traindoctor.run import Floats

Bools = NDArray[np.bool_]


@dataclass(slots=True)
class Thinning:
    """Keeps one in so many finite values of one series, counted from its first, and every value that is not.

    Attributes:
        every: one in how many is kept; 1 = all.
        seen: finite values so far; counted from the first doubling on.
    """

    every: int = 1
    seen: int = 0

    def keeps(self, value: float) -> bool:
        """Whether the next value is kept."""
        if self.every == 1 or not math.isfinite(value):
            return True
        self.seen += 1
        return (self.seen - 1) % self.every == 0

    def mask(self, values: Floats) -> Bools:
        """`keeps` for each of the next values, shape (n,)."""
        finite = np.isfinite(values)
        if self.every == 1:
            return np.ones_like(finite)
        order = self.seen + np.cumsum(finite) - 1
        self.seen += int(finite.sum())
        chosen: Bools = order % self.every == 0
        return chosen | ~finite

    def double(self, held: Floats) -> Bools:
        """Keep half as many from now on; which of the values at hand, shape (n,), stay."""
        finite = np.isfinite(held)
        if self.every == 1:
            self.seen = int(finite.sum())
        self.every *= 2
        keep: Bools = ~finite
        keep[np.flatnonzero(finite)[::2]] = True
        if keep.mean() > 0.9:  # nearly all NaN: the first of them say enough
            keep[keep.size // 2 :] = False
        return keep
