"""check, compare and comment as commands: exit codes by real processes, settings, files, step summary."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result

from traindoctor.cli import cli
from traindoctor.cli_check import append_summary
from traindoctor.errors import TraindoctorError
from traindoctor.report_templates.pull_request import SUMMARY_LIMIT

from .comparisons import diagnosis, finding

N = 400


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.csv falls, bad.csv turns into NaN, one.csv is a single step."""
    folder = tmp_path_factory.mktemp("logs")
    loss = (0.2 + 2.1 * np.exp(-np.arange(N) / 60)) * np.random.default_rng(0).lognormal(0, 0.02, N)
    broken = np.where(np.arange(N) < 200, loss, np.nan)
    for name, values in (("good", loss), ("bad", broken), ("one", loss[:1])):
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["step", "loss", "lr"])
            writer.writerows((i, value, 0.1 * (1 - i / N)) for i, value in enumerate(values))
    return folder


def clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "TRAINDOCTOR_"))}


def process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "traindoctor", *arguments]
    return subprocess.run(command, cwd=folder, env=clean(), capture_output=True, text=True)


@pytest.fixture
def call(logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A command in this process, in a folder of its own that sees the logs."""
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "TRAINDOCTOR_"))]:
        monkeypatch.delenv(name)
    for log in logs.glob("*.csv"):
        (tmp_path / log.name).write_bytes(log.read_bytes())
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    return called


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("good.csv",), 0, ""),
        (("bad.csv",), 1, ""),
        (("bad.csv", "--fail-on", "hihg"), 2, "did you mean high?"),
        (("one.csv",), 3, "Not assessable"),
    ],
)
def test_exit_codes(logs: Path, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    done = process(logs, "check", *arguments)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("bad.csv", "--fail-on", "never"), 0),
        (("bad.csv", "--ignore", "TD103"), 0),
        (("bad.csv", "--select", "TD103"), 1),
        (("bad.csv", "--base", "bad.csv"), 0),
        (("bad.csv", "--base", "good.csv"), 1),
    ],
)
def test_what_fails(call, arguments: tuple[str, ...], code: int) -> None:
    result = call("check", *arguments)
    assert result.exit_code == code, result.output
    assert ("Gate failed" in result.output) == bool(code)


def test_formats_to_files_and_streams(call, tmp_path: Path) -> None:
    result = call("check", "bad.csv", "--format", "junit,md,github")
    assert result.exit_code == 1
    assert result.stdout.count("::error title=TD103") == 1
    (junit,) = tmp_path.glob("report-*.junit.xml")
    assert ElementTree.parse(junit).getroot().get("failures") == "1"
    assert len(list(tmp_path.glob("report-*.md"))) == 1
    assert (
        json.loads(call("check", "bad.csv", "--format", "json", "-o", "-").stdout)["gate"]["passed"] is False
    )


def test_settings_environment_and_options_rank(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "pyproject.toml"
    settings.write_text('[tool.traindoctor]\nfail-on = "never"\nformat = "json"\n')
    found = call("check", "bad.csv", "-o", "-")
    assert (found.exit_code, json.loads(found.stdout)["gate"]["fail_on"]) == (0, "never")
    monkeypatch.setenv("TRAINDOCTOR_FAIL_ON", "low")
    assert call("check", "bad.csv", "-o", "-").exit_code == 1
    assert call("check", "bad.csv", "-o", "-", "--fail-on", "never").exit_code == 0


def test_an_unknown_key_is_refused_but_help_is_given(call, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.traindoctor]\nfail_on = 1\n")
    result = call("check", "good.csv")
    assert isinstance(result.exception, TraindoctorError)
    assert result.exception.exit_code == 2
    assert "line 2: unknown key 'fail_on'" in str(result.exception)
    assert call("check", "--help").exit_code == 0


def test_under_ci_the_summary_is_appended_and_html_written(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = call("check", "bad.csv")
    assert result.exit_code == 1
    text = summary.read_text()
    assert text.startswith("before\n\n### ")
    assert "Gate failed: 1 finding at or above high." in text
    (page,) = tmp_path.glob("report-*.html")
    assert page.name in result.output
    summary.write_text("")
    call("check", "bad.csv", "--format", "text")
    assert summary.read_text() == ""


@pytest.mark.parametrize("taken", [0, SUMMARY_LIMIT - 3000, SUMMARY_LIMIT - 10, SUMMARY_LIMIT])
def test_the_summary_never_grows_over_its_limit(tmp_path: Path, taken: int) -> None:
    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * taken)
    append_summary(diagnosis(None, finding()), path)
    size = path.stat().st_size
    assert size <= SUMMARY_LIMIT
    assert (size > taken) == (taken < SUMMARY_LIMIT - 1000)


def test_compare(call, tmp_path: Path) -> None:
    assert "number" in call("compare", "good.csv", "bad.csv").stdout
    for ending, start in (("html", "<!doctype html>"), ("md", "# "), ("json", "{")):
        assert call("compare", "good.csv", "bad.csv", "-o", f"c.{ending}").stdout == f"c.{ending}\n"
        assert (tmp_path / f"c.{ending}").read_text().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("good.csv",), "two runs or more"),
        (("good.csv", "bad.csv", "-o", "x.docx"), r"\.html, \.md"),
        (("good.csv", "bad.csv", "--x", "epoch"), "epochs in every run"),
        (("good.csv", "nowhere"), "nowhere"),
    ],
)
def test_compare_refuses_with_a_sentence(call, arguments: tuple[str, ...], sentence: str) -> None:
    result = call("compare", *arguments)
    assert isinstance(result.exception, TraindoctorError)
    assert result.exception.exit_code == 2
    import re

    assert re.search(sentence, str(result.exception))


def test_comment_dry_run_prints_what_would_be_posted(call) -> None:
    result = call("comment", "bad.csv", "--base", "good.csv", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("<!-- traindoctor -->\n### ")
    assert "Gate failed: 1 new finding" in result.stdout


def test_comment_without_a_token_is_refused_before_anything_is_read(call) -> None:
    result = call("comment", "nowhere.csv")
    assert "GITHUB_TOKEN" in str(result.exception)


def test_report_with_a_base(call) -> None:
    result = call("report", "bad.csv", "--base", "good.csv", "--format", "md", "-o", "-")
    assert result.exit_code == 0
    assert "## Compared with good" in result.stdout
