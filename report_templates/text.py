"""Pages as plain text for a terminal: no colour, no control characters, tables that line up."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Mapping

from traindoctor.finding import Diagnosis

from .language import _
from .page import build_page
from .page_findings import finding_cards
from .page_gate import standing_words
from .page_model import (
    Block,
    Bullets,
    Cell,
    Code,
    Facts,
    Figure,
    FindingCard,
    Headline,
    Page,
    Paragraph,
    Section,
    Table,
)

WIDTH = 100
_CELL = 40


def text_report(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    """The short report for a terminal: verdict, findings with what to do, checks, gate. UTF-8."""
    del methods
    page = build_page(diagnosis)
    head = page.headline
    order = {f"finding-{index + 1}": index for index in range(len(diagnosis.findings))}
    lines = [head.title, " · ".join(head.subtitle), "", *_wrapped(_verdict(head))]
    for card in finding_cards(diagnosis):
        lines += ["", *_card(card, diagnosis, order, "")]
    return _bytes([*lines, "", *_wrapped(head.checks)])


def text_page(page: Page) -> bytes:
    """A whole page as text, UTF-8; figures as their title and their lines of block characters."""
    head = page.headline
    lines = [head.title, " · ".join(head.subtitle), "", *_wrapped(_verdict(head))]
    lines += ["", head.checks]
    for section in page.sections:
        lines += ["", section.title, "─" * len(section.title), *_section(section)]
    return _bytes(lines)


def _verdict(head: Headline) -> str:
    return (
        head.verdict
        if head.verdict.startswith(head.state)
        else _("{state}: {verdict}", state=head.state, verdict=head.verdict)
    )


def _bytes(lines: list[str]) -> bytes:
    return ("\n".join(line.rstrip() for line in lines).strip("\n") + "\n").encode("utf-8")


def _card(card: FindingCard, diagnosis: Diagnosis, order: Mapping[str, int], indent: str) -> list[str]:
    words = standing_words(diagnosis.gate, order[card.anchor])
    head = _(
        "{severity}  {code} {name}  {span}, confidence {confidence}",
        severity=card.severity.upper(),
        code=card.code,
        name=card.name,
        span=card.span,
        confidence=card.confidence,
    )
    lines = [f"{head}  ({words})" if words else head, *_wrapped(_("{words}.", words=card.title), "  ")]
    lines += _wrapped(card.detail, "  ") if card.detail else []
    lines += _wrapped(_("Do: {action}", action=card.action), "  ") if card.action else []
    for symptom in card.symptoms:
        lines += _card(symptom, diagnosis, order, "  ")
    return [f"{indent}{line}" for line in lines]


def _section(section: Section) -> Iterator[str]:
    for index, block in enumerate(section.blocks):
        if index:
            yield ""
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield from _wrapped(block.text)
    elif isinstance(block, Table):
        yield block.caption
        yield from _table(block)
    elif isinstance(block, Facts):
        yield from (
            f"{fact.label}: {fact.value}" + (f" ({fact.note})" if fact.note else "") for fact in block.items
        )
    elif isinstance(block, Bullets):
        yield block.caption
        for item in block.items:
            yield from _wrapped(f"- {item}")
    elif isinstance(block, Code):
        yield block.caption
        yield from textwrap.indent(block.text, "    ").splitlines()
    elif isinstance(block, Figure):
        yield from _wrapped(_("{words}.", words=block.title))
        yield from _sparks(block)
    else:
        yield from _wrapped(_("{state}: {verdict}", state=block.severity, verdict=block.title))


def _sparks(figure: Figure) -> Iterator[str]:
    for panel in getattr(figure.drawing, "panels", ()):
        yield from (f"  {c.spark}  {panel.y_label}, {c.label}" for c in panel.curves if c.spark)


def _table(table: Table) -> Iterator[str]:
    header = [f"{column.title} ({column.unit})" if column.unit else column.title for column in table.columns]
    rows = [header, *([_cell(value) for value in row] for row in table.rows)]
    widths = [max(_width(row[index]) for row in rows) for index in range(len(header))]
    for row in rows:
        cells = [
            " " * (width - _width(text)) + text
            if column.align == "right"
            else text + " " * (width - _width(text))
            for text, width, column in zip(row, widths, table.columns, strict=True)
        ]
        yield "  ".join(cells).rstrip()
    if table.note:
        yield from _wrapped(table.note)


def _cell(value: Cell) -> str:
    text = value if isinstance(value, str) else value.text
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _width(text: str) -> int:
    """Columns a terminal gives to the text: two to a Chinese character."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me", "Cf") for character in text)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    ) or [indent]
