"""Lines of an unknown text log that differ from a known one only in their numbers, told by one regex."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .axis_choice import EPOCH, STEP
from .endings import may_be_evidence
from .line_markers import is_whole
from .line_parser import MAX_LINE, ShapeBook
from .line_shapes import Shape
from .line_words import CLOCK, CLOCK_SIGN, NUMBER, STAMP
from .series_names import SPLITS, classify
from .text_tables import never_begins_table

MAX_TEMPLATES = 256
MAX_MISSES = 1000
LEAST_MISSES = 16
"""Lines with the same signs before a template is made of one: compiling takes as long as reading these."""

MAX_ALIKE = 4
_LONGEST = 64
"""No number that a template takes is longer."""

_NUMBER = (
    r"(?>[-+]?(?:[0-9]{1,25}(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,4})?|\.[0-9]{1,30}(?:[eE][-+]?[0-9]{1,4})?"
    r"|(?:nan|NaN|NAN|[iI]nf(?:inity)?|INF)(?!\w)))"
)
"""`NUMBER` without thousands separators, with bounds, and without going back once it has matched."""

_END = r"(?![0-9.]|[eE][-+]?[0-9])"
_WHOLE = rf"(?>[0-9]{{1,25}}{_END})"
_OTHER = rf"(?![0-9]+{_END}){_NUMBER}"
"""What `is_whole` takes of `_NUMBER`, and what it does not."""

_SIGNED = re.compile(r"(?:^|[^\w.@])[-+]\Z")
_COLON = re.compile(r"(?:^|\d):\Z")
_BEFORE_CLOCK = re.compile(r"(?:[^\w.,+-]|,\s).+|[\[(<|]", re.DOTALL)
_AFTER_CLOCK = re.compile(r"[^.,:Z+-].*|.{2,}", re.DOTALL)
_WITHOUT_NUMBERS = str.maketrans("", "", "0123456789.+-eE")


@dataclass(eq=False)
class Template:
    """What all lines mean that a regex matches.

    Attributes:
        match: takes a line; its groups are the numbers that count, as texts that `float` reads.
        shape: of the lines, None for lines that hold nothing.
        level: `step` or `epoch`, see `Reading`.
        epoch: group of the epoch, -1 without one.
        step: group of the step.
        total: group of the total.
        columns: name and group of each value.
    """

    match: Callable[[str], re.Match[str] | None]
    shape: Shape | None = None
    level: str = ""
    epoch: int = -1
    step: int = -1
    total: int = -1
    columns: tuple[tuple[str, int], ...] = ()

    @property
    def kind(self) -> tuple[object, ...]:
        """Templates with the same kind can be poured together."""
        shape = self.shape or Shape()
        found = (self.epoch >= 0, self.step >= 0, self.total >= 0)
        return (*found, shape.counts_batches, shape.counts_episodes)


class TemplateBook:
    """Templates by what is left of their lines without digits; learned from the lines that none fits."""

    def __init__(self, shapes: ShapeBook) -> None:
        self._shapes = shapes
        self._known: dict[str, list[Template]] = {}
        self._missed: dict[str, int] = {}
        self._n = 0

    def find(self, line: str) -> tuple[Template, re.Match[str]] | None:
        """The template of a line, if there is one already."""
        if len(line) > MAX_LINE:
            return None
        for template in self._known.get(line.translate(_WITHOUT_NUMBERS), ()):
            found = template.match(line)
            if found is not None:
                return template, found
        return None

    def learn(self, line: str) -> None:
        """Make a template of a line that none fits, once there were many like it."""
        if self._n >= MAX_TEMPLATES or len(line) > MAX_LINE:
            return
        key = line.translate(_WITHOUT_NUMBERS)
        if len(self._missed) >= MAX_MISSES:
            self._missed.clear()
        count = self._missed[key] = self._missed.get(key, 0) + 1
        alike = self._known.get(key, [])
        if count % LEAST_MISSES or len(alike) >= MAX_ALIKE or not self._shapes.knows(line):
            return
        template = template_of(line, self._shapes.shape(line)[0])
        if template is not None:
            self._known.setdefault(key, []).append(template)
            self._n += 1


def template_of(line: str, shape: Shape) -> Template | None:
    """The template of a line of that shape; None where other numbers could make something else of it."""
    if line.startswith(("Namespace(", "usage: ")) or "\r" in line or "\x1b" in line or "@[" in line:
        return None
    is_silent = not shape.pairs and not shape.is_heading and not may_be_evidence(line)
    if not is_silent and not _is_plain(shape):
        return None
    pieces = _pieces(line)
    if pieces is None or not never_begins_table(line, pieces.literals):
        return None
    if is_silent:
        return Template(re.compile(pieces.pattern(())).fullmatch)
    level = STEP if shape.step >= 0 else EPOCH
    columns = {
        pair.name.format(*(pieces.numbers[i] for i in pair.slots)) if pair.slots else pair.name: pair.average
        if level == EPOCH and pair.average >= 0
        else pair.value
        for pair in shape.pairs
    }
    wanted = sorted({shape.epoch, shape.step, shape.total, *columns.values()} - {-1})
    group = {index: at for at, index in enumerate(wanted)} | {-1: -1}
    fixed = {i for pair in shape.pairs for i in pair.slots}
    free = {pair.value for pair in shape.pairs if not pair.is_split}
    return Template(
        re.compile(pieces.pattern(wanted, fixed, free)).fullmatch,
        shape,
        level,
        group[shape.epoch],
        group[shape.step],
        group[shape.total],
        tuple((name, group[index]) for name, index in columns.items()),
    )


def _is_plain(shape: Shape) -> bool:
    """Whether what a line means depends on nothing before it but the epoch."""
    if not shape.pairs or not shape.is_marked:
        return False
    if shape.counts_batches and SPLITS.get(shape.section.lower()) in ("validation", "test"):
        return False
    if shape.is_bar and (
        shape.epoch < 0 or any(classify(p.name).split in ("validation", "test") for p in shape.pairs)
    ):
        return False
    return all(pair.divisor < 0 for pair in shape.pairs)


@dataclass(frozen=True)
class _Pieces:
    """A line without its stamp and its clocks, as `ShapeBook` sees it.

    Attributes:
        stamp: pattern of the stamp, "" without one.
        literals: what stands before, between and behind the numbers.
        numbers: their texts.
        clocks: for each literal, positions in it where a clock was, and their patterns.
    """

    stamp: str
    literals: Sequence[str]
    numbers: Sequence[str]
    clocks: Sequence[Sequence[tuple[int, str]]]

    def pattern(self, wanted: Sequence[int], fixed: Collection[int] = (), free: Collection[int] = ()) -> str:
        """A regex for such lines, with a group for each wanted number.

        The fixed numbers stay as here; those that are not free have a fraction where these have one.
        """
        out = [self.stamp]
        for index, (literal, clocks) in enumerate(zip(self.literals, self.clocks, strict=True)):
            done = 0
            for at, clock in clocks:
                out += [re.escape(literal[done:at]), clock]
                done = at
            out.append(re.escape(literal[done:]))
            if index < len(self.numbers):
                text = self.numbers[index]
                number = _NUMBER if index in free else _WHOLE if is_whole(text) else _OTHER
                number = re.escape(text) if index in fixed else number
                out.append(f"({number})" if index in wanted else number)
        return "".join(out)


def _pieces(line: str) -> _Pieces | None:
    """A line in pieces; None where its numbers, written otherwise, could merge with what is beside them."""
    found = STAMP.match(line) if ":" in line else None
    stamp = _digits_free(found[0]) if found else ""
    rest = line[found.end() :] if found else line
    clocks: list[tuple[int, str]] = []
    cut = 0
    for clock in CLOCK.finditer(rest) if CLOCK_SIGN.search(rest) else ():
        clocks.append((clock.start() - cut, _digits_free(clock[0])))
        cut += len(clock[0])
    joined = CLOCK.sub("", rest) if clocks else rest
    literals: list[str] = []
    where: list[list[tuple[int, str]]] = []
    start = 0
    for begin, end in [*(n.span() for n in NUMBER.finditer(joined)), (len(joined), len(joined) + 1)]:
        inside = [(at - start, text) for at, text in clocks if start <= at <= begin]
        literals.append(joined[start:begin])
        where.append(inside)
        if any(begin < at < end for at, _ in clocks) or not _parts_clocks(
            literals[-1], inside, start > 0, begin < len(joined)
        ):
            return None
        start = end
    if stamp and not literals[0]:
        return None
    if any(_merges(literal, index) for index, literal in enumerate(literals[:-1])):
        return None
    if sum(map(len, literals)) + _LONGEST * len(literals) + len(line) - len(joined) > MAX_LINE:
        return None
    return _Pieces(stamp, literals, NUMBER.findall(joined), where)


def _merges(literal: str, index: int) -> bool:
    """Whether a literal before a number could become part of it, or of a clock or a larger number with it."""
    is_signed = _SIGNED.search(literal) is not None and (index == 0 or len(literal) > 1)
    return is_signed or literal == "," or _COLON.search(literal) is not None


def _parts_clocks(literal: str, clocks: Sequence[tuple[int, str]], after: bool, before: bool) -> bool:
    """Whether enough of a literal stands between its clocks and the numbers around it."""
    if not clocks:
        return True
    first, last = literal[: clocks[0][0]], literal[clocks[-1][0] :]
    return (not after or _BEFORE_CLOCK.fullmatch(first) is not None) and (
        not before or _AFTER_CLOCK.fullmatch(last) is not None
    )


def _digits_free(text: str) -> str:
    return re.sub(r"\d", "[0-9]", re.escape(text))
