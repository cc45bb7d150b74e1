"""Giving the series of one run our names: one winner per name, the rest kept as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from traindoctor import names
from traindoctor.run import Series

from .logbook import Meaning
from .series_names import classify

TEST_AS_VALIDATION = 3
"""Fewer test values than this are a final test, not an evaluation during training."""


@dataclass(frozen=True, eq=False)
class Named:
    """One series under our name.

    Attributes:
        name: our name; the source's own where we have none, or where another series has it.
        source_name: the source's name.
        meaning: what it is.
        series: its values, scaled as the meaning says.
    """

    name: str
    source_name: str
    meaning: Meaning
    series: Series


def named_series(
    series: Mapping[str, Series], declared: Mapping[str, Meaning]
) -> tuple[dict[str, Named], list[str]]:
    """Our names for the series of one run.

    Args:
        series: source name -> values.
        declared: source name -> meaning, for those that the importer knows.

    Returns:
        our name -> series, in the source's order; and what a reader must know about the choice.
    """
    meanings = {name: declared[name] if name in declared else classify(name) for name in series}
    meanings = _with_splits(series, meanings, declared)
    notes: list[str] = []
    winners = _winners(series, meanings, notes)
    _fill_train_loss(series, meanings, winners, notes)
    _fill_validation_loss(series, meanings, winners, notes)
    out: dict[str, Named] = {}
    for source_name, values in series.items():
        meaning = meanings[source_name]
        ours = meaning.name if winners.get(meaning.name) == source_name else source_name
        if ours in out:
            ours = f"{source_name} (source)"
        meaning, values = _in_our_unit(ours, meaning, values)
        out[ours] = Named(ours, source_name, meaning, values)
    return out, notes


def _with_splits(
    series: Mapping[str, Series], meanings: Mapping[str, Meaning], declared: Mapping[str, Meaning]
) -> dict[str, Meaning]:
    """A metric whose name tells no split is training's if a bare loss shares its rows, else validation's."""
    losses = [n for n, m in meanings.items() if m.name.endswith("loss/train") and _is_bare(n, m, declared)]
    rows = [series[name].steps for name in losses]
    seen = np.unique(np.concatenate(rows)) if rows else np.empty(0, np.int64)
    told = {m.name for m in meanings.values() if m.tells_split}
    out = dict(meanings)
    for name, meaning in meanings.items():
        if not _is_bare(name, meaning, declared) or meaning.split != "validation":
            continue
        if meaning.name in told or (seen.size and np.isin(series[name].steps, seen).mean() > 0.8):
            quantity = meaning.name.rsplit("/", 1)[0]
            out[name] = replace(meaning, name=f"{quantity}/train", split="train")
    return out


def _is_bare(name: str, meaning: Meaning, declared: Mapping[str, Meaning]) -> bool:
    return name not in declared and not meaning.tells_split


def _winners(
    series: Mapping[str, Series], meanings: Mapping[str, Meaning], notes: list[str]
) -> dict[str, str]:
    """Our name -> the source's name that gets it: the smallest rank, then the most points."""
    wanted: dict[str, list[str]] = {}
    for source_name in series:
        if meanings[source_name].name:
            wanted.setdefault(meanings[source_name].name, []).append(source_name)
    out: dict[str, str] = {}
    chosen: list[str] = []
    others: list[str] = []
    for ours, candidates in wanted.items():
        best = min(candidates, key=lambda n: (meanings[n].rank, -len(series[n])))
        out[ours] = best
        if len(candidates) > 1:
            chosen.append(best)
            others += [name for name in candidates if name != best]
    if chosen:
        notes.append(
            f"logged more than once (per step and per epoch, or by two names): {_listed(chosen)} were taken, "
            f"{_listed(others)} are kept under their own names"
        )
    return out


def _fill_train_loss(
    series: Mapping[str, Series], meanings: dict[str, Meaning], winners: dict[str, str], notes: list[str]
) -> None:
    """A single component stands in for a training loss that has no plain name; several are not guessed at."""
    _fill(names.LOSS_TRAIN, "train", series, meanings, winners, notes)


def _fill_validation_loss(
    series: Mapping[str, Series], meanings: dict[str, Meaning], winners: dict[str, str], notes: list[str]
) -> None:
    """Repeated test losses, or a single validation component, stand in for a validation loss."""
    _fill(names.LOSS_VALIDATION, "validation", series, meanings, winners, notes)
    has_validation = any(ours.endswith("/validation") for ours in winners)
    for test in [ours for ours in winners if ours.endswith("/test")]:
        ours = test.removesuffix("test") + "validation"
        source = winners[test]
        is_needed = not has_validation or ours in (names.LOSS_VALIDATION, names.ACCURACY_VALIDATION)
        if ours in winners or not is_needed or len(series[source]) < TEST_AS_VALIDATION:
            continue
        note = "evaluated on the test set"
        meanings[source] = replace(meanings[source], name=ours, note=_joined(meanings[source].note, note))
        winners[ours] = winners.pop(test)
        notes.append(f"`{source}` was evaluated on the test set during training; it is taken as {ours}")


def _fill(
    ours: str,
    split: str,
    series: Mapping[str, Series],
    meanings: dict[str, Meaning],
    winners: dict[str, str],
    notes: list[str],
) -> None:
    if ours in winners:
        return
    parts = [n for n in series if meanings[n].split == split and meanings[n].name.endswith(f"_loss/{split}")]
    parts = [n for n in parts if winners.get(meanings[n].name) == n]
    if len(parts) > 1:
        notes.append(
            f"no total {split} loss is logged, only {_listed(parts)}; to choose one, pass --map "
            f"{'loss' if split == 'train' else 'val_loss'}=NAME"
        )
    if len(parts) != 1:
        return
    only = parts[0]
    winners.pop(meanings[only].name)
    meanings[only] = replace(meanings[only], name=ours)
    winners[ours] = only
    notes.append(f"`{only}` is the only {split} loss in the log and is taken as {ours}")


def _in_our_unit(ours: str, meaning: Meaning, values: Series) -> tuple[Meaning, Series]:
    """Accuracies in percent become fractions; declared scales are applied."""
    scale = meaning.scale
    if ours.startswith("accuracy/") and scale == 1.0:
        finite = values.finite().values
        if finite.size and 1.5 < finite.max() <= 100.0 and finite.min() >= 0.0:
            scale = 0.01
    if scale == 1.0:
        return meaning, values
    note = "divided by 100" if scale == 0.01 else f"multiplied by {scale:g}"
    changed = replace(meaning, note=_joined(meaning.note, note))
    return changed, Series(values.steps, values.values * scale)


def _listed(found: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in found[:5])
    return f"{shown} and {len(found) - 5} more" if len(found) > 5 else shown


def _joined(note: str, other_note: str) -> str:
    return f"{note}; {other_note}" if note else other_note
