"""bearpaw and PytorchInsight `log.txt`: tab separated, `Learning Rate`, `Train Loss`, `Valid Loss`, ..."""

from __future__ import annotations

from traindoctor.errors import UnreadableLogError

from ..intake.axes import plain_name, position
from ..intake.counted_rows import head_layout
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook
from ..intake.numbers import numbers_of
from ..intake.source import Source
from ..intake.tables import rows


class Bearpaw:
    """The table of bearpaw's `Logger` class, which many repositories copied: one row per epoch."""

    slug = "bearpaw"
    name = "bearpaw log.txt"

    def recognises(self, source: Source) -> float:
        """By `Learning Rate` beside `Train Loss` or `Train Acc.`, separated by tabs."""
        layout = head_layout(source, "\t")
        if layout is None:
            return 0.0
        found = {plain_name(name) for name in layout.header}
        measured = found & {"train_loss", "train_acc", "valid_loss", "valid_acc", "test_loss", "test_acc"}
        rated = found & {"learning_rate", "lr"} and "timestamp" not in found
        return CERTAIN if rated and len(measured) > 1 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is the epoch: the column of that name, else the number of the row, 0-based."""
        layout = head_layout(source, "\t")
        if layout is None:
            raise UnreadableLogError(
                f"expected a table separated by tabs in {source.name}, found something else"
            )
        log.x_unit = "epochs"
        counter = next((name for name in layout.header if plain_name(name) in ("epoch", "epochs")), "")
        if not counter:
            log.note("the file counts nothing: x is the number of the row, one per epoch")
        log.note("the learning rate is what the script wrote down, which need not be what the optimizer used")
        row_number = 0.0
        for _, row in rows(source, log, layout):
            x = position(row.get(counter)) if counter else row_number
            row_number += 1
            if x is not None:
                log.row(x, numbers_of({name: cell for name, cell in row.items() if name != counter}))
