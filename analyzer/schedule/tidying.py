"""Turns fitted numbers into the ones a person typed, where the trace allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .decays import rounded

ROUNDINGS = ((2, 2e-3), (3, 2e-3), (4, 1e-5), (6, 1e-7), (9, 1e-9))
"""(significant digits, relative change allowed), the tidiest first."""

MAY_BE_ZERO = ("eta_min", "end_factor", "final_factor", "warmup_start_factor")
"""Parameters for which zero is the usual choice."""


def tidied(
    parameters: Mapping[str, Any], error: Callable[[Mapping[str, Any]], float], accepted: float
) -> dict[str, Any]:
    """The parameters with each real number rounded as far as the fit does not get worse.

    Args:
        parameters: fitted values; integers and texts stay as they are.
        error: deviation of the fit for given parameters.
        accepted: deviation at which the fit counts as failed; never exceeded.
    """
    out = dict(parameters)
    current = error(out)
    for name, value in parameters.items():
        if not isinstance(value, float) or value == 0.0:
            continue
        if name in MAY_BE_ZERO and (trial := error({**out, name: 0.0})) <= max(1.05 * current, 1e-9):
            out[name], current = 0.0, trial
            continue
        for digits, change in ROUNDINGS:
            candidate = rounded(value, digits)
            if abs(candidate - value) > change * abs(value):
                continue
            trial = error({**out, name: candidate})
            if trial <= max(1.05 * current, 1e-9) and trial < accepted:
                out[name], current = candidate, trial
                break
    return out
