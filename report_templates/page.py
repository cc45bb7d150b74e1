"""From a Diagnosis to the Page: every word and every number of the report, once for all formats."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from traindoctor import names
from traindoctor.finding import Diagnosis
from traindoctor.run import Run, Series
from traindoctor.text import Text

from . import number_format as fmt
from .language import _, looked_up, number_of, tr
from .page_classification import accuracy_fact, classification_section
from .page_comparison import comparison_section
from .page_curves import curves_section, overview_figure
from .page_findings import finding_cards
from .page_gate import gate_sentence
from .page_metrics import headline_fact, metrics_section
from .page_model import (
    Block,
    Column,
    Fact,
    Facts,
    FindingCard,
    Headline,
    Page,
    Paragraph,
    Section,
    Table,
    Tone,
)
from .page_parameters import parameters_section
from .page_run import commit_text, covered, length_text, run_section
from .page_schedule import prescription_section, recognised_section
from .page_search import search_headline, search_section

_STATE_WORDS = {
    "healthy": Text("Healthy"),
    "findings": Text("Findings"),
    "not-assessable": Text("Not assessable"),
}
STATUS_WORDS = {
    "finished": Text("finished"),
    "failed": Text("ended with an error"),
    "killed": Text("was killed"),
    "running": Text("still running"),
    "damaged": Text("damaged log"),
    "unknown": Text("status unknown"),
}


def build_page(diagnosis: Diagnosis, methods: Mapping[str, str] | None = None) -> Page:
    """Lay out one diagnosis.

    Args:
        diagnosis: what was found.
        methods: code -> text of how the check decides, for the appendix; none are shown when it is None.
    """
    cards, run = finding_cards(diagnosis), diagnosis.run
    sections = (
        search_section(diagnosis.search),
        _findings_section(diagnosis, cards),
        prescription_section(diagnosis),
        recognised_section(diagnosis),
        comparison_section(diagnosis.comparison),
        curves_section(diagnosis),
        metrics_section(run),
        parameters_section(diagnosis.run),
        classification_section(diagnosis.metrics),
        run_section(diagnosis.run),
        _passed_section(diagnosis),
        _skipped_section(diagnosis),
        _methods_section(methods or {}),
    )
    kept = tuple(section for section in sections if section is not None)
    head = " · ".join(part for part in (_title(diagnosis.run), commit_text(diagnosis.run)) if part)
    return Page(_headline(diagnosis, cards), kept, fmt.name(head, 90))


def _title(run: Run) -> str:
    return fmt.name(run.name) or fmt.name(run.id) or _("Unnamed run")


def _headline(diagnosis: Diagnosis, cards: tuple[FindingCard, ...]) -> Headline:
    if diagnosis.search is not None:
        return search_headline(diagnosis, diagnosis.search, _checks_line(diagnosis))
    run, state = diagnosis.run, diagnosis.verdict.state
    tone: Tone = "good" if state == "healthy" else "neutral"
    if cards:
        tone = cards[0].tone
    verdict, top = fmt.prose(diagnosis.verdict.sentence), cards[0] if cards else None
    return Headline(
        title=_title(run),
        subtitle=_subtitle(run),
        tone=tone,
        state=tr(_STATE_WORDS.get(state, state)),
        verdict=verdict,
        top=top,
        top_title="" if top is None else (top.name if top.title in verdict else top.title),
        top_action="" if top is None or top.action in verdict else top.action,
        key_numbers=Facts(tuple(key_facts(diagnosis))[:6], is_key=True),
        checks=_checks_line(diagnosis),
        figure=overview_figure(diagnosis),
    )


def _subtitle(run: Run) -> tuple[str, ...]:
    info = run.info
    parts = [tr(STATUS_WORDS.get(info.status, info.status)), length_text(run)]
    if math.isfinite(info.epochs):
        shown = fmt.number(info.epochs)
        parts.append(number_of("{n} epoch", "{n} epochs", 1 if info.epochs == 1 else 2, n=shown))
    if math.isfinite(info.seconds):
        parts.append(fmt.duration(info.seconds))
    if info.optimizers:
        parts.append(fmt.name(info.optimizers[0].name, 40))
    if commit_text(run):
        parts.append(commit_text(run))
    return tuple(parts)


def _checks_line(diagnosis: Diagnosis) -> str:
    found = len({finding.code for finding in diagnosis.findings})
    passed, skipped = len(diagnosis.passed), len(diagnosis.skipped)
    line = _(
        "{checks} run · {passed} passed · {found} found · {skipped} could not run",
        checks=fmt.plural(found + passed, "check"),
        passed=fmt.count(passed),
        found=fmt.count(found),
        skipped=fmt.count(skipped),
    )
    gate = gate_sentence(diagnosis)
    return _("{line}. {gate}", line=line, gate=gate) if gate else line


def key_facts(diagnosis: Diagnosis) -> list[Fact]:
    """The numbers of page one, the most telling first."""
    run = diagnosis.run
    items = _validation_facts(run)
    train = _finite(run, names.LOSS_TRAIN)
    if train is not None:
        tail = train.values[-max(1, len(train) // 20) :]
        items.append(
            Fact(_("final training loss"), fmt.number(float(np.median(tail))), _("median of the last 5 %"))
        )
    accuracy = accuracy_fact(diagnosis.metrics) or _accuracy_fact(run) or headline_fact(run)
    if accuracy is not None:
        items.append(accuracy)
    peaks = [float(np.nanmax(s.values)) for s in run.learning_rates().values() if np.isfinite(s.values).any()]
    if peaks:
        items.append(Fact(_("peak learning rate"), fmt.number(max(peaks)), _schedule_note(diagnosis)))
    return items


def _validation_facts(run: Run) -> list[Fact]:
    series, unit = _finite(run, names.LOSS_VALIDATION), run.info.x_unit
    if series is None:
        return []
    best = int(np.argmin(series.values))
    lowest, final = float(series.values[best]), float(series.values[-1])
    facts = [
        Fact(
            _("best validation loss"),
            fmt.number(lowest),
            _("at {place}", place=fmt.place(unit, int(series.steps[best]))),
        )
    ]
    rise = (final - lowest) / abs(lowest) if lowest else math.nan
    note = _("{rise} above the best", rise=fmt.percent(rise, 2)) if rise > 0.005 else _("at its best")
    facts.append(Fact(_("final validation loss"), fmt.number(final), note if math.isfinite(rise) else ""))
    first, last = covered(run)
    share = (last - int(series.steps[best])) / max(last - first + 1, 1)
    if share > 0.1:
        seconds = run.info.seconds
        spent = fmt.duration(seconds * share) if math.isfinite(seconds) else _("of the run")
        facts.append(Fact(_("trained past best"), fmt.percent(share, 2), spent))
    return facts


def _accuracy_fact(run: Run) -> Fact | None:
    series = _finite(run, names.ACCURACY_VALIDATION)
    if series is None:
        return None
    return Fact(
        _("validation accuracy"),
        fmt.percent(float(series.values[-1])),
        _("at {place}", place=fmt.place(run.info.x_unit, int(series.steps[-1]))),
    )


def _schedule_note(diagnosis: Diagnosis) -> str:
    return (
        ""
        if diagnosis.schedule.family == "unknown"
        else _("{family} schedule", family=fmt.name(diagnosis.schedule.family, 40))
    )


def _finite(run: Run, name: str) -> Series | None:
    series = run.get(name)
    kept = series.finite() if series is not None else None
    return kept if kept is not None and len(kept) else None


def _findings_section(diagnosis: Diagnosis, cards: tuple[FindingCard, ...]) -> Section:
    nothing = Paragraph(_("No check could run."))
    if diagnosis.passed:
        nothing = Paragraph(
            _("No check found a trouble."), "good" if diagnosis.verdict.state == "healthy" else "neutral"
        )
    blocks: tuple[Block, ...] = cards or (nothing,)
    return Section("findings", _("Findings"), blocks, importance=0)


def _passed_section(diagnosis: Diagnosis) -> Section | None:
    if not diagnosis.passed:
        return None
    rows = tuple((fmt.name(code, 12), fmt.name(name, 60)) for code, name in diagnosis.passed.items())
    table = Table(
        _("Checks that ran and found nothing"), (Column(_("code")), Column(_("check"))), rows, is_folded=True
    )
    return Section("passed", _("Checks that passed"), (table,), importance=4)


def _skipped_section(diagnosis: Diagnosis) -> Section | None:
    if not diagnosis.skipped:
        return None
    rows = tuple(
        (fmt.name(s.code, 12), fmt.name(s.name, 60), fmt.prose(s.why, 400)) for s in diagnosis.skipped
    )
    table = Table(
        _("Checks that could not run"), (Column(_("code")), Column(_("check")), Column(_("why"))), rows
    )
    return Section("skipped", _("Checks that could not run"), (table,), importance=2)


def _methods_section(methods: Mapping[str, str]) -> Section | None:
    if not methods:
        return None
    rows = tuple((fmt.name(code, 12), fmt.prose(looked_up(text))) for code, text in methods.items())
    table = Table(_("How each check decides"), (Column(_("code")), Column(_("method"))), rows, is_folded=True)
    return Section("methods", _("Appendix: methods"), (table,), importance=5)
