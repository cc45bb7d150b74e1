"""The JSON report: the documented contract, stable bytes, names as they are."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from traindoctor.report_templates.json_report import json_report

from . import diagnoses
from .schema_check import violations

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "diagnosis.schema.json").read_text())


def _document(case: str) -> Any:
    make = {"realistic": diagnoses.realistic, **diagnoses.AWKWARD}[case]
    return json.loads(json_report(make(), {}))


@pytest.mark.parametrize("case", ["realistic", *diagnoses.AWKWARD])
def test_fits_the_schema(case: str) -> None:
    assert violations(_document(case), SCHEMA, SCHEMA) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("run", "steps"), -1),
        (("run", "epochs"), "many"),
        (("findings", 0, "severity"), "bad"),
        (("findings", 0, "confidence"), 1.5),
        (("prescription", "action"), "pray"),
        (("metrics", "classification", "accuracy_interval"), [1]),
    ],
)
def test_the_schema_refuses(path: tuple[Any, ...], value: Any) -> None:
    document = _document("realistic")
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert violations(document, SCHEMA, SCHEMA)


def _keys(schema: Any) -> set[str]:
    if not isinstance(schema, dict):
        return set().union(*(_keys(item) for item in schema)) if isinstance(schema, list) else set()
    own = set(schema.get("properties", {}))
    return own.union(*(_keys(item) for item in schema.values()))


def test_every_key_is_documented() -> None:
    words = set(re.findall(r"`([a-z_0-9]+)`", (DOCS / "diagnosis-json.md").read_text()))
    assert _keys(SCHEMA) - words - {"classification", "classification_unavailable"} == set()


def test_every_key_that_is_written_is_in_the_schema() -> None:
    document = _document("realistic")
    for name, part in document.items():
        schema = SCHEMA["properties"][name]
        schema = SCHEMA["$defs"]["schedule"] if "$ref" in schema else schema.get("items", schema)
        for entry in part if isinstance(part, list) else [part]:
            if isinstance(entry, dict):
                assert set(entry) <= set(schema["properties"]), name


def test_names_are_passed_on_exactly() -> None:
    document = _document("hostile")
    assert document["findings"][0]["parameters"] == list(diagnoses.HOSTILE)
    assert document["run"]["name"] == diagnoses.HOSTILE[0]


def test_ascii_sorted_and_stable() -> None:
    diagnosis = diagnoses.hostile()
    content = json_report(diagnosis, {})
    assert content == json_report(diagnosis, {"TD101": "ignored"})
    assert content.isascii()
    assert list(json.loads(content)) == sorted(json.loads(content))


def test_nothing_but_to_json() -> None:
    diagnosis = diagnoses.realistic()
    assert json.loads(json_report(diagnosis, {})) == diagnosis.to_json()


def test_non_finite_numbers_are_words() -> None:
    diagnosis = diagnoses.realistic()
    broken = replace(diagnosis.findings[1], evidence={"share": float("inf")})
    document = json.loads(json_report(replace(diagnosis, findings=(broken,)), {}))
    assert document["findings"][0]["evidence"] == {"share": "inf"}
