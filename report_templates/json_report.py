"""The diagnosis as JSON, exactly the contract of docs/diagnosis-json.md."""

from __future__ import annotations

import json
from collections.abc import Mapping

from traindoctor.finding import Diagnosis


def json_report(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    """The JSON report: ASCII, two spaces of indent, keys sorted, the same bytes every time."""
    del methods  # how a check decides is documentation, not part of the contract
    text = json.dumps(diagnosis.to_json(), indent=2, ensure_ascii=True, allow_nan=False, sort_keys=True)
    return f"{text}\n".encode("ascii")
