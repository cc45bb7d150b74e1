"""What a page is made of: sections, text, tables, figures as plain data, the same for every format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from traindoctor.run import Floats

from .chart_model import Drawing

Tone = Literal["critical", "warning", "info", "good", "neutral"]
"""How a statement is meant; shown in words as well as in colour."""


@dataclass(frozen=True)
class Spark:
    """A tiny curve inside a table cell.

    Attributes:
        points: shape (n,), scaled to 0..1; NaN where nothing was recorded.
        text: the same curve as one line of block characters.
    """

    points: Floats
    text: str


Cell = str | Spark


@dataclass(frozen=True)
class Column:
    """One column of a table; `unit` is shown beside the title."""

    title: str
    unit: str = ""
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True)
class Table:
    """Rows of cells that are already formatted.

    Attributes:
        caption: what the table shows.
        columns: one per cell of a row.
        rows: each as long as `columns`.
        note: what was left out, "" if nothing.
        is_folded: shown behind its caption, to be opened by the reader.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class Figure:
    """One picture.

    Attributes:
        id: unique on the page, a safe identifier of ours.
        title: the message as a sentence, read out by screen readers.
        caption: how to read it.
        drawing: what is drawn.
        table: the same data in figures, None where a table stands beside the figure already.
        mode: what the drawing shows of its data, in a few words; "" where there is one way only.
        further: the same data in other modes, among which a reader of the screen switches.
    """

    kind: ClassVar[str] = "figure"
    id: str
    title: str
    caption: str
    drawing: Drawing
    table: Table | None = None
    mode: str = ""
    further: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Code:
    """Text to be pasted."""

    kind: ClassVar[str] = "code"
    caption: str
    text: str
    language: str = "python"


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of prose."""

    kind: ClassVar[str] = "paragraph"
    text: str
    tone: Tone = "neutral"


@dataclass(frozen=True)
class Fact:
    """One labelled value; `note` says where or against what."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """A short list of labelled values; `is_key` shows them large."""

    kind: ClassVar[str] = "facts"
    items: tuple[Fact, ...]
    is_key: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    caption: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class FindingCard:
    """One finding, ready to be shown.

    Attributes:
        anchor: id on the page.
        code: e.g. `TD401`.
        name: e.g. `overfitting`.
        tone: severity as a tone.
        severity: severity in words.
        title: the conclusion.
        detail: the rest of the message, "" if the conclusion is all.
        confidence: e.g. `92 %`.
        span: e.g. `steps 45,000 to 99,999`.
        parameters: names concerned, worst first.
        evidence: what the conclusion rests on.
        figure: the same in a plot, zoomed on the steps at issue; None where it is no curve.
        action: what to do.
        remedy: paste-ready code, None if there is none.
        symptoms: findings that this one explains.
    """

    kind: ClassVar[str] = "finding"
    anchor: str
    code: str
    name: str
    tone: Tone
    severity: str
    title: str
    detail: str
    confidence: str
    span: str
    parameters: tuple[str, ...]
    evidence: Table
    action: str
    remedy: Code | None
    symptoms: tuple[FindingCard, ...] = ()
    figure: Figure | None = None


Block = Table | Figure | Code | Paragraph | Facts | Bullets | FindingCard


@dataclass(frozen=True)
class Section:
    """One section; `importance` 0 is never dropped where space is short, larger goes first."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    importance: int = 1


@dataclass(frozen=True)
class Headline:
    """Page one.

    Attributes:
        title: name of the run.
        subtitle: status, length, commit in one line.
        tone: of the verdict.
        state: the verdict in one or two words.
        verdict: the verdict sentence.
        top: the most important finding, None when there is none.
        top_title: its conclusion, or its name where the verdict says the conclusion already.
        top_action: what to do, "" where the verdict says it already.
        key_numbers: at most six.
        checks: e.g. `31 checks run · 26 passed · 3 found · 2 could not run`.
        figure: the annotated overview, None without data.
    """

    title: str
    subtitle: tuple[str, ...]
    tone: Tone
    state: str
    verdict: str
    top: FindingCard | None
    top_title: str
    top_action: str
    key_numbers: Facts
    checks: str
    figure: Figure | None


@dataclass(frozen=True)
class Page:
    """The whole report.

    Attributes:
        headline: page one.
        sections: in reading order.
        running_head: run and commit, for the head of every printed page.
        figures: every figure, in reading order.
    """

    headline: Headline
    sections: tuple[Section, ...]
    running_head: str = ""
    figures: tuple[Figure, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = [self.headline.figure] if self.headline.figure else []
        for block in (block for section in self.sections for block in section.blocks):
            found += [block] if isinstance(block, Figure) else []
            found += _evidence_figures(block) if isinstance(block, FindingCard) else []
        object.__setattr__(self, "figures", tuple(found))

    @property
    def screen_figures(self) -> tuple[Figure, ...]:
        """The figures in every mode; paper shows the first one of each."""
        return tuple(one for figure in self.figures for one in (figure, *figure.further))


def _evidence_figures(card: FindingCard) -> list[Figure]:
    """The plots of a finding and of those it explains."""
    own = [card.figure] if card.figure else []
    return own + [figure for symptom in card.symptoms for figure in _evidence_figures(symptom)]
