"""`traindoctor env`: every check in order, what to do about it, and exit code 1 for a problem only."""

import json

import pytest
from click.testing import CliRunner

from tests.reliability.sizes import IS_NIGHTLY
from traindoctor.cli import cli
from traindoctor.collectors import installation
from traindoctor.collectors.probing import Check

OK = Check("python", "ok", "3.11.7 at /bin/python")
NOTE = Check("fonts", "note", "en: 3; none for zh", "install fonts-noto-cjk")
PROBLEM = Check("torch", "problem", "cannot be imported: bad\x1b[2J", "reinstall torch")


@pytest.fixture
def env(monkeypatch):
    def called(checks, *arguments):
        monkeypatch.setattr(installation, "check_installation", lambda: iter(checks))
        return CliRunner().invoke(cli, ["env", *arguments])

    return called


def test_all_is_well(env):
    result = env([OK])
    assert (result.exit_code, result.stderr) == (0, "")
    first, _, last = result.stdout.splitlines()
    assert first.split(maxsplit=2) == ["ok", "python", "3.11.7 at /bin/python"]
    assert last == "all is well"


def test_a_note_is_no_failure(env):
    result = env([OK, NOTE])
    assert result.exit_code == 0
    assert "-> install fonts-noto-cjk" in result.stdout
    assert result.stdout.endswith("\nall is well; notes: fonts\n")


def test_a_problem_is_one(env):
    result = env([OK, NOTE, PROBLEM])
    assert result.exit_code == 1
    assert "-> reinstall torch" in result.stdout
    assert "\x1b" not in result.stdout
    assert result.stdout.endswith("\nproblems: torch\n")


@pytest.mark.parametrize(("checks", "code"), [([OK, NOTE], 0), ([OK, PROBLEM], 1)])
def test_as_json(checks, code, env):
    result = env(checks, "--format", "json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == {
        "ok": not code,
        "checks": [{"name": c.name, "state": c.state, "found": c.found, "advice": c.advice} for c in checks],
    }


@pytest.mark.skipif(not IS_NIGHTLY, reason="loads torch five times; every check has its own test")
def test_this_installation_records():
    result = CliRunner().invoke(cli, ["env", "--format", "json"])
    states = {check["name"]: check["state"] for check in json.loads(result.stdout)["checks"]}
    assert len(states) == 10
    assert states["recording"] == states["torch"] == "ok"
