"""The public names, what importing them costs, and what the wheel would hold."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import traindoctor

ROOT = Path(__file__).resolve().parents[2]


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
    )


@pytest.mark.parametrize(
    "statement", ["import traindoctor", "import traindoctor.cli", "from traindoctor import Run, Finding"]
)
def test_importing_loads_nothing_heavy(statement: str):
    heavy = {"torch", "pandas", "matplotlib", "sklearn", "weasyprint", "scipy", "jinja2"}
    assert not heavy & modules_after(statement)


def test_analysing_and_rendering_never_import_torch():
    loaded = modules_after(
        "import traindoctor.analyzer.engine, traindoctor.analyzer.schedule, "
        "traindoctor.report_templates.formats, "
        "traindoctor.collectors.importers.native"
    )
    assert "torch" not in loaded


def test_every_detector_is_reachable_by_name():
    found = traindoctor.detectors()
    assert {"Plateau", "Overfitting", "FrozenParameters"} <= set(found)
    assert all(getattr(traindoctor, name) is found[name] for name in found)
    assert set(found) <= set(dir(traindoctor))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Plateauu"):
        traindoctor.Plateauu  # noqa: B018


def test_the_wheel_lists_every_folder_that_holds_python():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {"traindoctor"}
    for wing in ("analyzer", "collectors", "report_templates"):
        for init in (ROOT / wing).rglob("__init__.py"):
            folders.add(".".join(("traindoctor", *init.parent.relative_to(ROOT).parts)))
    assert folders == set(listed)


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert version("traindoctor") == traindoctor.__version__
