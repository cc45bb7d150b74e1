"""The gate: which severities fail, and which findings are new against a base run."""

from __future__ import annotations

import pytest

from traindoctor.errors import UsageError
from traindoctor.finding import Severity
from traindoctor.gating import FAIL_ON, judge

from .comparisons import diagnosis, finding, run

ALL = tuple(finding(f"TD{i}", severity) for i, severity in enumerate(Severity))


@pytest.mark.parametrize(
    ("level", "n"), [("critical", 1), ("high", 1), ("medium", 2), ("low", 3), ("never", 0)]
)
def test_levels_and_severities(level: str, n: int) -> None:
    gate = judge(diagnosis(None, *ALL), level)
    assert gate.n_failing == n
    assert gate.is_passed == (n == 0)


def test_every_severity_has_a_level_and_never_has_none() -> None:
    assert {severity for severity in FAIL_ON.values() if severity} == set(Severity)
    assert FAIL_ON["never"] is None


def test_a_level_that_is_none_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"never.*'hihg'; did you mean high"):
        judge(diagnosis(), "hihg")


@pytest.mark.parametrize(
    ("before", "is_new", "why"),
    [
        ((), True, ""),
        ((finding("TD999"),), True, ""),
        ((finding(),), False, ""),
        ((finding(severity=Severity.WARNING),), True, "more severe"),
        ((finding(severity=Severity.WARNING), finding()), False, ""),
    ],
)
def test_new_against_a_base_run(before: tuple, is_new: bool, why: str) -> None:
    gate = judge(diagnosis(None, finding()), "high", diagnosis(run("base"), *before))
    (standing,) = gate.standings
    assert (standing.is_new, standing.is_failing) == (is_new, is_new)
    assert why in standing.why
    assert gate.base == "id-base"


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (("a",), ("a",), ""),
        (("a", "b"), ("b",), ""),
        (("a",), ("a", "b", "c"), "b and 1 more"),
        ((), ("a",), "a"),
    ],
)
def test_another_parameter_makes_a_finding_new(before: tuple, after: tuple, named: str) -> None:
    base = diagnosis(run("base"), finding(parameters=before))
    (standing,) = judge(diagnosis(None, finding(parameters=after)), "high", base).standings
    assert standing.is_new == bool(named)
    assert named in standing.why


def test_the_gate_is_part_of_the_json() -> None:
    from dataclasses import replace

    judged = diagnosis(None, finding())
    document = replace(judged, gate=judge(judged, "high")).to_json()
    assert document["gate"] == {
        "fail_on": "high",
        "base": None,
        "passed": False,
        "findings": [{"code": "TD401", "new": True, "fails": True, "why": ""}],
    }
    assert "gate" not in judged.to_json()
