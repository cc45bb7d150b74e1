"""The diagnosis as JUnit XML: one test case per check, passed, failed or skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from xml.etree import ElementTree

from traindoctor.finding import Diagnosis, Finding
from traindoctor.gate import Standing
from traindoctor.gating import judge

from . import number_format as fmt
from .language import _, evidence_name
from .page_evidence import evidence_value
from .page_findings import SEVERITY_WORDS, split_message
from .page_gate import judged


def junit_report(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    """JUnit XML, UTF-8.

    A finding fails its test case where the gate says so (that of the diagnosis, or the default of
    `traindoctor check`); any other finding passes and is told in the case's output. A check that could
    not run is skipped, with the reason.
    """
    del methods
    gate = diagnosis.gate or judge(diagnosis)
    run = diagnosis.run
    suite = ElementTree.Element("testsuite", {"name": fmt.name(run.name) or fmt.name(run.id) or "run"})
    properties = ElementTree.SubElement(suite, "properties")
    facts = {"run": run.id, "steps": str(run.n_steps), "verdict": diagnosis.verdict.sentence}
    facts |= {"fail-on": gate.fail_on} | ({"base": gate.base} if gate.base else {})
    for key, value in facts.items():
        ElementTree.SubElement(properties, "property", {"name": key, "value": fmt.prose(value)})
    seen: Counter[str] = Counter()
    for finding, standing in judged(diagnosis, gate):
        seen[finding.code] += 1
        _found(
            _case(suite, finding.code, finding.name, seen[finding.code]), finding, standing, run.info.x_unit
        )
    for code, name in diagnosis.passed.items():
        _case(suite, code, name)
    for check in diagnosis.skipped:
        reason = ElementTree.SubElement(_case(suite, check.code, check.name), "skipped")
        reason.set("message", fmt.prose(check.why))
    counts = {
        "tests": len(suite.findall("testcase")),
        "failures": gate.n_failing,
        "errors": 0,
        "skipped": len(diagnosis.skipped),
    }
    whole = ElementTree.Element("testsuites", {"name": "traindoctor"})
    for element in (suite, whole):
        for key, count in counts.items():
            if not (element is whole and key == "skipped"):
                element.set(key, str(count))
        element.set("time", "0")
    whole.append(suite)
    ElementTree.indent(whole)
    text: bytes = ElementTree.tostring(whole, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: ElementTree.Element, code: str, name: str, number: int = 1) -> ElementTree.Element:
    """A test case; a second finding of a check gets a number, as names must differ."""
    title = f"{fmt.name(code, 12)} {fmt.name(name, 60)}" + (f" #{number}" if number > 1 else "")
    attributes = {"classname": f"traindoctor.{fmt.name(code, 12)}", "name": title, "time": "0"}
    return ElementTree.SubElement(suite, "testcase", attributes)


def _found(case: ElementTree.Element, finding: Finding, standing: Standing, unit: str) -> None:
    title, detail = split_message(finding.message)
    lines = [
        _(
            "{severity}, confidence {confidence}, {span}",
            severity=SEVERITY_WORDS[finding.severity],
            confidence=fmt.percent(finding.confidence, 2),
            span=fmt.span(unit, finding.first_step, finding.last_step),
        ),
        _("{words}.", words=title),
        detail,
        *([_("Do: {text}", text=fmt.prose(finding.remedy.text))] if finding.remedy.text else []),
        *(
            f"{fmt.name(evidence_name(name))}: {evidence_value(unit, name, value, finding.units[name])}"
            for name, value in finding.evidence.items()
        ),
        *(
            [_("Parameters: {names}", names=", ".join(map(fmt.name, finding.parameters[:8])))]
            if finding.parameters
            else []
        ),
        "" if standing.is_new else _("The base run has this finding too."),
        fmt.prose(standing.why, 200),
    ]
    text = "\n".join(line for line in lines if line)
    if standing.is_failing:
        failure = ElementTree.SubElement(case, "failure", {"message": title, "type": finding.severity.value})
        failure.text = text
    else:
        ElementTree.SubElement(case, "system-out").text = text
