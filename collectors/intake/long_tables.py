"""Tables in which a row says what it holds: a column of splits, of metric names, or of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from traindoctor.errors import UnreadableLogError

from .axes import candidates, plain_name, position
from .logbook import Logbook
from .numbers import number
from .records import Record, Records
from .series_names import SPLITS, words

MAX_GROUPS = 50
SPLIT_COLUMNS = ("set", "split", "phase", "mode", "subset", "stage", "type", "dataset", "part", "partition")
METRIC_COLUMNS = ("metric", "name", "tag", "key", "variable", "metric_name", "series", "scalar")
VALUE_COLUMNS = ("value", "values", "metric_value", "val")
RUN_COLUMNS = (
    "run", "run_id", "run_name", "runid", "experiment", "experiment_name", "exp", "exp_name", "model",
    "model_name", "trial", "trial_id", "trial_name", "fold", "kfold", "cv_fold", "seed", "config", "method",
    "optimizer", "algorithm", "arch", "architecture", "variant", "replicate", "repeat", "setting",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What the rows of a table say about themselves.

    Attributes:
        split: column that says train or validation, "" if none.
        metric: column that names what `value` is, "" if none.
        value: column of the values then.
        group: column that tells runs apart, "" if none.
        groups: its values, in file order.
        measures: the names in `metric` among the first rows.
    """

    split: str = ""
    metric: str = ""
    value: str = ""
    group: str = ""
    groups: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()

    @property
    def special(self) -> tuple[str, ...]:
        """The columns that describe a row rather than measure something."""
        return tuple(name for name in (self.split, self.metric, self.group) if name)

    def rows_of_group(self, found: Records, group: str, log: Logbook) -> Iterator[tuple[int, Record]]:
        """The rows of one run, in the plain form: one value per name."""
        for line, row in found.rows(log):
            if not self.group or str(row.get(self.group, "")).strip() == group:
                yield line, self._plain(row)

    def _plain(self, row: Record) -> Record:
        special = self.special
        if self.metric:
            name = str(row.get(self.metric, "")).strip()
            rest = {k: v for k, v in row.items() if k in {c.column for c in candidates(row)}}
            return {**rest, self._named(row, name): row.get(self.value)} if name else rest
        counting = {candidate.column for candidate in candidates(row)} if self.split else set[str]()
        return {
            name if name in counting else self._named(row, name): value
            for name, value in row.items()
            if name not in special
        }

    def _named(self, row: Record, name: str) -> str:
        told = str(row.get(self.split, "")).strip() if self.split else ""
        return f"{told}/{name}" if told and not SPLITS.keys() & set(words(name)) else name


def head_shape(found: Records) -> Shape:
    """The shape of a table as far as its first rows tell it: without runs. Never raises."""
    head, plain = found.head, {plain_name(name): name for name in reversed(found.names)}
    split = _first(plain, SPLIT_COLUMNS, lambda name: _says_splits(head, name))
    metric = _first(plain, METRIC_COLUMNS, lambda name: _is_text(head, name))
    value = _first(plain, VALUE_COLUMNS, lambda name: not _is_text(head, name)) if metric else ""
    metric = metric if value else ""
    measures = tuple({str(row.get(metric)): None for row in head}) if metric else ()
    return Shape(split, metric, value, measures=measures)


def shape_of(found: Records) -> Shape:
    """The shape of a table; the runs are counted over all of it.

    Raises:
        UnreadableLogError: it holds more than 50 runs.
    """
    shape = head_shape(found)
    plain = {plain_name(name): name for name in reversed(found.names)}
    group = _first(plain, RUN_COLUMNS, lambda name: name not in shape.special)
    groups = _groups(found, group) if group else ()
    return replace(shape, group=group if groups else "", groups=groups)


def _first(plain: dict[str, str], wanted: tuple[str, ...], fits: Callable[[str], bool]) -> str:
    return next((plain[name] for name in wanted if name in plain and fits(plain[name])), "")


def _says_splits(head: list[Record], name: str) -> bool:
    told = {str(row[name]).strip().lower() for row in head if name in row}
    return bool(told) and all(set(words(text)) & SPLITS.keys() for text in told)


def _is_text(head: list[Record], name: str) -> bool:
    cells = [row[name] for row in head if name in row]
    return bool(cells) and all(isinstance(cell, str) and number(cell) is None for cell in cells)


def _groups(found: Records, column: str) -> tuple[str, ...]:
    """The runs that a column tells apart: several, each with a count of its own that goes on."""
    x = next((candidate.column for candidate in candidates(found.names) if candidate.column != column), "")
    if not x:
        return ()
    sizes: dict[str, int] = {}
    seen: dict[str, set[float]] = {}
    for _, row in found.rows(Logbook()):
        told = str(row.get(column, "")).strip()
        if not told:
            continue
        sizes[told] = sizes.get(told, 0) + 1
        if len(seen) <= MAX_GROUPS:
            where = position(row.get(x))
            if where is not None and len(seen.setdefault(told, set())) < 1000:
                seen[told].add(where)
    overlaps = len(seen) > 1 and len(set().union(*seen.values())) < 0.8 * sum(map(len, seen.values()))
    if not overlaps or max(sizes.values()) < 2:
        return ()
    if len(sizes) > MAX_GROUPS:
        raise UnreadableLogError(
            f"{found.source.name} holds {len(sizes)} runs, told apart by `{column}`; split it into files of "
            f"at most {MAX_GROUPS} runs"
        )
    return tuple(sizes)
