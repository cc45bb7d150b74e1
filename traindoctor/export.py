"""A run as a table: a pandas frame, CSV or Parquet."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import MissingDependencyError, UsageError
from .names import unit_of
from .run import Run, Series

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet")


def to_frame(run: Run, *, wide: bool = False) -> pd.DataFrame:
    """Every recorded number.

    Args:
        run: the run.
        wide: False: one row per series and step with the columns `series`, `step` (int64), `value` (float64)
            and `unit`. Only what was recorded has a row, so a NaN in `value` was recorded as NaN.
            True: one row per step, one column per series, index `step`, nullable `Float64` columns: `<NA>`
            was not recorded, NaN was recorded as NaN.

    Per-parameter series are named `quantity/parameter`, e.g. `weight_norm/fc1.weight`.
    """
    return _wide(run) if wide else _long(run)


def export_run(run: Run, path: str | Path, format: str = "") -> Path:
    """Write the long table of `to_frame` to a file, whole or not at all.

    In CSV, a name that a spreadsheet would take for a formula (it begins with `=`, `+`, `-` or `@`) gets a
    leading apostrophe, and non-finite values are written `nan`, `inf` and `-inf`.

    Args:
        run: the run.
        path: file to write; an existing one is replaced.
        format: `csv` or `parquet`; taken from the suffix of `path` when empty.

    Returns:
        The path written.

    Raises:
        UsageError: the format is unknown, or the file cannot be written.
        MissingDependencyError: pyarrow is needed for Parquet and not installed.
    """
    target = Path(path)
    kind = format or target.suffix.lstrip(".").lower()
    write = {"csv": _write_csv, "parquet": _write_parquet}.get(kind)
    if write is None:
        raise UsageError(f"expected one of the formats {', '.join(FORMATS)}, found {kind!r} for {target}")
    _replace(target, lambda part: write(to_frame(run), part))
    return target


def _all_series(run: Run) -> Iterator[tuple[str, str, Series]]:
    for name, series in run.series.items():
        yield name, unit_of(name), series
    for quantity, table in run.parameters.items():
        for parameter, series in table.items():
            yield f"{quantity}/{parameter}", unit_of(quantity), series


def _long(run: Run) -> pd.DataFrame:
    import pandas as pd

    rows = list(_all_series(run))
    lengths = [len(series) for _, _, series in rows]
    numbers_of = {name: number for number, name in enumerate(dict.fromkeys(name for name, _, _ in rows))}
    numbers = np.repeat([numbers_of[name] for name, _, _ in rows], lengths).astype(np.int64)
    units = sorted({unit for _, unit, _ in rows})
    unit_numbers = np.repeat([units.index(unit) for _, unit, _ in rows], lengths).astype(np.int64)
    return pd.DataFrame(
        {
            "series": pd.Categorical.from_codes(numbers, categories=pd.Index(list(numbers_of), dtype="str")),
            "step": np.concatenate([s.steps for _, _, s in rows]) if rows else np.zeros(0, np.int64),
            "value": np.concatenate([s.values for _, _, s in rows]) if rows else np.zeros(0),
            "unit": pd.Categorical.from_codes(unit_numbers, categories=pd.Index(units, dtype="str")),
        }
    )


def _wide(run: Run) -> pd.DataFrame:
    import pandas as pd

    rows = list(_all_series(run))
    steps = np.unique(np.concatenate([s.steps for _, _, s in rows])) if rows else np.zeros(0, np.int64)
    columns: dict[str, Any] = {}
    for name, _, series in rows:
        position = np.searchsorted(steps, series.steps)
        values, is_missing = np.full(len(steps), np.nan), np.ones(len(steps), bool)
        values[position], is_missing[position] = series.values, False
        columns[name] = pd.arrays.FloatingArray(values, is_missing)
    return pd.DataFrame(columns, index=pd.Index(steps, name="step"))


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    names = frame["series"].cat.categories
    safe = ["'" + name if re.match(r"[=+\-@\t\r]", name) else name for name in names]
    plain = frame.assign(series=np.array(safe, dtype=object)[frame["series"].cat.codes])
    plain.to_csv(path, index=False, na_rep="nan", lineterminator="\n", encoding="utf-8")


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingDependencyError(
            "Parquet needs pyarrow, which is not installed; install it with "
            "`pip install traindoctor[parquet]` or choose --format csv"
        ) from error
    dictionary = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema(
        [
            pa.field("series", dictionary),
            pa.field("step", pa.int64()),
            pa.field("value", pa.float64()),
            pa.field("unit", dictionary),
        ]
    )
    # from_pandas=False: NaN was recorded and stays NaN; nothing becomes null.
    columns = [
        pa.DictionaryArray.from_arrays(
            pa.array(frame[field.name].cat.codes.to_numpy(), pa.int32()),
            list(frame[field.name].cat.categories),
        )
        if field.name in ("series", "unit")
        else pa.array(frame[field.name].to_numpy(), field.type, from_pandas=False)
        for field in schema
    ]
    pq.write_table(pa.table(columns, schema=schema), path, compression="zstd", write_page_checksum=True)


def _replace(target: Path, write: Callable[[Path], None]) -> None:
    """Write to a file beside the target and rename it, so that the target is never half written."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        write(part)
        os.replace(part, target)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"cannot write {target}: {why}; choose another path with -o") from error
    finally:
        part.unlink(missing_ok=True)
