"""Ranks that hold parts of the same parameters (FSDP, DTensor): norms of the parts to norms of the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from traindoctor import names
from traindoctor.run import Series

from .process_log import ProcessLog

Parameters = dict[str, dict[str, Series]]
Floats = NDArray[np.float64]

OF_PARTS = (names.GRAD_NORM_PART, names.GRAD_NORM_WHOLE, names.GRAD_NORM_PRECLIP_PART)
_NORMS = ("weight_norm", "grad_norm", "update_norm")


def are_incomplete(ranks: Sequence[ProcessLog], world_size: int) -> bool:
    """Whether the ranks hold parts and the log of one is missing."""
    has_norms = any(name.endswith(OF_PARTS) for name in ranks[0].series)
    return len(ranks) < world_size and (has_norms or bool(parts_of(ranks[0])))


def merged_norms(ranks: Sequence[ProcessLog], world_size: int) -> dict[str, Series]:
    """Gradient norms of a run whose ranks hold parts, by name; {} for others, and where a rank is missing."""
    prefixes = [
        n.removesuffix(names.GRAD_NORM_PART) for n in ranks[0].series if n.endswith(names.GRAD_NORM_PART)
    ]
    out: dict[str, Series] = {}
    if len(ranks) < world_size:
        return {}
    for prefix in prefixes:
        shares = [rank.series.get(prefix + names.GRAD_NORM_PART) for rank in ranks]
        whole = ranks[0].series.get(prefix + names.GRAD_NORM_WHOLE)
        norm = combined([*shares, whole] if whole is not None else shares, root_of_squares)
        if norm is not None:
            out[prefix + names.GRAD_NORM] = norm
        clipped = combined(
            [rank.series.get(prefix + names.GRAD_NORM_PRECLIP_PART) for rank in ranks], root_of_squares
        )
        if clipped is not None:
            out[prefix + names.GRAD_NORM_PRECLIP] = clipped
    return out


def merged_parameters(ranks: Sequence[ProcessLog], world_size: int) -> Parameters:
    """Rank 0's statistics, with those of parameters in parts put together where parts tell the whole."""
    found: Parameters = {quantity: dict(table) for quantity, table in ranks[0].parameters.items()}
    for name, copies in parts_of(ranks[0]).items():
        for table in found.values():
            table.pop(name, None)
        if len(ranks) < world_size:
            continue
        norms = {q: combined(_shares(ranks, q, name, copies), root_of_squares) for q in _NORMS}
        largest = combined(_shares(ranks, "weight_max", name, 1), maximum)
        for quantity, series in {**norms, "weight_max": largest}.items():
            if series is not None:
                found.setdefault(quantity, {})[name] = series
        before = combined(_weights_before(ranks, name, copies), root_of_squares)
        update = norms["update_norm"]
        if before is not None and update is not None:
            steps, theirs, ours = np.intersect1d(before.steps, update.steps, return_indices=True)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = update.values[ours] / before.values[theirs]
            found.setdefault("update_ratio", {})[name] = Series(steps, ratio)
    return {quantity: table for quantity, table in found.items() if table}


def parts_of(log: ProcessLog) -> dict[str, int]:
    """Parameter -> number of ranks with the same part, as recorded; {} when none is in parts."""
    said = log.meta.get("parts")
    if not isinstance(said, Mapping):
        return {}
    return {
        str(name): copies
        for name, copies in said.items()
        if isinstance(copies, int) and not isinstance(copies, bool) and copies > 0
    }


def _shares(ranks: Sequence[ProcessLog], quantity: str, name: str, copies: int) -> list[Series | None]:
    """One series per rank that holds some of the parameter, divided among those that hold the same."""
    found = [rank.parameters.get(quantity, {}).get(name) for rank in ranks]
    return [Series(s.steps, s.values / copies**0.5) for s in found if s is not None]


def _weights_before(ranks: Sequence[ProcessLog], name: str, copies: int) -> list[Series | None]:
    """Norms of the weights before each step, from the update norm and its ratio to them."""
    out: list[Series | None] = []
    for rank in ranks:
        update, ratio = (rank.parameters.get(q, {}).get(name) for q in ("update_norm", "update_ratio"))
        if update is None or ratio is None:
            continue  # an empty part, or one of zeros
        steps, ours, theirs = np.intersect1d(update.steps, ratio.steps, return_indices=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            out.append(Series(steps, update.values[ours] / ratio.values[theirs] / copies**0.5))
    return out


def combined(parts: Sequence[Series | None], how: Callable[[Floats], Floats]) -> Series | None:
    """All parts by `how` (along the first axis), at the steps that all of them have; None without any."""
    present = [part for part in parts if part is not None]
    if not present or len(present) < len(parts):
        return None
    steps = reduce(np.intersect1d, [part.steps for part in present])
    if not len(steps):
        return None
    rows = [part.values[np.searchsorted(part.steps, steps)] for part in present]
    return Series(steps, how(np.stack(rows)))


def root_of_squares(rows: Floats) -> Floats:
    """Norm of vectors from the norms of their parts, shape (n_parts, n_steps)."""
    return np.asarray(np.sqrt(np.square(rows).sum(axis=0)), dtype=np.float64)


def maximum(rows: Floats) -> Floats:
    """Largest of the parts, shape (n_parts, n_steps); NaN where one is NaN."""
    return np.asarray(rows.max(axis=0), dtype=np.float64)
