"""The command line: exit codes, sentences, where output goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from traindoctor import errors
from traindoctor.cli import cli, plain

ROOT = Path(__file__).resolve().parents[2]


def traindoctor(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "traindoctor", *arguments], cwd=cwd, capture_output=True, text=True
    )


def test_help_needs_no_manual():
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for command in cli.commands:
        assert command in result.output
        inner = CliRunner().invoke(cli, [command, "--help"])
        assert inner.exit_code == 0
        assert len(inner.output.splitlines()) > 4


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["report"], 2, "traindoctor run"),
        (["report", "nowhere"], 2, "nowhere"),
        (["report", "--format", "docx"], 2, "docx"),
        (["report", "--format", "html,pdf", "-o", "x"], 2, "one file"),
        (["explain", "TD999"], 2, "TD999"),
        (["run"], 2, "COMMAND"),
        (["run", "--evry", "3", "--", "x.py"], 2, "--evry"),
        (["run", "--budget", "lots", "--", "x.py"], 2, "lots"),
    ],
)
def test_a_wrong_call_exits_2_with_a_sentence(tmp_path: Path, arguments: list[str], code: int, sentence: str):
    done = traindoctor(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_folder_and_a_foreign_file_cannot_be_analysed(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.tdlog").write_text("not a log")
    for reference in ("empty", "notes.tdlog"):
        done = traindoctor("report", reference, cwd=tmp_path)
        assert done.returncode in (2, 3)
        assert reference in done.stderr
        assert "Traceback" not in done.stderr


def test_listing_no_runs_says_how_to_record_one(tmp_path: Path):
    done = traindoctor("list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "traindoctor run --" in done.stderr


def test_explain_lists_every_check(tmp_path: Path):
    from traindoctor.analyzer.catalog import CATALOG

    listed = traindoctor("explain", cwd=tmp_path).stdout
    assert all(detector.code in listed for detector in CATALOG)


def test_control_characters_never_reach_the_terminal():
    assert "\x1b" not in plain("layer\x1b[2J")


def test_every_error_has_its_own_slug_in_the_messages_document():
    documented = (ROOT / "docs" / "messages.md").read_text()
    kinds = [
        e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.TraindoctorError)
    ]
    assert len({kind.slug for kind in kinds}) == len(kinds)
    assert all(f"## {kind.slug}\n" in documented for kind in kinds)


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    assert all(f"traindoctor {command}" in readme for command in cli.commands)
