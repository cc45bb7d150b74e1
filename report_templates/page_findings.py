"""Findings as cards: root causes with the symptoms they explain folded beneath."""

from __future__ import annotations

from traindoctor.finding import Diagnosis, Finding, Severity
from traindoctor.run import Run
from traindoctor.text import SENTENCE_END, Text

from . import number_format as fmt
from .language import _, evidence_name, tr
from .page_evidence import evidence_figure, evidence_value
from .page_model import Cell, Code, Column, FindingCard, Table, Tone

SEVERITY_WORDS: dict[Severity, str] = {
    Severity.CRITICAL: Text("Critical"),
    Severity.WARNING: Text("Warning"),
    Severity.INFO: Text("Note"),
}
_TONES: dict[Severity, Tone] = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}
_MAX_PARAMETERS = 8
_MAX_PLOTS = 12
"""Of a page: a run with more findings than that is told by the first of them."""


def finding_cards(diagnosis: Diagnosis) -> tuple[FindingCard, ...]:
    """One card per root cause, in the given order; each symptom stands beneath the first cause naming it."""
    findings = list(diagnosis.findings)
    cause_of: dict[int, int] = {}
    for index, finding in enumerate(findings):
        for other, symptom in enumerate(findings):
            is_free = other not in cause_of and other != index and not _leads_to(cause_of, index, other)
            if symptom.code in finding.explains and symptom.code != finding.code and is_free:
                cause_of[other] = index
    children: dict[int, list[int]] = {}
    for symptom_index, cause_index in cause_of.items():
        children.setdefault(cause_index, []).append(symptom_index)

    def card(index: int) -> FindingCard:
        symptoms = tuple(card(child) for child in sorted(children.get(index, [])))
        return _card(findings[index], index, symptoms, index in cause_of, diagnosis.run)

    return tuple(card(index) for index in range(len(findings)) if index not in cause_of)


def _leads_to(cause_of: dict[int, int], start: int, target: int) -> bool:
    """True when `target` is among the causes of `start`: folding it beneath would make a circle."""
    while start in cause_of:
        start = cause_of[start]
        if start == target:
            return True
    return False


def _card(
    finding: Finding, index: int, symptoms: tuple[FindingCard, ...], is_symptom: bool, run: Run
) -> FindingCard:
    unit, anchor = run.info.x_unit, f"finding-{index + 1}"
    title, detail = split_message(finding.message)
    shown = tuple(fmt.name(parameter) for parameter in finding.parameters[:_MAX_PARAMETERS])
    left_out = len(finding.parameters) - _MAX_PARAMETERS
    # A symptom goes with its cause; its own remedy beside the cause's would be a second, other advice.
    code = "" if is_symptom else fmt.code(finding.remedy.code)
    advice = _("Deal with the cause first. If this remains: {text}", text=finding.remedy.text)
    return FindingCard(
        anchor=anchor,
        code=fmt.name(finding.code, 12),
        name=fmt.name(finding.name, 60),
        tone=_TONES[finding.severity],
        severity=tr(SEVERITY_WORDS[finding.severity]),
        title=title,
        detail=detail,
        confidence=fmt.percent(finding.confidence, 2),
        span=fmt.span(unit, finding.first_step, finding.last_step),
        parameters=(*shown, _("and {left_out} more", left_out=fmt.count(left_out)))
        if left_out > 0
        else shown,
        evidence=_evidence(finding, unit),
        action=fmt.prose(advice if is_symptom else finding.remedy.text),
        remedy=Code(_("Remedy"), code) if code.strip() else None,
        symptoms=symptoms,
        figure=evidence_figure(run, finding, anchor, title) if index < _MAX_PLOTS else None,
    )


def _evidence(finding: Finding, unit: str) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (fmt.name(evidence_name(name)), evidence_value(unit, name, value, finding.units[name]))
        for name, value in finding.evidence.items()
    )
    return Table(_("Evidence"), (Column(_("what")), Column(_("value"), align="right")), rows)


def split_message(message: str) -> tuple[str, str]:
    """The conclusion (first sentence, without its full stop) and the rest.

    >>> split_message("Loss rises by 0.3 after step 7. It had been falling.")
    ('Loss rises by 0.3 after step 7', 'It had been falling.')
    """
    text = fmt.prose(message)
    parts = SENTENCE_END.split(text, maxsplit=1)
    head = parts[0].rstrip(".。") or _("No message")
    return head, parts[1] if len(parts) > 1 else ""
