"""flair `loss.tsv`: one row per epoch; old versions wrote more fields than names."""

from __future__ import annotations

from traindoctor.errors import UnreadableLogError

from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number, numbers_of
from ..intake.source import Source
from ..intake.tables import named

EPOCH, TRAIN_LOSS = "EPOCH", "TRAIN_LOSS"
_HIDDEN = (EPOCH, "TIMESTAMP")


class FlairTsv:
    """The table of flair's `ModelTrainer`."""

    slug = "flair"
    name = "flair loss.tsv"

    def recognises(self, source: Source) -> float:
        """By a header that begins with `EPOCH` and `TIMESTAMP`."""
        names = _header(source)
        return CERTAIN if EPOCH in names and TRAIN_LOSS in names and "TIMESTAMP" in names else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is `EPOCH`, 1-based. Fields behind the train loss are left out where their names do not fit."""
        log.x_unit = "epochs"
        header: tuple[str, ...] = ()
        held: tuple[int, list[str]] | None = None
        for line, text in source.lines():
            cells = [cell.strip() for cell in text.rstrip("\t ").split("\t")]
            if cells[0] == EPOCH:
                header = named(cells)
                continue
            if held is not None:
                _row(*held, header, log)
            held = (line, cells)
        if held is not None:
            if source.is_cut() and len(held[1]) < len(header):
                log.note("the last row is cut and was left out", line=held[0])
            else:
                _row(*held, header, log)
        if not header:
            raise UnreadableLogError(f"expected a header that begins with EPOCH in {source.name}, found none")
        log.declare("BAD_EPOCHS", Meaning(unit="epochs", note="epochs without a better score so far"))


def _header(source: Source) -> tuple[str, ...]:
    first = source.head_text().lstrip().split("\n", 1)[0]
    return tuple(cell.strip() for cell in first.split("\t"))


def _row(line: int, cells: list[str], header: tuple[str, ...], log: Logbook) -> None:
    names = header
    if len(cells) > len(header):
        known = header.index(TRAIN_LOSS) + 1 if TRAIN_LOSS in header else 1
        names = header[:known]
        log.note(
            f"rows have {len(cells)} fields under {len(header)} names: which is which behind {TRAIN_LOSS} "
            "is not known, so only what stands before was read",
            line=line,
        )
    row = dict(zip(names, cells, strict=False))
    epoch = number(row.get(EPOCH))
    if epoch is None:
        log.note("lines that are no row were left out", line=line)
        return
    log.row(epoch, numbers_of({name: cell for name, cell in row.items() if name not in _HIDDEN}))
