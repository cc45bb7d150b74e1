"""JUnit XML: parsed back, shaped as CI servers expect, one case per check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from traindoctor.finding import Diagnosis
from traindoctor.gating import judge
from traindoctor.report_templates.junit import junit_report

from . import diagnoses

COUNTS = {"tests", "failures", "errors", "time"}
SHAPE: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"name", *COUNTS}, set(), {"testsuite"}),
    "testsuite": ({"name", "skipped", *COUNTS}, set(), {"properties", "testcase"}),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name", "classname", "time"}, set(), {"failure", "skipped", "system-out"}),
    "failure": ({"message", "type"}, set(), set()),
    "skipped": ({"message"}, set(), set()),
    "system-out": (set(), set(), set()),
}
"""Element -> attributes it has, attributes it may have, children it may have: what we use of the schema."""


def check_shape(element: ElementTree.Element) -> None:
    required, optional, children = SHAPE[element.tag]
    assert required <= set(element.attrib) <= required | optional, element.tag
    assert {child.tag for child in element} <= children, element.tag
    for child in element:
        check_shape(child)


def parsed(diagnosis: Diagnosis) -> Any:
    root = ElementTree.fromstring(junit_report(diagnosis, {}))
    check_shape(root)
    return root


@pytest.mark.parametrize("case", ["realistic", "healthy", "no_data", "hostile", "all_nan"])
def test_shape_and_counts(case: str) -> None:
    diagnosis = getattr(diagnoses, case)()
    root = parsed(diagnosis)
    (suite,) = root
    for level in (root, suite):
        assert int(level.get("tests")) == len(suite.findall("testcase"))
        assert int(level.get("failures")) == len(suite.findall("testcase/failure"))
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped")) == len(diagnosis.skipped)
    n_checks = len(diagnosis.findings) + len(diagnosis.passed) + len(diagnosis.skipped)
    assert len(suite.findall("testcase")) == n_checks
    names = [one.get("name") for one in suite.findall("testcase")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("level", "failing"), [("high", 1), ("medium", 3), ("low", 4), ("never", 0)])
def test_what_fails_is_what_the_gate_says(level: str, failing: int) -> None:
    diagnosis = diagnoses.realistic()
    suite = parsed(replace(diagnosis, gate=judge(diagnosis, level)))[0]
    assert len(suite.findall("testcase/failure")) == failing
    assert len(suite.findall("testcase/system-out")) == 4 - failing


def test_a_finding_keeps_its_words_and_numbers() -> None:
    failure = parsed(diagnoses.realistic()).find(".//failure")
    assert failure.get("type") == "critical"
    assert failure.get("message").startswith("Overfitting from step 11,499")
    assert "Do: Stop near step 11,499" in failure.text
    assert "best loss: " in failure.text


def test_two_findings_of_a_check_and_a_known_one() -> None:
    diagnosis = diagnoses.realistic()
    doubled = replace(diagnosis, findings=(diagnosis.findings[0], diagnosis.findings[0]))
    names = [one.get("name") for one in parsed(doubled).iter("testcase")][:2]
    assert names == ["TD401 overfitting", "TD401 overfitting #2"]
    known = replace(diagnosis, gate=judge(diagnosis, "low", diagnosis))
    assert not parsed(known).findall(".//failure")
    assert "The base run has this finding too." in parsed(known).find(".//system-out").text
