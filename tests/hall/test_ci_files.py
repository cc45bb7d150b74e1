"""action.yml, the workflow and docs/ci.md: they parse, hold no trap, and the action's script works."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from traindoctor.cli import cli

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {
    "actions/checkout": "v7",
    "actions/setup-python": "v7",
    "actions/upload-artifact": "v7",
    "actions/download-artifact": "v8",
}


def action() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "action.yml").read_text())


def documents() -> list[tuple[str, dict[str, Any]]]:
    """Every workflow: the repository's own and those in the document."""
    found = [("ci.yml", (ROOT / ".github" / "workflows" / "ci.yml").read_text())]
    text = (ROOT / "docs" / "ci.md").read_text()
    found += [
        (f"docs/ci.md {i}", block) for i, block in enumerate(re.findall(r"(?s)```yaml\n(.*?)```", text))
    ]
    return [(name, yaml.safe_load(block)) for name, block in found]


def steps(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, list):
        return document
    jobs = document.get("jobs", {})
    return [step for job in jobs.values() for step in job.get("steps", [])]


def test_every_document_parses_and_has_steps() -> None:
    found = documents()
    assert len(found) >= 5
    assert sum(bool(steps(document)) for _, document in found) >= 4


def test_actions_are_the_current_ones() -> None:
    used = [step["uses"] for _, d in documents() for step in steps(d) if "uses" in step]
    used += [step["uses"] for step in action()["runs"]["steps"] if "uses" in step]
    versions = {tuple(one.split("@")) for one in used if one.startswith("actions/")}
    assert versions == set(VERSIONS.items())


def test_no_workflow_runs_a_forks_code_with_rights() -> None:
    for name, document in documents():
        if not isinstance(document, dict):
            continue
        events = document.get("on", document.get(True, {}))
        assert "pull_request_target" not in str(events), name
        if "workflow_run" in str(events):
            assert not [s for s in steps(document) if "checkout" in s.get("uses", "")], name


def test_no_expression_stands_in_a_script() -> None:
    scripts = [step["run"] for step in action()["runs"]["steps"] if "run" in step]
    scripts += [step["run"] for _, document in documents() for step in steps(document) if "run" in step]
    assert not [script for script in scripts if "${{" in script]


def test_inputs_are_documented_and_used() -> None:
    text = (ROOT / "docs" / "ci.md").read_text()
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text()))
    for name, about in action()["inputs"].items():
        assert about["description"]
        assert f"`{name}`" in text
        assert name in used
    assert {"run", "fail-on", "base", "comment", "report"} <= set(action()["inputs"])


def test_the_repository_uses_its_own_action_on_its_demo() -> None:
    (_, workflow) = documents()[0]
    assert [s for s in steps(workflow) if s.get("uses") == "./"]
    assert [s for s in steps(workflow) if s.get("run") == ".ci/run"]
    assert "make demo" in str(workflow)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("variables", "code", "expected"),
    [
        ({}, 0, ["check --summary --format github", "check --fail-on never --format html -o r.html"]),
        (
            {"RUN": "-a b;c", "BASE": "$(touch x)", "FAIL_ON": "low", "COMMENT": "true"},
            1,
            [
                "check --fail-on low --base $(touch x) --summary --format github -- -a b;c",
                "check --fail-on low --base $(touch x) --fail-on never --format html -o r.html -- -a b;c",
                "comment --fail-on low --base $(touch x) -- -a b;c",
            ],
        ),
        ({"COMMENT": "true"}, 3, ["check --summary --format github"]),
    ],
)
def test_the_script_of_the_action(
    tmp_path: Path, variables: dict[str, str], code: int, expected: list[str]
) -> None:
    """With a stand-in that writes down what it was called with and ends with `code` where it gates."""
    (step,) = [one for one in action()["runs"]["steps"] if one.get("id") == "judge"]
    stub = tmp_path / "traindoctor" / "bin" / "traindoctor"
    stub.parent.mkdir(parents=True)
    stub.write_text(
        f'#!/bin/bash\necho "$*" >> {tmp_path}/calls\ncase "$*" in *--summary*) exit {code};; esac\n'
    )
    stub.chmod(0o755)
    names = dict.fromkeys(step["env"], "")
    environment = {
        **names,
        "REPORT": "r.html",
        "PATH": "/usr/bin:/bin",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        **variables,
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().splitlines() == expected
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert not (tmp_path / "x").exists()


def test_options_in_the_document_and_the_action_exist() -> None:
    text = (ROOT / "docs" / "ci.md").read_text() + (ROOT / "action.yml").read_text()
    known = {option for command in cli.commands.values() for p in command.params for option in p.opts}
    used = re.findall(r"(?:traindoctor (?:check|comment|report)|\"\$tool\"[^\n]*?)[^\n`]*", text)
    options = {option for line in used for option in re.findall(r"(?<=\s)(--[a-z-]+|-o)\b", line)}
    assert {"--fail-on", "--base", "--format", "--dry-run", "--summary"} <= options
    assert options <= known
