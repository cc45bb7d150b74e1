"""The outcome of the gate in words."""

from __future__ import annotations

from traindoctor.finding import Diagnosis, Finding
from traindoctor.gate import Gate, Standing
from traindoctor.text import Text

from . import number_format as fmt
from .language import _


def gate_sentence(diagnosis: Diagnosis) -> str:
    """Whether the gate passed and why, "" where nobody asked.

    Words, as the same sentence stands on a terminal, in a comment and in JUnit.
    """
    gate = diagnosis.gate
    if gate is None:
        return ""
    if gate.is_passed and diagnosis.verdict.state == "not-assessable":
        return _("Gate not passed: the run cannot be assessed.")
    if gate.fail_on == "never":
        return _("Gate passed: findings never fail it (fail-on never).")
    level = Text(gate.fail_on)
    known = sum(not standing.is_new for standing in gate.standings)
    beside = (
        _(" {findings} of the base run not counted.", findings=fmt.plural(known, "finding")) if known else ""
    )
    if gate.is_passed:
        if gate.base:
            return _("Gate passed: no new finding at or above {level}.{beside}", level=level, beside=beside)
        return _("Gate passed: no finding at or above {level}.{beside}", level=level, beside=beside)
    what = fmt.plural(gate.n_failing, "new finding" if gate.base else "finding")
    return _("Gate failed: {what} at or above {level}.{beside}", what=what, level=level, beside=beside)


def standing_words(gate: Gate | None, index: int) -> str:
    """`new`, `known from the base run` or "", for a finding by its place in the diagnosis."""
    if gate is None or not gate.base:
        return ""
    standing = gate.standings[index]
    if not standing.is_new:
        return _("known from the base run")
    return _("new: {why}", why=fmt.prose(standing.why, 200)) if standing.why else _("new")


def judged(diagnosis: Diagnosis, gate: Gate) -> tuple[tuple[Finding, Standing], ...]:
    """Every finding with what the gate makes of it."""
    return tuple(zip(diagnosis.findings, gate.standings, strict=True))
