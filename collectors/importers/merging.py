"""Several processes to one run: ranks side by side, restarts one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from traindoctor.names import GRAD_NORM
from traindoctor.run import Series

from .parts import OF_PARTS, merged_norms, merged_parameters
from .process_log import ProcessLog


def attempts_of(logs: Sequence[ProcessLog]) -> tuple[list[list[ProcessLog]], list[str]]:
    """Logs by attempt, oldest first, each with one log per rank in rank order; and what was left out."""
    chosen: dict[tuple[int, int], ProcessLog] = {}
    n_left_out = 0
    for log in logs:
        key = (log.attempt, log.rank)
        other = chosen.get(key)
        n_left_out += other is not None
        if other is None or (log.n_steps, log.started) > (other.n_steps, other.started):
            chosen[key] = log
    numbers = sorted({attempt for attempt, _ in chosen})
    attempts = [[chosen[key] for key in sorted(chosen) if key[0] == attempt] for attempt in numbers]
    notes = [
        f"{n_left_out} more processes recorded under the same rank and attempt and were left out; "
        "to see one, give its log file instead of the folder"
    ]
    return attempts, notes if n_left_out else []


def merge_ranks(ranks: Sequence[ProcessLog]) -> ProcessLog:
    """Rank 0's log (or the lowest rank's) with losses and accuracies averaged over all ranks."""
    first = ranks[0]
    norms, _ = merged_norms(ranks, world_size(ranks))
    series = {name: s for name, s in first.series.items() if not name.endswith(OF_PARTS)}
    if len(series) < len(first.series):
        series.pop(GRAD_NORM, None)
        series |= norms
    if len(ranks) == 1:
        return dataclasses.replace(first, series=series)
    for name, mine in first.series.items():
        if "loss/" in name or "accuracy/" in name:
            series[name] = mean_over_ranks([mine, *(r.series[name] for r in ranks[1:] if name in r.series)])
    return dataclasses.replace(first, series=series, parameters=merged_parameters(ranks))


def world_size(ranks: Sequence[ProcessLog]) -> int:
    """How many ranks the run had, as its lowest rank says; at least those at hand."""
    stated = ranks[0].header.get("world_size")
    return max(stated, len(ranks)) if isinstance(stated, int) else len(ranks)


def mean_over_ranks(parts: list[Series]) -> Series:
    """Mean over ranks at the steps of the first part; a rank that did not record a step does not count there.

    NaN on any rank gives NaN.
    """
    steps = parts[0].steps
    total, count = parts[0].values.copy(), np.ones(len(steps))
    for part in parts[1:]:
        _, mine, theirs = np.intersect1d(steps, part.steps, assume_unique=True, return_indices=True)
        total[mine] += part.values[theirs]
        count[mine] += 1
    return Series(steps, total / count)


def rank_notes(ranks: Sequence[ProcessLog]) -> Iterable[str]:
    """How the ranks of one attempt were merged, in a sentence; none for an ordinary single process."""
    if len(ranks) == 1 and ranks[0].rank == 0:
        return
    yield from merged_norms(ranks, world_size(ranks))[1]
    yield (
        f"{len(ranks)} of {world_size(ranks)} ranks are merged: losses and accuracies are their mean, "
        f"everything else is rank {ranks[0].rank}'s (batch sizes are per rank)"
    )


def merge_attempts(
    attempts: Sequence[ProcessLog],
) -> tuple[dict[str, Series], dict[str, dict[str, Series]], list[str]]:
    """Series and per-parameter series of all attempts, oldest first, and a sentence for each restart."""
    series: dict[str, Series] = {}
    parameters: dict[str, dict[str, Series]] = {}
    notes: list[str] = []
    for log in attempts:
        begin = log.first_step
        if begin is None:
            continue
        if series:
            notes.append(f"attempt {log.attempt} (a restart) replaces what was recorded from step {begin} on")
        series = _continued(series, log.series, begin)
        parameters = {
            quantity: _continued(parameters.get(quantity, {}), log.parameters.get(quantity, {}), begin)
            for quantity in {**parameters, **log.parameters}
        }
    return series, parameters, notes


def _continued(old: Mapping[str, Series], new: Mapping[str, Series], begin: int) -> dict[str, Series]:
    """`old` before step `begin`, then `new`."""
    out: dict[str, Series] = {}
    for name in {**old, **new}:
        parts = [
            part
            for part in ((old[name].between(-1, begin - 1) if name in old else None), new.get(name))
            if part
        ]
        if parts:
            out[name] = Series(
                np.concatenate([part.steps for part in parts]),
                np.concatenate([part.values for part in parts]),
            )
    return out
