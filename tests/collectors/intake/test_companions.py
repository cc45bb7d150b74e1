"""Settings beside a log: tags, bombs, secrets, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from traindoctor.collectors.intake.companions import MAX_SETTINGS, settings
from traindoctor.collectors.intake.source import Source


def read(folder: Path, text: str, name: str = "hparams.yaml") -> dict[str, object]:
    (folder / "log").write_text("x")
    (folder / name).write_text(text)
    return settings(Source(folder / "log"), name)


def test_plain_settings(tmp_path: Path) -> None:
    assert read(tmp_path, "lr: 1e-3\nmodel: {depth: 4, name: vit}\nsizes: [1, 2]\nnothing: null\n") == {
        "lr": 1e-3,
        "model/depth": 4,
        "model/name": "vit",
        "sizes": [1, 2],
    }
    assert read(tmp_path, '{"lr": 0.1}', "hparams.json") == {"lr": 0.1}


def test_foreign_tags_make_no_objects(tmp_path: Path) -> None:
    text = "a: !!python/name:torch.optim.Adam ''\nb: !!python/object/apply:os.system ['exit 1']\nc: !Mine 3\n"
    assert read(tmp_path, text) == {"a": "torch.optim.Adam", "b": ["exit 1"], "c": 3.0}


def test_secrets_are_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, "api_key: abc\nwandb: {token: xyz}\nmax_tokens: 512\n")
    assert found == {"api_key": "[redacted]", "wandb/token": "[redacted]", "max_tokens": 512}


@pytest.mark.parametrize(
    "text",
    ["[" * 50_000, "a: " * 50_000, "- 1\n- 2\n", "\x00", "a: b: c", "x: 1\n" + "y" * 300_000, "? [1]\n: 2\n"],
)
def test_what_is_no_settings_file_is_empty(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == {}


def test_an_alias_bomb_is_bounded(tmp_path: Path) -> None:
    rows = ["a0: &a0 {x: 1, y: 2}"]
    rows += [f"a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(9))}}}" for i in range(1, 9)]
    assert len(read(tmp_path, "\n".join(rows))) <= MAX_SETTINGS


def test_absent(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")
    assert settings(Source(tmp_path / "log"), "args.yaml") == {}
