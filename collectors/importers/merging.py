"""Several processes to one run: ranks side by side, restarts one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from traindoctor.names import GRAD_NORM, GRAD_NORM_PART, WEIGHT_CHECKSUM
from traindoctor.run import Series

from .parts import OF_PARTS, are_incomplete, merged_norms, merged_parameters
from .process_log import ProcessLog
from .ranks import OF_RANKS, comparison


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
    """Rank 0's log (or the lowest rank's) with losses and accuracies averaged over all ranks.

    Norms of parameters that the ranks hold in parts are put together; they are left out where a rank's log is
    missing, as the parts at hand do not tell the whole.
    """
    first, of_all = ranks[0], world_size(ranks)
    series = {n: s for n, s in first.series.items() if not n.endswith((*OF_PARTS, *OF_RANKS))}
    for name in first.series:
        if name.endswith(GRAD_NORM_PART):
            series.pop(name.removesuffix(GRAD_NORM_PART) + GRAD_NORM, None)
    series |= merged_norms(ranks, of_all)
    for name, mine in first.series.items():
        if "loss/" in name or "accuracy/" in name:
            series[name] = mean_over_ranks([mine, *(r.series[name] for r in ranks[1:] if name in r.series)])
    parameters = merged_parameters(ranks, of_all)
    parameters.pop(WEIGHT_CHECKSUM, None)
    events = [*first.events, *comparison(ranks)[1]]
    return dataclasses.replace(first, series=series, parameters=parameters, events=events)


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
    of_all = world_size(ranks)
    if are_incomplete(ranks, of_all):
        yield (
            f"norms of gradients and weights are left out: each rank holds a part of them, and {len(ranks)} "
            f"of {of_all} ranks' logs are there; read the run where all of them are"
        )
    if len(ranks) == 1 and ranks[0].rank == 0 and of_all == 1:
        return
    yield from comparison(ranks)[0]
    yield (
        f"{len(ranks)} of {of_all} ranks are merged: losses and accuracies are their mean, "
        f"everything else is rank {ranks[0].rank}'s (batch sizes are per rank)"
    )
