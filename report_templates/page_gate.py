"""The outcome of the gate in words."""

from __future__ import annotations

from traindoctor.finding import Diagnosis, Finding
from traindoctor.gate import Gate, Standing

from . import number_format as fmt


def gate_sentence(diagnosis: Diagnosis) -> str:
    """Whether the gate passed and why, "" where nobody asked.

    Words, as the same sentence stands on a terminal, in a comment and in JUnit.
    """
    gate = diagnosis.gate
    if gate is None:
        return ""
    if gate.is_passed and diagnosis.verdict.state == "not-assessable":
        return "Gate not passed: the run cannot be assessed."
    if gate.fail_on == "never":
        return "Gate passed: findings never fail it (fail-on never)."
    new = "new " if gate.base else ""
    known = sum(not standing.is_new for standing in gate.standings)
    beside = f" {fmt.plural(known, 'finding')} of the base run not counted." if known else ""
    if gate.is_passed:
        return f"Gate passed: no {new}finding at or above {gate.fail_on}.{beside}"
    what = fmt.plural(gate.n_failing, f"{new}finding")
    return f"Gate failed: {what} at or above {gate.fail_on}.{beside}"


def standing_words(gate: Gate | None, index: int) -> str:
    """`new`, `known from the base run` or "", for a finding by its place in the diagnosis."""
    if gate is None or not gate.base:
        return ""
    standing = gate.standings[index]
    if not standing.is_new:
        return "known from the base run"
    return f"new: {fmt.prose(standing.why, 200)}" if standing.why else "new"


def judged(diagnosis: Diagnosis, gate: Gate) -> tuple[tuple[Finding, Standing], ...]:
    """Every finding with what the gate makes of it."""
    return tuple(zip(diagnosis.findings, gate.standings, strict=True))
