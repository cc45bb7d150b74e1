"""The report as GitHub-flavoured Markdown that fits a comment, and in which no foreign name can act."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from traindoctor.finding import Diagnosis

from .language import WORDS
from .page import build_page
from .page_model import Code, Page, Section

LIMIT = 65_000
"""Characters; a GitHub comment takes 65 536."""
_PACKAGE = __package__ or "traindoctor.report_templates"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$])")
_ACTING = (
    (re.compile(r"@"), "@&#8203;"),
    (re.compile(r"\\#(?=\d)"), r"\\#&#8203;"),
    (re.compile(r"\bGH-(?=\d)", re.IGNORECASE), "GH&#8203;-"),
    (re.compile(r"://"), ":&#8203;//"),
    (re.compile(r"\bwww\.", re.IGNORECASE), "www&#8203;."),
    (re.compile(r"^(\d+)([.)])(?=\s|$)"), r"\1\\\2"),
    (re.compile(r"^([-=])(?=[-=\s]|$)"), r"\\\1"),
)
"""A zero-width space after what would mention, link or refer; escapes for what would start a list."""


class Raw(str):
    """Markdown of ours, not to be escaped."""


def markdown_report(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    """The Markdown report, UTF-8, at most 65 000 characters.

    Where it would be longer, whole sections go (the least important first), then the evidence and the code of
    the findings, then everything but page one. What was left out is named at the end.
    """
    return markdown_page(build_page(diagnosis, methods))


def markdown_page(page: Page) -> bytes:
    """Any page as Markdown that fits."""
    kept = list(page.sections)
    while True:
        text = _text(page, kept, is_brief=False)
        droppable = [section for section in kept if section.importance > 0]
        if len(text) <= LIMIT or not droppable:
            break
        kept.remove(max(droppable, key=lambda section: (section.importance, kept.index(section))))
    if len(text) > LIMIT:
        text = _text(page, kept, is_brief=True)
    if len(text) > LIMIT:
        text = _text(page, [], is_brief=True)
    return text.encode("utf-8")


def _text(page: Page, kept: list[Section], *, is_brief: bool) -> str:
    left_out = [section.title for section in page.sections if section not in kept]
    template = markdown_environment().get_template("report.md.j2")
    text = template.render(page=page, sections=kept, left_out=left_out, is_brief=is_brief)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def escape_markdown(text: str) -> str:
    """Text that shows as itself in GitHub-flavoured Markdown: no markup, HTML, mention, link or reference.

    >>> escape_markdown("fc_1 | <b> @everyone")
    'fc\\\\_1 \\\\| &lt;b&gt; @&#8203;everyone'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _SPECIAL.sub(r"\\\1", text)
    for pattern, replacement in _ACTING:
        text = pattern.sub(replacement, text)
    return text


def summary_text(text: str) -> Raw:
    """Text inside a `<summary>` line, where Markdown's backslashes would show."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Raw(text.replace("@", "@&#8203;").replace("://", ":&#8203;//"))


def fenced(code: Code) -> Raw:
    """A code block with a fence longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", code.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Raw(f"{fence}{code.language}\n{code.text}\n{fence}")


def code_span(text: str) -> Raw:
    """One of our own identifiers (a check's code, a sparkline) as a code span."""
    return Raw(f"`{text.replace('`', '')}`")


def _shown(value: Any) -> str:
    return value if isinstance(value, Raw) else escape_markdown(str(value))


def markdown_environment() -> Environment:
    """Templates in which every value is escaped for Markdown (not for HTML) unless it is `Raw`."""
    found = Environment(
        loader=PackageLoader(_PACKAGE, "."),
        autoescape=False,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["fenced"] = fenced
    found.globals.update(WORDS)
    found.filters["raw"] = Raw
    found.filters["summary_text"] = summary_text
    found.filters["code_span"] = code_span
    return found
