"""Tables in text: which delimiter, which header, and the rows as name -> cell, streamed."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .logbook import Logbook
from .numbers import number
from .source import Source

DELIMITERS = (",", "\t", ";", "|")
BLANKS = " "
"""Runs of blanks between the cells."""

HEAD_ROWS = 30
MAX_QUOTED_LINES = 64
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_ONE_DIGIT_EXPONENT = re.compile(r"[eE][-+]?\d$")


@dataclass(frozen=True)
class Layout:
    """How a table is written.

    Attributes:
        delimiter: `,`, tab, `;`, `|`, or a blank for any run of blanks.
        header: column names, stripped and made unique; `Unnamed: 0` for a column without a name, and
            `column 1`, `column 2`, ... where the table has no header.
        has_header: whether the first row holds the names.
        decimal_comma: whether numbers are written `0,25`.
        width: cells per row in the head, most often; differs from the header's length in a damaged table.
    """

    delimiter: str
    header: tuple[str, ...]
    has_header: bool = True
    decimal_comma: bool = False
    width: int = 0


def layout_of(text: str) -> Layout | None:
    """The layout of a table from its first lines; None when they are no table. Never raises.

    One column of numbers, with or without a name above it, is a table too.
    """
    lines = [line for _, line in zip(range(4 * HEAD_ROWS), _content(text), strict=False)][: HEAD_ROWS + 1]
    if not lines:
        return None
    delimiter = max((*DELIMITERS, BLANKS), key=lambda mark: _fitness(lines, mark))
    if _fitness(lines, delimiter)[0] > 0:
        return _described(delimiter, [cells_of(line, delimiter) for line in lines])
    if len(lines) < 2 or not all(_is_number(line) for line in lines[1:]):
        return None
    return _described(",", [[line.strip()] for line in lines])


def rows(source: Source, log: Logbook, layout: Layout) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and the filled cells of every row, by column name.

    A header in the middle of the file starts another run (`log.new_run()`). Rows with more cells than names,
    rows of text and a cut last row are left out with a note; short rows keep what they have.
    """
    reader = TableReader(source, log, layout)
    yield from reader.rows(logical_lines(source), is_end=True)
    for sentence in source.damage:
        log.note(sentence)


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of one line, quotes removed.

    Raises:
        csv.Error: the quoting is damaged.
    """
    if delimiter == BLANKS:
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), None) or [""]


def named(cells: Sequence[str]) -> tuple[str, ...]:
    """Column names out of header cells: stripped, unnamed ones numbered, repeated ones told apart.

    Example:
        >>> named(["", " loss", "loss "])
        ('Unnamed: 0', 'loss', 'loss.1')
    """
    names: list[str] = []
    seen: dict[str, int] = {}
    for index, cell in enumerate(cells):
        name = cell.strip().strip("\ufeff") or f"Unnamed: {index}"
        again = seen.get(name, 0)
        seen[name] = again + 1
        names.append(f"{name}.{again}" if again else name)
    return tuple(names)


class TableReader:
    """Turns cells into named cells, with the state that takes: the header in force, whether it was seen."""

    def __init__(self, source: Source, log: Logbook, layout: Layout) -> None:
        self.source, self.log, self.layout = source, log, layout
        self.header_is_due = layout.has_header
        self.recent: deque[str] = deque(maxlen=32)

    @property
    def width(self) -> int:
        """Names in the header in force."""
        return len(self.layout.header)

    def rows(self, lines: Iterable[tuple[int, str]], *, is_end: bool) -> Iterator[tuple[int, dict[str, str]]]:
        """The rows of some lines; those at the end of the file may be cut."""
        held: tuple[int, list[str]] | None = None
        for line, text in lines:
            if held is not None:
                yield from self.row(*held)
            try:
                held = (line, cells_of(text, self.layout.delimiter))
            except csv.Error:
                self.log.note("rows with damaged quoting were left out", line=line)
                held = None
        if held is not None:
            yield from self.last_row(*held) if is_end else self.row(*held)

    def row(self, line: int, cells: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
        """One row, none where the cells are a header or no row."""
        layout, width = self.layout, self.width
        if cells[0].startswith("#") and not _header_behind_mark(cells, layout):
            return
        if self.header_is_due:
            self.header_is_due = False
            return
        if layout.decimal_comma:
            cells = [_point(cell.strip()) for cell in cells]
        if not any(map(_is_number, cells)):
            self._words(line, cells)
            return
        if len(cells) != width and not self._fits(line, cells):
            return
        found = {
            name: stripped
            for name, cell in zip(layout.header, cells, strict=False)
            if (stripped := cell.strip())
        }
        self.recent.append(cells[-1])
        yield line, found

    def _fits(self, line: int, cells: list[str]) -> bool:
        if len(cells) < self.width:
            self.log.note("rows with fewer cells than the header: what they have was taken", line=line)
        elif any(cell.strip() for cell in cells[self.width :]):
            self.log.note(
                f"rows with more cells than the {self.width} names of the header were left out: "
                "which cell belongs to which name cannot be told",
                line=line,
            )
            return False
        return True

    def _words(self, line: int, cells: list[str]) -> None:
        """Cells without a number: a header again, or a line of text."""
        if _is_header(cells, self.layout):
            self._header_again(line, cells)
        elif any(cell.strip() for cell in cells):
            self.log.note("lines of text between the rows were left out", line=line)

    def last_row(self, line: int, cells: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
        """The last row; what a cut may have shortened is left out."""
        if not self.header_is_due and self.source.is_cut():
            full = len(cells) >= len(self.layout.header)
            if not full and len(cells) < self.layout.width:
                self.log.note("the last row is cut and was left out", line=line)
                return
            if _may_be_cut(cells[-1].strip(), [cell.strip() for cell in self.recent]):
                self.log.note("the last cell of the file may be cut and was left out", line=line)
                cells = [*cells[:-1], ""]
        yield from self.row(line, cells)

    def _header_again(self, line: int, cells: list[str]) -> None:
        self.layout = replace(self.layout, header=named(_without_mark(cells)))
        if self.log.n_rows > self.log.chapters[-1].first_row:
            self.log.note("a header in the middle of the file: another run begins there", line=line)
            self.log.new_run()


def _content(text: str) -> Iterator[str]:
    """The lines of a head that hold a header or a row."""
    waiting = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    for index, line in enumerate(waiting):
        if line.startswith("#"):
            after = waiting[index + 1] if index + 1 < len(waiting) else ""
            bare = line.lstrip("# ")
            if bare.startswith("{") or _n_cells(bare) != _n_cells(after) or not after:
                continue
            line = bare
        yield line


def _n_cells(line: str) -> tuple[int, ...]:
    return (*(line.count(mark) for mark in DELIMITERS), len(line.split()))


def _fitness(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """How well a delimiter fits: the share of lines with the commonest number of cells, and that number."""
    try:
        widths = [len(cells_of(line, delimiter)) for line in lines]
        rows = [cells_of(line, delimiter) for line in lines[1:6] or lines]
    except csv.Error:
        return (0.0, 0)
    width = max(set(widths), key=widths.count)
    filled = [cell for row in rows for cell in row if cell.strip()]
    numeric = sum(_is_number(cell) or bool(_DECIMAL_COMMA.fullmatch(cell.strip())) for cell in filled)
    if width < 2 or not numeric or (delimiter == BLANKS and 2 * numeric < len(filled)):
        return (0.0, 0)
    share = sum(w == width for w in widths) / len(widths) * (0.5 + 0.5 * numeric / max(1, len(filled)))
    # Blanks also part the words of a name and the padding behind another delimiter.
    return (share if delimiter != BLANKS else 0.5 * share, width)


def _described(delimiter: str, rows: list[list[str]]) -> Layout:
    first, others = rows[0], rows[1:]
    has_header = not any(_is_number(cell) for cell in first) or _names_count(first) > _number_count(first)
    widths = [len(row) for row in (others or rows)]
    width = max(set(widths), key=lambda w: (widths.count(w), w))
    if has_header:
        header = list(_without_mark(first))
        while len(header) > 1 and not header[-1].strip() and not _filled(others, len(header) - 1):
            header.pop()
    else:
        header = [f"column {index + 1}" for index in range(width)]
    cells = [cell.strip() for row in others for cell in row if cell.strip()]
    commas = delimiter != "," and sum(bool(_DECIMAL_COMMA.fullmatch(cell)) for cell in cells) > 0
    return Layout(delimiter, named(header), has_header, commas, width)


def _filled(rows: list[list[str]], index: int) -> bool:
    return any(len(row) > index and row[index].strip() for row in rows)


def _is_header(cells: list[str], layout: Layout) -> bool:
    """Whether a row in the middle is a header: the same names again, or names of which most are known."""
    if not layout.has_header:
        return False
    names = [name for cell in _without_mark(cells) if (name := cell.strip())]
    known = set(layout.header).intersection(names)
    return bool(known) and 2 * len(known) > len(names) and not any(_is_number(name) for name in names)


def _header_behind_mark(cells: list[str], layout: Layout) -> bool:
    return named(_without_mark(cells))[: len(layout.header)] == layout.header


def _without_mark(cells: Sequence[str]) -> list[str]:
    first = (
        cells[0].lstrip("# ") if cells and cells[0].lstrip().startswith("#") else cells[0] if cells else ""
    )
    rest = list(cells[1:])
    return rest if not first and rest and cells[0].strip() == "#" else [first, *rest]


def logical_lines(source: Source) -> Iterator[tuple[int, str]]:
    """Lines, joined where a quoted cell goes over several."""
    open_line, waiting = 0, list[str]()
    for line, text in source.lines():
        opens = '"' in text and text.count('"') % 2 == 1
        if not waiting and not opens:
            if not text.isspace():
                yield line, text
            continue
        open_line = open_line if waiting else line
        waiting.append(text)
        if len(waiting) > 1 and opens:
            yield open_line, "\n".join(waiting)
            waiting = []
        elif len(waiting) > MAX_QUOTED_LINES:
            yield from ((open_line + index, part) for index, part in enumerate(waiting))
            waiting = []
    yield from ((open_line + index, part) for index, part in enumerate(waiting))


def _may_be_cut(cell: str, earlier: Sequence[str]) -> bool:
    """Whether the last cell of a file without a last line end looks shorter than those above it."""
    if number(cell) is None or not earlier:
        return bool(cell) and number(cell) is None
    others = [text for text in earlier if text]
    if not others or _ONE_DIGIT_EXPONENT.search(cell):
        return bool(others) and not any(_ONE_DIGIT_EXPONENT.search(text) for text in others)
    lost_exponent = any("e" in text.lower() for text in others) and "e" not in cell.lower()
    return len(cell) < min(len(text) for text in others) or (lost_exponent and len(cell) >= 10)


def _point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _is_number(cell: str) -> bool:
    return number(cell) is not None


def _number_count(cells: Sequence[str]) -> int:
    return sum(_is_number(cell) for cell in cells)


def _names_count(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) and not _is_number(cell) for cell in cells)
