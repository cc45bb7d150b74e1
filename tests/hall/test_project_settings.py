"""[tool.traindoctor] of the nearest pyproject.toml: what it gives, what it refuses with place and hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from traindoctor.errors import UsageError
from traindoctor.project_settings import project_settings


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_without_a_file_or_table_there_is_nothing(tmp_path: Path) -> None:
    assert project_settings(tmp_path) == {}
    assert project_settings(write(tmp_path, '[project]\nname = "x"\n')) == {}


def test_every_key(tmp_path: Path) -> None:
    (tmp_path / "main-run").mkdir()
    write(
        tmp_path,
        '[tool.traindoctor]\nfail-on = "medium"\nselect = ["TD1"]\nignore = ["TD104"]\n'
        'base = "main-run"\nformat = ["text", "junit"]\n',
    )
    assert project_settings(tmp_path) == {
        "fail_on": "medium",
        "select": ["TD1"],
        "ignore": ["TD104"],
        "base": str(tmp_path / "main-run"),
        "formats": "text,junit",
    }


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    write(tmp_path, '[tool.traindoctor]\nfail-on = "low"\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert project_settings(inner) == {"fail_on": "low"}
    write(tmp_path / "a", '[tool.traindoctor]\nfail-on = "never"\n')
    assert project_settings(inner) == {"fail_on": "never"}


@pytest.mark.parametrize(
    ("body", "line", "sentence"),
    [
        ('fail_on = "high"', 4, "did you mean fail-on"),
        ("colour = 1", 4, "known are fail-on"),
        ('fail-on = "hihg"', 4, "expected one of critical, high"),
        ("fail-on = 3", 4, "expected a text"),
        ('select = "TD101"', 4, "expected a list"),
        ("\nignore = [1]", 5, "expected a list"),
        ("base = true", 4, "expected a text"),
    ],
)
def test_what_is_refused_is_named_with_its_place(tmp_path: Path, body: str, line: int, sentence: str) -> None:
    write(tmp_path, f'[project]\nname = "x"\n[tool.traindoctor]\n{body}\n')
    with pytest.raises(UsageError, match=sentence) as caught:
        project_settings(tmp_path)
    assert f"pyproject.toml, line {line}:" in str(caught.value)


@pytest.mark.parametrize("text", ["[tool.traindoctor\n", 'tool = "x"\n', "[tool]\ntraindoctor = 1\n"])
def test_a_file_that_is_no_such_thing(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        project_settings(write(tmp_path, text))
