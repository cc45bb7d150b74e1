"""Faults put into the unmodified digits example are named first; its healthy setting is called healthy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.examples import EXAMPLES, diagnosed, edit, edited, summary


@pytest.mark.parametrize("seed", range(5))
def test_five_healthy_seeds(tmp_path: Path, seed: int):
    diagnosis = diagnosed(EXAMPLES / "digits_cnn.py", "--seed", str(seed), cwd=tmp_path)
    assert diagnosis.verdict.state == "healthy", summary(diagnosis)
    assert diagnosis.prescription.action in ("keep", "cooldown")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--lr", "0.6"], {"lr-too-high"}),
        (["--lr", "0.000002"], {"lr-too-low"}),
        (["--subset", "60", "--width", "64", "--epochs", "80"], {"overfitting", "memorisation-gap"}),
    ],
)
def test_a_plainly_wrong_setting_is_named_first(tmp_path: Path, arguments: list[str], names: set[str]):
    diagnosis = diagnosed(EXAMPLES / "digits_cnn.py", *arguments, cwd=tmp_path)
    assert diagnosis.verdict.state == "findings"
    assert diagnosis.findings[0].name in names, summary(diagnosis)


def test_missing_zero_grad_is_named_first(tmp_path: Path):
    script = edit(edited(tmp_path, "digits_cnn"), "            optimizer.zero_grad()\n", "")
    diagnosis = diagnosed(script, cwd=tmp_path)
    assert diagnosis.findings[0].name == "stale-gradients", summary(diagnosis)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AdamW(model.parameters()", "AdamW(__import__('copy').deepcopy(model).parameters()"),
        ("AdamW(model.parameters()", "AdamW(model[-1].parameters()"),
        ("    criterion = nn", "    model[:-1].requires_grad_(False)\n    criterion = nn"),
    ],
)
def test_frozen_layers_are_named_first(tmp_path: Path, old: str, new: str):
    script = edit(edited(tmp_path, "digits_cnn"), old, new)
    diagnosis = diagnosed(script, cwd=tmp_path)
    assert diagnosis.findings[0].name == "frozen-parameters", summary(diagnosis)
