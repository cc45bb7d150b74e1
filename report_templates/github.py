"""The diagnosis as GitHub workflow commands: annotations on its page and in the pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from traindoctor.finding import Diagnosis, Finding, Severity
from traindoctor.gating import judge

from . import number_format as fmt
from .language import _
from .page_findings import split_message
from .page_gate import gate_sentence, judged, standing_words

MAX_PER_LEVEL = 10
"""GitHub shows ten annotations of each level of a step and drops the rest."""
_MESSAGE_LIMIT = 1000

Level = Literal["error", "warning", "notice"]
_LEVELS: Mapping[Severity, Level] = {
    Severity.CRITICAL: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "notice",
}


def github_report(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    """One command per finding, UTF-8, to be printed by a workflow's step; at most ten of each level.

    What fails the gate is an error; a finding that the base run has too is a notice.
    """
    del methods
    gate = diagnosis.gate or judge(diagnosis)
    by_level: dict[Level, list[str]] = {"error": [], "warning": [], "notice": []}
    for index, (finding, standing) in enumerate(judged(diagnosis, gate)):
        level = _LEVELS[finding.severity]
        if standing.is_failing:
            level = "error"
        elif not standing.is_new:
            level = "notice"
        words = standing_words(diagnosis.gate, index)
        by_level[level].append(_annotation(level, finding, words, diagnosis.run.info.x_unit))
    lines = [line for level, found in by_level.items() for line in _cut(level, found)]
    if not lines:
        sentence = gate_sentence(diagnosis) or diagnosis.verdict.sentence
        lines = [command("notice", "traindoctor", fmt.prose(sentence))]
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def command(level: Level, title: str, message: str) -> str:
    """A workflow command in which no foreign text can start another one.

    >>> command("error", "TD1: a,b", "50 % lost\\n::stop-commands::x")
    '::error title=TD1%3A a%2Cb::50 %25 lost%0A::stop-commands::x'
    """
    data = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    value = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{level} title={value.replace(':', '%3A').replace(',', '%2C')}::{data}"


def _annotation(level: Level, finding: Finding, words: str, unit: str) -> str:
    title, detail = split_message(finding.message)
    where = fmt.span(unit, finding.first_step, finding.last_step)
    parts = [
        _("{words}.", words=title),
        detail,
        fmt.prose(_("Do: {text}", text=finding.remedy.text) if finding.remedy.text else ""),
    ]
    text = fmt.prose(" ".join(part for part in parts if part), _MESSAGE_LIMIT)
    return command(level, fmt.name(f"{finding.code} {finding.name} ({words or where})", 200), text)


def _cut(level: Level, lines: list[str]) -> list[str]:
    """At most ten; the tenth tells how many there are beside."""
    if len(lines) <= MAX_PER_LEVEL:
        return lines
    rest = len(lines) - MAX_PER_LEVEL + 1
    return [
        *lines[: MAX_PER_LEVEL - 1],
        command(level, "traindoctor", _("and {rest} more; see the report", rest=rest)),
    ]
