"""The schedule in use and the schedule to use next."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from traindoctor.finding import Diagnosis, Prescription, Schedule
from traindoctor.json_values import jsonable
from traindoctor.prescription import ACTION_WORDS, CHANGES_NOTHING, NOT_PROVEN
from traindoctor.text import Text

from . import number_format as fmt
from .language import _, evidence_name, tr
from .page_curves import schedule_figure
from .page_model import Block, Cell, Code, Column, Fact, Facts, Paragraph, Section, Table, Tone
from .page_proof import proof_blocks, sweep_blocks
from .stored_sentences import told_again

_BASIS_WORDS = {
    "log": Text("this run's log alone: a hint, to be verified"),
    "sweep": Text("short runs at several learning rates"),
    "verified": Text("a paired run with the prescribed schedule"),
}
_CHECKS = {
    "log": (
        Text(
            "Train once more with this schedule, same seed and data order, and compare the final "
            "validation loss. Adopt it when it is lower by more than 1 %."
        )
    ),
    "sweep": (
        Text(
            "Train once at full length with the same seed and data order; adopt it when the loss "
            "is lower by more than 1 %."
        )
    ),
    "verified": Text("Repeat with other seeds to see how much of the gain is chance."),
}


def prescription_section(diagnosis: Diagnosis) -> Section:
    """What to use next: action, basis, reasons, code, and how to check it."""
    prescription = diagnosis.prescription
    blocks: list[Block] = [Paragraph(_sentence(prescription), _tone(prescription))]
    figure = schedule_figure(diagnosis)
    if figure is not None:
        blocks.append(figure)
    blocks.append(_prescription_facts(prescription))
    if prescription.code.strip():
        blocks.append(Code(_("Prescribed schedule, ready to paste"), fmt.code(prescription.code)))
    if prescription.why:
        blocks.append(Paragraph(_("Why: {why}", why=fmt.prose(told_again(prescription.why)))))
    measured = _instead_of_estimates(diagnosis)
    if measured:
        blocks.append(Paragraph(measured))
    if prescription.proof is not None:
        blocks += proof_blocks(prescription.proof)
    elif prescription.sweep is not None and prescription.action not in CHANGES_NOTHING:
        blocks.append(Paragraph(tr(NOT_PROVEN)))
    blocks += sweep_blocks(prescription)
    if prescription.alternative.strip():
        caption = _("Cheaper: finish the recorded run by annealing it from its last checkpoint")
        blocks.append(Code(caption, fmt.code(prescription.alternative)))
    if prescription.action not in {"keep", "cannot-tell"} and not prescription.falsify:
        blocks.append(
            Paragraph(_("How to check it: {check}", check=_CHECKS.get(prescription.basis, _CHECKS["log"])))
        )
    if prescription.evidence:
        blocks.append(_evidence(prescription))
    return Section("prescription", _("Prescribed schedule"), tuple(blocks), importance=0)


def recognised_section(diagnosis: Diagnosis) -> Section:
    """The schedule read from the recorded learning rates."""
    schedule = diagnosis.schedule
    if schedule.family == "unknown":
        sentence = _("No schedule was recognised in the recorded learning rates.")
        if not diagnosis.run.learning_rates():
            sentence = _("No learning rate was recorded, so no schedule could be recognised.")
        return Section("recognised", _("Recognised schedule"), (Paragraph(sentence),), importance=1)
    blocks: list[Block] = [_schedule_facts(schedule)]
    if schedule.parameters:
        blocks.append(_parameter_table(schedule.parameters))
    if schedule.code.strip():
        blocks.append(Code(_("The same schedule in torch"), fmt.code(schedule.code)))
    return Section("recognised", _("Recognised schedule"), tuple(blocks), importance=1)


def _sentence(prescription: Prescription) -> str:
    words = tr(ACTION_WORDS.get(prescription.action, prescription.action))
    if prescription.proof is not None and prescription.proof.decision == "keep":
        return _(
            "Keep what you have: paired runs did not confirm the advice ({advice}).",
            advice=words[0].lower() + words[1:],
        )
    if prescription.action in {"cannot-tell", "keep"} or not math.isfinite(prescription.peak_lr):
        return _("{words}.", words=words)
    return _("{words}: peak learning rate {peak_lr}.", words=words, peak_lr=fmt.number(prescription.peak_lr))


def _instead_of_estimates(diagnosis: Diagnosis) -> str:
    """Which finding's estimate of the learning rate is replaced by a measured one; "" where none is."""
    estimating = [finding.code for finding in diagnosis.findings if "suggested factor" in finding.evidence]
    if diagnosis.prescription.sweep is None or not estimating:
        return ""
    return _(
        "{estimating} above estimates a learning rate from the log; this one was measured by "
        "short runs and takes its place.",
        estimating=_(" and ").join(estimating),
    )


def _tone(prescription: Prescription) -> Tone:
    return {"keep": "good", "cannot-tell": "neutral"}.get(prescription.action, "info")  # type: ignore[return-value]


def _prescription_facts(prescription: Prescription) -> Facts:
    items = [
        Fact(_("action"), prescription.action),
        Fact(_("basis"), prescription.basis, tr(_BASIS_WORDS.get(prescription.basis, ""))),
    ]
    if prescription.action not in {"cannot-tell", "keep"}:
        items.append(
            Fact(
                _("confidence"), fmt.percent(prescription.confidence, 2), _("that the final loss gets lower")
            )
        )
    if math.isfinite(prescription.peak_lr):
        items.append(Fact(_("peak learning rate"), fmt.number(prescription.peak_lr)))
    if prescription.schedule is not None:
        items.append(Fact(_("schedule"), fmt.name(prescription.schedule.family)))
    if math.isfinite(prescription.replay_error):
        items.append(
            Fact(
                _("replay of the code"),
                fmt.number(prescription.replay_error, 2),
                _("largest deviation from the plan"),
            )
        )
    elif prescription.code.strip():
        items.append(Fact(_("replay of the code"), _("not done"), _("torch was not at hand")))
    return Facts(tuple(items))


def _evidence(prescription: Prescription) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (fmt.name(evidence_name(name)), fmt.quantity(value, prescription.units.get(name, "")))
        for name, value in prescription.evidence.items()
    )
    return Table(_("Evidence"), (Column(_("what")), Column(_("value"), align="right")), rows)


def _schedule_facts(schedule: Schedule) -> Facts:
    items = [Fact(_("family"), fmt.name(schedule.family))]
    if schedule.group:
        items.append(Fact(_("param group"), fmt.name(schedule.group)))
    if math.isfinite(schedule.error):
        items.append(
            Fact(
                _("fit"),
                fmt.percent(schedule.error, 2),
                _("largest deviation, relative to the learning rate"),
            )
        )
    return Facts(tuple(items))


def _parameter_table(parameters: Mapping[str, Any]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (fmt.name(key), value_text(value)) for key, value in parameters.items()
    )
    return Table(
        _("Parameters of the schedule"), (Column(_("argument")), Column(_("value"), align="right")), rows
    )


def value_text(value: Any, limit: int = 300) -> str:
    """A setting of any type as one line: numbers with four digits, the rest as JSON."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (int, float)):
        return fmt.number(value) if isinstance(value, float) else str(value)
    if isinstance(value, str):
        return fmt.name(value, limit)
    return fmt.name(json.dumps(jsonable(value), ensure_ascii=False), limit)
