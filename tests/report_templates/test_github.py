"""Workflow commands: escaped, at most ten of each level, levels as the gate says."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from traindoctor.finding import Diagnosis
from traindoctor.gating import judge
from traindoctor.report_templates.github import MAX_PER_LEVEL, github_report

from . import diagnoses

COMMAND = re.compile(r"::(error|warning|notice) title=([^:,\r\n]*)::([^\r\n]*)")


def commands(diagnosis: Diagnosis) -> list[tuple[str, str, str]]:
    found = []
    for line in github_report(diagnosis, {}).decode().split("\n")[:-1]:
        match = COMMAND.fullmatch(line)
        assert match, line
        level, title, message = match.groups()
        assert not re.search(r"%(?!25|0A|0D|3A|2C)", title + message)
        found.append((level, _back(title), _back(message)))
    return found


def _back(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_levels_follow_the_severity() -> None:
    found = commands(diagnoses.realistic())
    assert [level for level, _, _ in found] == ["error", "warning", "warning", "notice"]
    assert found[0][1].startswith("TD401 overfitting (steps 11,499")
    assert "Do: Stop near step 11,499" in found[0][2]


def test_what_fails_is_an_error_and_what_is_known_a_notice() -> None:
    diagnosis = diagnoses.realistic()
    failing = commands(replace(diagnosis, gate=judge(diagnosis, "low")))
    assert {level for level, _, _ in failing} == {"error"}
    known = commands(replace(diagnosis, gate=judge(diagnosis, "low", diagnosis)))
    assert {level for level, _, _ in known} == {"notice"}
    assert all("known from the base run" in title for _, title, _ in known)


def test_at_most_ten_of_each_level() -> None:
    diagnosis = diagnoses.realistic()
    many = replace(diagnosis, findings=tuple(f for f in diagnosis.findings for _ in range(14)))
    found = commands(many)
    assert Counter(level for level, _, _ in found) == dict.fromkeys(
        ("error", "warning", "notice"), MAX_PER_LEVEL
    )
    tails = [message for _, title, message in found if title == "traindoctor"]
    assert tails == [
        "and 5 more; see the report",
        "and 19 more; see the report",
        "and 5 more; see the report",
    ]


def test_nothing_found_is_told_too() -> None:
    assert commands(diagnoses.healthy()) == [("notice", "traindoctor", "Nothing was found.")]


@pytest.mark.parametrize(
    "name", ["a\n::stop-commands::x", "a\r::error::y", "50 % off, a: b", "%0A::error::z"]
)
def test_no_name_starts_a_command(name: str) -> None:
    diagnosis = diagnoses.realistic()
    one = replace(diagnosis.findings[0], name=name, message=f"{name} broke. And {name}.")
    ((level, title, _),) = commands(replace(diagnosis, findings=(one,)))
    assert level == "error"
    assert title.startswith("TD401 ")


def test_hostile_names() -> None:
    assert commands(diagnoses.hostile())
