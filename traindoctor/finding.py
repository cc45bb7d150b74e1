"""What a diagnosis is made of (findings, skipped checks, schedule, prescription) and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Any, Literal

from .comparison import Comparison
from .gate import Gate
from .json_values import jsonable
from .prescription import Action as Action
from .prescription import Basis as Basis
from .prescription import Prescription as Prescription
from .prescription import Schedule as Schedule
from .run import Run
from .search import Search

FORMAT = 1
"""Version of the JSON form, see docs/diagnosis-json.md."""


class Severity(StrEnum):
    """How much of the run is at stake."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the most severe."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Remedy:
    """What to do, in words and as paste-ready code for the detected optimizer."""

    text: str
    code: str = ""


@dataclass(frozen=True)
class Finding:
    """One trouble that was found.

    Attributes:
        code: stable code, e.g. `TD101`.
        name: stable name, e.g. `plateau`.
        severity: see `Severity`.
        confidence: probability in 0..1 that this is really so.
        first_step: first step concerned, inclusive.
        last_step: last step concerned, inclusive.
        message: one or two sentences; the first is the conclusion.
        evidence: name -> number; every number in the message is here.
        units: name -> unit, for every name in `evidence`.
        remedy: what to do.
        explains: codes of the findings that are symptoms of this one; filled by the engine.
        parameters: names of the parameters concerned, worst first; empty when the run as a whole is.
    """

    code: str
    name: str
    severity: Severity
    confidence: float
    first_step: int
    last_step: int
    message: str
    evidence: Mapping[str, float]
    units: Mapping[str, str]
    remedy: Remedy
    explains: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if set(self.evidence) != set(self.units):
            raise ValueError(
                f"{self.code}: every piece of evidence needs a unit, "
                f"found {sorted(self.evidence)} and {sorted(self.units)}"
            )
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"{self.code}: expected a confidence in 0..1, found {self.confidence}")


@dataclass(frozen=True)
class Skipped:
    """A check that could not run, and why."""

    code: str
    name: str
    why: str


@dataclass(frozen=True)
class Verdict:
    """The one sentence at the top."""

    state: Literal["healthy", "findings", "not-assessable"]
    sentence: str


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Everything that was found, and what was NOT looked at.

    Attributes:
        run: the run that was diagnosed.
        verdict: the conclusion.
        findings: root causes first; a finding explained by another follows it.
        skipped: checks that could not run, with the reason.
        passed: names of the checks that ran and found nothing, code -> name.
        schedule: the schedule in use.
        prescription: the schedule to use next.
        metrics: metric groups as JSON values, see docs/diagnosis-json.md.
        search: the hyper-parameter search whose best trial this run is, None for a run by itself.
        comparison: this run beside its base run (the first one), None without a base.
        gate: which findings fail a build, None where nobody asked.
    """

    run: Run
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    passed: Mapping[str, str] = field(default_factory=dict[str, str])
    schedule: Schedule = field(default_factory=lambda: Schedule("unknown"))
    prescription: Prescription = field(default_factory=lambda: Prescription("cannot-tell"))
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    search: Search | None = None
    comparison: Comparison | None = None
    gate: Gate | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON object of docs/diagnosis-json.md; non-finite numbers become "nan", "inf", "-inf"."""
        info = self.run.info
        document = {
            "format": FORMAT,
            "run": {
                "id": self.run.id,
                "name": self.run.name,
                "status": info.status,
                "steps": self.run.n_steps,
                "epochs": info.epochs,
                "seconds": info.seconds,
                "source": info.source,
                "diagnostics": list(info.diagnostics),
            },
            "verdict": {"state": self.verdict.state, "sentence": self.verdict.sentence},
            "findings": [_finding_json(finding) for finding in self.findings],
            "skipped": [{"code": s.code, "name": s.name, "why": s.why} for s in self.skipped],
            "passed": [{"code": code, "name": name} for code, name in self.passed.items()],
            "schedule": _schedule_json(self.schedule),
            "prescription": _prescription_json(self.prescription),
            "metrics": dict(self.metrics),
        }
        if self.search is not None:
            document["search"] = self.search.to_json()
        if self.comparison is not None:
            document["comparison"] = self.comparison.to_json()
        if self.gate is not None:
            document["gate"] = self.gate.to_json([finding.code for finding in self.findings])
        plain = jsonable(document)
        assert isinstance(plain, dict)
        return plain

    def _repr_html_(self) -> str:
        """Page one and the findings, for a notebook; drawn by the reports, which only the door knows."""
        shown: str = import_module(__package__ or "traindoctor").notebook_html(self)
        return shown


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.value,
        "confidence": finding.confidence,
        "first_step": finding.first_step,
        "last_step": finding.last_step,
        "message": finding.message,
        "evidence": dict(finding.evidence),
        "units": dict(finding.units),
        "remedy": {"text": finding.remedy.text, "code": finding.remedy.code},
        "explains": list(finding.explains),
        "parameters": list(finding.parameters),
    }


def _schedule_json(schedule: Schedule) -> dict[str, Any]:
    return {
        "family": schedule.family,
        "parameters": dict(schedule.parameters),
        "code": schedule.code,
        "error": schedule.error,
        "group": schedule.group,
    }


def _prescription_json(prescription: Prescription) -> dict[str, Any]:
    return {
        "action": prescription.action,
        "basis": prescription.basis,
        "confidence": prescription.confidence,
        "peak_lr": prescription.peak_lr,
        "schedule": _schedule_json(prescription.schedule) if prescription.schedule else None,
        "code": prescription.code,
        "why": prescription.why,
        "evidence": dict(prescription.evidence),
        "units": dict(prescription.units),
        "replay_error": prescription.replay_error,
        "horizon_steps": prescription.horizon_steps,
        "assumptions": list(prescription.assumptions),
        "falsify": list(prescription.falsify),
        "alternative": prescription.alternative,
        "sweep": asdict(prescription.sweep) if prescription.sweep else None,
        "proof": asdict(prescription.proof) if prescription.proof else None,
    }
