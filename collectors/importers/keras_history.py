"""Keras: `CSVLogger` files and saved histories as CSV or JSON, in which only `val_` marks a split."""

from __future__ import annotations

from itertools import pairwise

from traindoctor.errors import UnreadableLogError

from ..intake import axes
from ..intake.counted_rows import declare_training
from ..intake.fillers import drop_fillers
from ..intake.importer import LIKELY, POSSIBLE
from ..intake.logbook import Logbook
from ..intake.long_tables import head_shape, shape_of
from ..intake.numbers import number
from ..intake.records import Records, records_of, small_document
from ..intake.source import Source

INDEX = "Unnamed: 0"
_RATES = ("lr", "learning_rate")


class KerasHistory:
    """What Keras' `CSVLogger` writes and what people save of `model.fit(...).history`."""

    slug = "keras-history"
    name = "Keras history"

    def recognises(self, source: Source) -> float:
        """By a bare `loss` with `val_` twins over `epoch`, an index or nothing; by one bare column."""
        found = records_of(source)
        if found is None or found.is_lines:
            return 0.0
        if found.layout is None:
            found = small_document(source)
            if found is None:
                return _of_long_json(source)
        if found.layout is not None and not found.layout.has_header:
            return 0.8 * POSSIBLE if len(found.layout.header) == 1 and len(found.head) > 5 else 0.0
        names = set(found.names)
        if "loss" not in names or not _is_keras(names) or _has_texts(found):
            return 0.0
        if any(name.startswith("val_") for name in names):
            return LIKELY
        alone = names == {"loss"} or (INDEX in names and found.layout is not None)
        return POSSIBLE + 0.05 if alone or head_shape(found).split else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is `epoch`, else the index, else the number of the row; 0-based."""
        found = records_of(source)
        if found is None:
            raise UnreadableLogError(f"expected a Keras history in {source.name}, found no rows")
        log.x_unit = axes.EPOCHS
        shape = shape_of(found)
        counter = _counter(found)
        if not counter:
            log.note("the file counts nothing: x is the number of the row, taken as the epoch")
        if found.layout is not None and not found.layout.has_header:
            log.note("the file has no header: its only column is taken as a training loss")
        position = 0.0
        for line, row in shape.rows_of_group(found, "", log):
            x = axes.position(row.get(counter)) if counter else position
            position += 1
            if x is None:
                log.note(f"rows without `{counter}` were left out", line=line)
                continue
            values = {
                "loss" if name == "column 1" else name: value
                for name, cell in row.items()
                if name not in (counter, INDEX, "epoch")
                if not isinstance(cell, bool) and (value := number(cell)) is not None
            }
            if values:
                log.row(x, values)
        drop_fillers(log)
        declare_training(log, lambda name: name.startswith("val_") or name in _RATES)


def _is_keras(names: set[str]) -> bool:
    """Whether every `val_` name has its twin and nothing marks the training names."""
    held_out = [name for name in names if name.startswith("val_")]
    counting = {c.column for c in axes.candidates(names)} - {"epoch"}
    marked = any(name.startswith(("train_", "train/", "test_", "eval_")) or "/" in name for name in names)
    return not marked and not counting and all(name[4:] in names for name in held_out)


def _has_texts(found: Records) -> bool:
    """Whether a column holds texts other than the split: names of models, say."""
    split = head_shape(found).split
    return any(
        isinstance(cell, str)
        and name != split
        and number(cell) is None
        and cell not in ("NA", "None", "null")
        for row in found.head[:20]
        for name, cell in row.items()
    )


def _of_long_json(source: Source) -> float:
    """A history too long for the head: an object whose first key is a Keras name with a list."""
    text = source.head_text().lstrip()[:200].replace(" ", "").replace("\n", "")
    starts = ('{"loss":[', '{"accuracy":[', '{"acc":[', '{"val_loss":[', '{"loss":{"0":')
    return POSSIBLE + 0.05 if text.startswith(starts) else 0.0


def _counter(found: Records) -> str:
    for name in ("epoch", "Epoch", INDEX):
        cells = [x for row in found.head if (x := axes.position(row.get(name))) is not None]
        # Epochs that fall back are restarts; an index counts by one.
        counts = name != INDEX or all(b - a == 1 or b == 0 for a, b in pairwise(cells))
        if name in found.names and len(cells) == len(found.head) and counts:
            return name
    return ""
