"""skorch `history.json`: a list of epochs, each with the list of its batches."""

from __future__ import annotations

from traindoctor.errors import UnreadableLogError

from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number
from ..intake.source import Source

_FLAGS = ("_best",)
_HIDDEN = ("epoch", "batches", "event_lr")


class SkorchHistory:
    """The history that skorch saves with `net.save_params(f_history=...)`."""

    slug = "skorch"
    name = "skorch history.json"

    def recognises(self, source: Source) -> float:
        """By `batches` and `epoch` in the first object of a list."""
        head = source.head_text().lstrip()
        known = head.startswith("[") and '"batches"' in head
        marks = ('"train_loss"', '"train_batch_size"', '"valid_batch_size"', '"dur"')
        return CERTAIN if known and any(mark in head for mark in marks) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is the epoch, 1-based; batches are counted, their losses are left to the epoch's mean."""
        rows = source.json()
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UnreadableLogError(f"expected a list of epochs in {source.name}, found something else")
        log.x_unit = "epochs"
        seconds = 0.0
        for index, row in enumerate(rows, 1):
            epoch = number(row.get("epoch"))
            values = {
                name: found
                for name, value in row.items()
                if name not in _HIDDEN and not isinstance(value, bool) and not name.endswith(_FLAGS)
                if (found := number(value)) is not None
            }
            log.row(float(index) if epoch is None else epoch, values)
            seconds += values.get("dur", 0.0)
            batches = row.get("batches")
            if isinstance(batches, list) and batches and isinstance(batches[0], dict):
                _take_batches(batches[0], len(batches), log)
        log.declare("dur", Meaning(unit="s", note="duration of the epoch"))
        if seconds > 0:
            log.fact(seconds=seconds)


def _take_batches(first: dict[str, object], n: int, log: Logbook) -> None:
    size = number(first.get("train_batch_size"))
    if size is not None and 0 < size < 1e9:
        log.fact(batch_size=int(size))
    if n > 1:
        log.note("the losses of single batches were left out; the epochs' means were read")
