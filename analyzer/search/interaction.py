"""How the best learning rate moves with the batch size."""

from __future__ import annotations

import math

import numpy as np

from traindoctor.search import Interaction, Level, Parameter, Study, Trial
from traindoctor.text import Text

from .scale import as_number, completed, costs, positions

MOST_LEVELS = 4
LEAST_TRIALS = 3
"""Completed trials that a level needs before its best learning rate is named."""


def lr_by_batch_size(study: Study, rate: Parameter, batch: Parameter) -> Interaction | None:
    """The objective over the learning rate, for each batch size (or at most four ranges of it).

    None when fewer than two levels hold `LEAST_TRIALS` completed trials each. The sentence compares the best
    learning rate of the smallest and of the largest batch with the two rules of thumb: in proportion to the
    batch size (Goyal et al. 2017, arXiv 1706.02677, section 2.1) or to its square root (Krizhevsky 2014,
    arXiv 1404.5997, section 5; Malladi et al. 2022 for Adam).
    """
    trials = [t for t in completed(study) if math.isfinite(as_number(t.parameters.get(rate.name)))]
    groups = _groups(batch, trials)
    levels: list[tuple[float, Level]] = []
    for label, size, members in groups:
        if len(members) >= LEAST_TRIALS:
            levels.append((size, _level(study, rate, label, members)))
    if len(levels) < 2:
        return None
    sentence = _sentence(levels[0], levels[-1])
    return Interaction(rate.name, batch.name, tuple(level for _, level in levels), sentence)


def _groups(batch: Parameter, trials: list[Trial]) -> list[tuple[str, float, list[Trial]]]:
    """Label, representative size and trials of each level, smallest first."""
    sizes = np.array([as_number(t.parameters.get(batch.name)) for t in trials])
    distinct = np.unique(sizes[np.isfinite(sizes)])
    if distinct.size <= MOST_LEVELS:
        return [
            (f"{batch.name} {s:g}", float(s), [t for t, z in zip(trials, sizes, strict=True) if z == s])
            for s in distinct
        ]
    edges = np.quantile(distinct, np.linspace(0, 1, MOST_LEVELS + 1))
    out: list[tuple[str, float, list[Trial]]] = []
    for k in range(MOST_LEVELS):
        is_last = k == MOST_LEVELS - 1
        inside = (sizes >= edges[k]) & ((sizes <= edges[k + 1]) if is_last else (sizes < edges[k + 1]))
        if inside.any():
            held = sizes[inside]
            label = Text("{name} {min:g} to {max:g}", name=batch.name, min=held.min(), max=held.max())
            members = [t for t, keep in zip(trials, inside, strict=True) if keep]
            out.append((label, float(np.exp(np.log(np.maximum(held, 1)).mean())), members))
    return out


def _level(study: Study, rate: Parameter, label: str, trials: list[Trial]) -> Level:
    at = positions(rate, trials)
    order = np.argsort(at, kind="stable")
    x = tuple(as_number(trials[k].parameters[rate.name]) for k in order)
    y = tuple(trials[k].value for k in order)
    best = as_number(trials[int(np.argmin(costs(study, trials)))].parameters[rate.name])
    return Level(label, x, y, best)


def _sentence(smallest: tuple[float, Level], largest: tuple[float, Level]) -> str:
    (small, first), (large, last) = smallest, largest
    moved = Text(
        "Best of {n_x} trials at {label}: {best:.3g}; of {n_x_2} at {label_2}: {best_2:.3g}",
        n_x=len(first.x),
        label=first.label,
        best=first.best,
        n_x_2=len(last.x),
        label_2=last.label,
        best_2=last.best,
    )
    if not (small > 0 and large > small and first.best > 0 and last.best > 0):
        return Text("{moved}.", moved=moved)
    ratio = large / small
    return Text(
        "{moved}, x{best:.2g} for a batch x{ratio:.2g} as large (in proportion it would be "
        "x{ratio:.2g}, by the square root x{sqrt:.2g}).",
        moved=moved,
        best=last.best / first.best,
        ratio=ratio,
        sqrt=math.sqrt(ratio),
    )
