"""From rows to rates: wins, losses, harm, regret, controls, with task-level bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .measure import Row

HARM = math.log(1.05)
"""ln(new / old) from which on a policy did harm."""

RESAMPLES = 2000

Claim = Callable[[Row], bool]


def share(rows: Sequence[Row], claim: Claim) -> float:
    """Share of rows that it holds for, NaN without rows."""
    return sum(map(claim, rows)) / len(rows) if rows else math.nan


def faults(rows: Sequence[Row]) -> list[Row]:
    """The rows in which something was wrong."""
    return [row for row in rows if not row.is_control]


def controls(rows: Sequence[Row]) -> list[Row]:
    """The rows in which nothing was."""
    return [row for row in rows if row.is_control]


def change_after(row: Row) -> float:
    """The change that is left after the paired run: none where it was not adopted."""
    return row.change if row.is_adopted else 0.0


@dataclass(frozen=True)
class Score:
    """One policy.

    Attributes:
        n_faults: rows behind the rates of faults.
        n_controls: rows behind the rates of controls.
        win: share of faults that end clearly better, before any proof.
        loss: share that ends clearly worse.
        harm: share that ends more than 5 % worse.
        gain: median relative change of the validation loss, a fall is negative.
        regret: median excess over the best of the grid, faults.
        regret_high: its 90 % quantile.
        proven_win: share of faults that end better when what one paired run rejects is not adopted.
        proven_loss: share that ends worse.
        proven_harm: share that ends more than 5 % worse.
        kept: share of controls that are left alone.
        control_loss: share of controls that end worse, before any proof.
        control_proven_loss: the same after it.
        often_win: as `proven_win`, after three pairs.
        often_loss: as `proven_loss`, after three pairs.
        runs: mean compute in full runs, without the paired runs.
    """

    n_faults: int
    n_controls: int
    win: float
    loss: float
    harm: float
    gain: float
    regret: float
    regret_high: float
    proven_win: float
    proven_loss: float
    proven_harm: float
    kept: float
    control_loss: float
    control_proven_loss: float
    often_win: float
    often_loss: float
    runs: float


def score(rows: Sequence[Row]) -> Score:
    """The rates of the rows of one policy."""
    bad, good = faults(rows), controls(rows)
    often = [row for row in bad if row.is_adopted_by_three is not None]
    regrets = np.array([math.expm1(row.regret) for row in bad] or [math.nan])
    return Score(
        len(bad),
        len(good),
        share(bad, lambda row: row.change < -row.margin),
        share(bad, lambda row: row.change > row.margin),
        share(bad, lambda row: row.change > HARM),
        math.expm1(float(np.median([row.change for row in bad] or [math.nan]))),
        float(np.median(regrets)),
        float(np.quantile(regrets, 0.9)),
        share(bad, lambda row: change_after(row) < -row.margin),
        share(bad, lambda row: change_after(row) > row.margin),
        share(bad, lambda row: change_after(row) > HARM),
        share(good, lambda row: not row.is_changed),
        share(good, lambda row: row.change > row.margin),
        share(good, lambda row: change_after(row) > row.margin),
        share(often, lambda row: bool(row.is_adopted_by_three) and row.change < -row.margin),
        share(often, lambda row: bool(row.is_adopted_by_three) and row.change > row.margin),
        float(np.mean([row.runs for row in rows])) if rows else math.nan,
    )


def interval(rows: Sequence[Row], claim: Claim) -> tuple[float, float]:
    """95 % interval of a share, whole tasks drawn again: the rows of one task are not independent."""
    names = sorted({row.task for row in rows})
    counts = np.array(
        [[sum(map(claim, here)), len(here)] for here in ([r for r in rows if r.task == n] for n in names)]
    )
    drawn = np.random.default_rng(0).integers(len(names), size=(RESAMPLES, len(names)))
    held, total = counts[drawn].sum(axis=1).T
    low, high = np.quantile(held / total, [0.025, 0.975])
    return float(low), float(high)
