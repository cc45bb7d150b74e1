"""Root-cause precedence: which finding explains which, so that symptoms are folded under their cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from traindoctor.finding import Finding, Severity

SLACK = 0.05
"""A cause may seem to begin this share of the run after its symptom: both spans are estimates."""

WHOLE_RUN = ("TD101", "TD106", "TD107", "TD108", "TD402")
INSTABILITY = ("TD102", "TD103", "TD104", "TD105")
GRADIENTS = ("TD201", "TD202", "TD210", "TD212")
WEIGHTS = ("TD204", "TD205", "TD206")
GENERALISATION = ("TD401", "TD403", "TD405", "TD406", "TD407", "TD408", "TD409")
RATE = ("TD301", "TD302", "TD303", "TD305")
PREDICTIONS = ("TD501", "TD502", "TD503", "TD504", "TD505")
OUTCOMES = (*WHOLE_RUN, *INSTABILITY, *GRADIENTS, *WEIGHTS, *GENERALISATION, *PREDICTIONS)

EXPLAINS: dict[str, tuple[str, ...]] = {
    "TD207": (*OUTCOMES, *RATE, "TD203", "TD208", "TD209"),
    "TD208": (*OUTCOMES, *RATE, "TD203", "TD209"),
    "TD213": (*OUTCOMES, *RATE, "TD203", "TD209", "TD110"),
    "TD410": (*OUTCOMES, *RATE, "TD203", "TD209", "TD110"),
    "TD214": (*OUTCOMES, *RATE, "TD203", "TD209"),
    "TD308": (*OUTCOMES, *RATE, "TD203", "TD209", "TD110"),
    "TD215": (*OUTCOMES, *RATE, "TD203", "TD209"),
    "TD402 of a narrow layer": (*OUTCOMES, *RATE, "TD203"),
    "TD404": (*OUTCOMES, "TD110", "TD203", "TD209", "TD301", "TD306"),
    "TD109": (*OUTCOMES, "TD203", "TD301", "TD302", "TD305"),
    "TD602": (*INSTABILITY, *GENERALISATION),
    "TD902": ("TD101", "TD102", "TD104", "TD307"),
    "TD307": (*OUTCOMES, "TD301", "TD203", "TD209", "TD305", "TD306"),
    "TD211": (*OUTCOMES, "TD110", "TD203", "TD209", "TD301", "TD302", "TD303", "TD305"),
    "TD110": (*INSTABILITY, *WHOLE_RUN, *GRADIENTS, *WEIGHTS, *PREDICTIONS, "TD203", "TD209", *RATE),
    "TD301": (*OUTCOMES, "TD203", "TD209", "TD303", "TD305"),
    "TD206": (*WHOLE_RUN, "TD102", "TD201", "TD203", "TD205", "TD302", "TD305", "TD406", *PREDICTIONS),
    "TD205": (*WHOLE_RUN, *INSTABILITY, "TD201", "TD203", "TD302", "TD305", *PREDICTIONS),
    "TD203": (*WHOLE_RUN, *GRADIENTS, "TD204", "TD302", "TD305", *PREDICTIONS),
    "TD104 of a batch": (*INSTABILITY, *GENERALISATION, "TD202", "TD204", *PREDICTIONS),
    "TD202": (*INSTABILITY, "TD107", "TD108", "TD204", "TD209"),
    "TD201": (*WHOLE_RUN, "TD302", *PREDICTIONS),
    "TD209": (*WHOLE_RUN, "TD302", "TD212", "TD305", "TD406", *PREDICTIONS),
    "TD306": (*WHOLE_RUN, *INSTABILITY, "TD302", "TD304", "TD305"),
    "TD304": (*WHOLE_RUN, "TD302", "TD505"),
    "TD302": (*WHOLE_RUN, "TD210", "TD305", "TD406", *PREDICTIONS),
    "TD107": ("TD101", "TD106", "TD108", "TD402", "TD204", "TD212", "TD305", *GENERALISATION, *PREDICTIONS),
    "TD108": ("TD101", "TD402", "TD305", *PREDICTIONS),
    "TD103": ("TD102", "TD104", "TD105", "TD101", "TD204", "TD305", *GENERALISATION, *PREDICTIONS),
    "TD102": ("TD101", "TD104", "TD105", "TD106", "TD204", "TD305", *GENERALISATION, *PREDICTIONS),
    "TD409": ("TD401", "TD407"),
    "TD401": ("TD403", "TD407", "TD106", "TD204", "TD405", "TD503", "TD505"),
    "TD403": ("TD407", "TD106", "TD204", "TD503", "TD505"),
    "TD407": ("TD106", "TD503"),
    "TD501": ("TD502", "TD503", "TD504", "TD505"),
    "TD104": ("TD105", "TD210"),
    "TD212": ("TD101", "TD105", "TD305"),
    "TD101": ("TD106", "TD305", "TD402"),
    "TD402": ("TD305", "TD406", "TD505"),
}
"""Cause -> symptoms. The order of the keys is the precedence: the first that fits explains."""

PRECEDENCE = {code: rank for rank, code in enumerate(EXPLAINS)}


NEED_A_SYMPTOM = ("TD301", "TD303")
"""Large first steps harm nothing by themselves: tuned runs have them, too. Measured: as a warning of its own
TD301 cost 4 points of false alarms for 1 of recall."""

OF_A_BATCH = "times the losses before"
"""Evidence of a loss that one batch threw up, with the weights as they were: a cause, not a symptom."""

NARROWEST = "narrowest hidden layer"
"""Evidence of a layer too narrow to pass on what its input holds."""

RANKED_HIGHER = (("TD104", OF_A_BATCH, "TD104 of a batch"), ("TD402", NARROWEST, "TD402 of a narrow layer"))
"""Code, evidence, and the key of `EXPLAINS` that holds for both together."""

SOLVED = 0.9
"""Training skill (share of the constant loss that is gone) at which training was not held back."""

LASTING = {"dead units", "loss rise"}
"""Harm that is symptom enough: what died in a loss that blew up does not come back."""

STUCK = ("TD101", "TD107", "TD108", "TD402")
"""A note of these is symptom enough: the run went nowhere."""


def can_explain(cause: Finding, symptom: Finding, n_steps: int) -> bool:
    """Whether `cause` is of a kind that explains `symptom` and began no later.

    A cause must be a warning at least, or its symptom a note too: a note explains no failure.
    """
    if symptom.code not in EXPLAINS.get(_kind(cause), ()) or is_foreign(cause, symptom):
        return False
    if cause.severity is Severity.INFO and symptom.severity is not Severity.INFO:
        return False
    return cause.first_step <= symptom.first_step + SLACK * n_steps


def is_foreign(cause: Finding, symptom: Finding) -> bool:
    """Whether a symptom is none of a too high rate: a gap to the held-out data where training was solved."""
    is_solved = cause.evidence.get("final skill", 0.0) > SOLVED
    return cause.code in NEED_A_SYMPTOM and symptom.code in GENERALISATION and is_solved


def rank_causes(findings: Sequence[Finding], n_steps: int) -> tuple[Finding, ...]:
    """Root causes first, each followed by the symptoms it explains, with `explains` filled in.

    A group is as serious as its most serious member; groups come by seriousness, then by precedence, then
    by first step.
    """
    findings = [_in_context(finding, findings, n_steps) for finding in findings]
    ordered = sorted(findings, key=_precedence)
    symptoms_of: dict[int, list[Finding]] = {}
    for position, finding in enumerate(ordered):
        cause = next(
            (
                p
                for p, earlier in enumerate(ordered[:position])
                if p in symptoms_of and can_explain(earlier, finding, n_steps)
            ),
            None,
        )
        if cause is None:
            symptoms_of[position] = []
        else:
            symptoms_of[cause].append(finding)
    groups = [(ordered[position], symptoms) for position, symptoms in symptoms_of.items()]
    groups.sort(key=lambda group: (_gravity(group[0], group[1]), _precedence(group[0])))
    return tuple(
        finding
        for cause, symptoms in groups
        for finding in (replace(cause, explains=_codes(symptoms)), *symptoms)
    )


def _in_context(finding: Finding, findings: Sequence[Finding], n_steps: int) -> Finding:
    """The finding, as a note where it is a warning of a cause that shows no symptom."""
    if finding.code not in NEED_A_SYMPTOM or finding.severity is not Severity.WARNING:
        return finding
    if finding.evidence.keys() >= LASTING:
        return finding
    shows = any(
        (other.severity is not Severity.INFO or other.code in STUCK)
        and other.code in (*OUTCOMES, "TD203")
        and not is_foreign(finding, other)
        and finding.first_step <= other.first_step + SLACK * n_steps
        for other in findings
    )
    return finding if shows else replace(finding, severity=Severity.INFO)


def _precedence(finding: Finding) -> tuple[int, int, str, int]:
    rank = PRECEDENCE.get(_kind(finding), len(PRECEDENCE))
    return rank, finding.severity.rank, finding.code, finding.first_step


def _kind(finding: Finding) -> str:
    """The key of a finding in `EXPLAINS`: its code, unless its evidence makes it a cause of another rank."""
    for code, name, key in RANKED_HIGHER:
        if finding.code == code and name in finding.evidence:
            return key
    return finding.code


def _gravity(cause: Finding, symptoms: Sequence[Finding]) -> int:
    return min(finding.severity.rank for finding in (cause, *symptoms))


def _codes(symptoms: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(symptom.code for symptom in symptoms))
