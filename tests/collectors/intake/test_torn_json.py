"""Documents without an end: what stands before is kept, nothing is invented."""

from __future__ import annotations

import json

import pytest

from traindoctor.collectors.intake.torn_json import salvaged

WHOLE = {"a": 1, "rows": [{"loss": 0.5, "note": 'x,"]}y', "step": i} for i in range(3)], "z": [1, [2, 3]]}
TEXT = json.dumps(WHOLE)


@pytest.mark.parametrize("length", range(1, len(TEXT)))
def test_every_cut_keeps_a_prefix(length: int) -> None:
    found = salvaged(TEXT[:length])
    assert isinstance(found, dict)
    complete = [row for row in found.get("rows", []) if len(row) == 3]
    assert complete == WHOLE["rows"][: len(complete)]  # type: ignore[index]
    assert all(WHOLE["rows"][i].items() >= row.items() for i, row in enumerate(found.get("rows", [])))  # type: ignore[index]


@pytest.mark.parametrize("text", [TEXT, "", "}", '{"a": 1]', "text", "[" * 1000, '{"a": x, "b": 1'])
def test_what_is_not_cut_is_not_mended(text: str) -> None:
    assert salvaged(text) is None
