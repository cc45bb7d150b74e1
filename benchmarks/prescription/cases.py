"""Thirteen faulty learning rates and two good ones: what the script did before anybody prescribed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from traindoctor.run import Floats

WARMUP = 0.05
"""Share of the run in which the good schedules warm up."""

DEFAULT_LR = 1e-3
"""What torch's optimizers use when nothing is said."""

Shape = Callable[[int], Floats]
"""Number of steps -> LR of each step as a share of the peak."""


def _warmed(steps: int, decay: Callable[[Floats], Floats]) -> Floats:
    """Linear warm-up, then `decay` of the share of the rest that has passed."""
    warmup = max(1, round(WARMUP * steps))
    passed = (np.arange(steps) - warmup) / (steps - warmup)
    rise = np.minimum((np.arange(steps) + 1) / warmup, 1.0)
    return np.where(passed < 0, rise, decay(np.maximum(passed, 0.0)))


def linear(steps: int) -> Floats:
    """Warm-up and a straight line to zero."""
    return _warmed(steps, lambda passed: 1.0 - passed)


def cosine(steps: int) -> Floats:
    """Warm-up and half a cosine to zero."""
    return _warmed(steps, lambda passed: (1.0 + np.cos(np.pi * passed)) / 2.0)


def constant(steps: int) -> Floats:
    """No schedule."""
    return np.ones(steps)


def _early_steps(steps: int) -> Floats:
    """x0.1 after a fifth of the run, and again after two fifths."""
    return np.power(0.1, np.minimum(np.arange(steps) // (steps // 5), 2))


def _fast_exponential(steps: int) -> Floats:
    """Down to 1e-5 of the peak: a third of the run is over before it has fallen to 2 %."""
    return np.power(1e-5, np.arange(steps) / steps)


def _half_periods(steps: int) -> Floats:
    """`CosineAnnealingLR` with a T_max of 0.4 of the run: it rises again and ends half way up."""
    return (1.0 + np.cos(np.pi * np.arange(steps) / (0.4 * steps))) / 2.0


def _cut_restarts(steps: int) -> Floats:
    """`CosineAnnealingWarmRestarts` of 0.3 and 0.6 of the run: the third period has just begun at the end."""
    passed = np.arange(steps) / steps
    inside = np.select(
        [passed < 0.3, passed < 0.9], [passed / 0.3, (passed - 0.3) / 0.6], (passed - 0.9) / 1.2
    )
    return (1.0 + np.cos(np.pi * inside)) / 2.0


def _cold(steps: int) -> Floats:
    """A straight line to zero without warm-up."""
    return 1.0 - np.arange(steps) / steps


FAULTS: Mapping[str, tuple[float, Shape]] = {
    "constant, /100": (0.01, constant),
    "constant, /10": (0.1, constant),
    "constant": (1.0, constant),
    "constant, x10": (10.0, constant),
    "linear, /10": (0.1, linear),
    "linear, x10": (10.0, linear),
    "cosine, /10": (0.1, cosine),
    "steps too early": (1.0, _early_steps),
    "exponential too fast": (1.0, _fast_exponential),
    "cosine rises again": (1.0, _half_periods),
    "restart cut short": (1.0, _cut_restarts),
    "no warm-up, x3.2": (10**0.5, _cold),
    "framework's default": (0.0, constant),
}
"""Name -> (peak over the best one of the grid, shape); 0 stands for DEFAULT_LR."""

CONTROLS: Mapping[str, tuple[float, Shape]] = {"good linear": (1.0, linear), "good cosine": (1.0, cosine)}

SHAPES: Mapping[str, Shape] = {"linear": linear, "cosine": cosine, "constant": constant}
"""The shapes of the grid, at each of its learning rates."""


def plans(best: float, steps: int) -> dict[str, Floats]:
    """LR of each step of every case, for the best peak of the grid."""
    return {
        name: (factor * best or DEFAULT_LR) * shape(steps)
        for name, (factor, shape) in {**FAULTS, **CONTROLS}.items()
    }
