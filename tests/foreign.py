"""Runs as importers make them: few points, other x units, metrics with a direction, no parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from traindoctor.run import Floats, Run, RunInfo, Series, SeriesInfo

Values = Sequence[float] | Floats


def imported(
    series: Mapping[str, tuple[Sequence[int] | np.ndarray, Values]],
    *,
    better: Mapping[str, str] | None = None,
    source_names: Mapping[str, str] | None = None,
    x_unit: str = "epochs",
    source: str = "Some tool's CSV",
    **info: object,
) -> Run:
    """A run from name -> (x, values); `better` gives directions, every series is declared."""
    better, source_names = better or {}, source_names or {}
    declared = {
        name: SeriesInfo(
            source_names.get(name, f"source {name}"),
            name.rpartition("/")[2],
            better.get(name, "lower" if "loss" in name else ""),
        )
        for name in series
    }
    table = {name: Series(np.asarray(x), np.asarray(y, dtype=float)) for name, (x, y) in series.items()}
    known = RunInfo(source=source, x_unit=x_unit, series=declared, **info)  # type: ignore[arg-type]
    return Run("imported", "imported", table, info=known)


def epochs(n: int, first: int = 1) -> np.ndarray:
    """The epochs `first` to `first + n - 1`."""
    return np.arange(first, first + n)


def falling(n: int, start: float = 2.0, end: float = 0.2, rate: float = 4.0) -> Floats:
    """A loss that falls fast, then slowly."""
    shape = np.exp(-rate * np.arange(n) / max(n - 1, 1))
    return np.asarray(end + (start - end) * (shape - shape[-1]) / (1.0 - shape[-1]))


def turning(n: int, best: int, start: float, low: float, end: float) -> Floats:
    """A measure that goes from `start` to `low` at index `best` and on to `end`."""
    down = np.linspace(start, low, best + 1)
    return np.concatenate([down, np.linspace(low, end, n - best)[1:]])
