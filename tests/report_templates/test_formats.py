"""`render`: destinations, formats, awkward runs, the same numbers everywhere, strangers' formats."""

from __future__ import annotations

import html
import io
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from traindoctor.errors import PluginError, RenderError, UsageError
from traindoctor.finding import Diagnosis
from traindoctor.report_templates import formats
from traindoctor.report_templates import number_format as fmt
from traindoctor.report_templates.formats import render

from . import diagnoses


@pytest.mark.parametrize("name", ["html", "md", "json"])
@pytest.mark.parametrize("case", list(diagnoses.AWKWARD))
def test_awkward_runs_render(case: str, name: str) -> None:
    stream = io.BytesIO()
    render(diagnoses.AWKWARD[case](), stream, name)
    text = stream.getvalue().decode("utf-8")
    if name == "json":
        assert json.loads(text)["format"] == 1
    else:
        assert len(text) > 300
        assert "Prescribed schedule" in text


def _plain_html(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", text))


def _plain_markdown(text: str) -> str:
    return html.unescape(re.sub(r"\\(.)", r"\1", text)).replace("**", "").replace("\u200b", "")


def test_numbers_are_the_same_in_every_format() -> None:
    diagnosis = diagnoses.realistic()
    written: dict[str, str] = {}
    for name in ("html", "md", "json"):
        stream = io.BytesIO()
        render(diagnosis, stream, name)
        written[name] = stream.getvalue().decode()
    document = json.loads(written["json"])
    pages = (_plain_html(written["html"]), _plain_markdown(written["md"]))
    for finding in document["findings"]:
        for name, value in finding["evidence"].items():
            shown = fmt.quantity(value, finding["units"][name])
            assert all(shown in page for page in pages), (name, shown)
    accuracy = fmt.percent(document["metrics"]["classification"]["accuracy"])
    peak = fmt.number(document["prescription"]["peak_lr"])
    steps = fmt.plural(document["run"]["steps"], "step")
    for expected in (accuracy, peak, steps, document["verdict"]["sentence"]):
        assert all(expected in page for page in pages), expected
    labels = r"best validation loss(\d[\d.]*)"
    best_html = re.search(labels, pages[0])
    assert best_html is not None
    assert f"| {best_html.group(1)} |" in pages[1]
    for entry in document["metrics"]["classification"]["per_class"]:
        assert all(fmt.padded(entry["recall"]) in page for page in pages)


def test_format_follows_the_ending(tmp_path: Path) -> None:
    for ending, start in (("html", "<!doctype html>"), ("md", "# "), ("json", "{")):
        path = tmp_path / "new" / f"report.{ending}"
        render(diagnoses.no_data(), path)
        assert path.read_text().startswith(start)
    assert {p.name for p in (tmp_path / "new").iterdir()} == {"report.html", "report.md", "report.json"}


def test_text_streams_take_text_only() -> None:
    stream = io.StringIO()
    render(diagnoses.no_data(), stream, "md")
    assert stream.getvalue().startswith("# ")
    with pytest.raises(UsageError, match="binary stream"):
        render(diagnoses.no_data(), io.StringIO(), "pdf")


def test_unknown_format_and_ending() -> None:
    with pytest.raises(UsageError, match="did you mean html"):
        render(diagnoses.no_data(), io.BytesIO(), "htlm")
    with pytest.raises(UsageError, match="name the format"):
        render(diagnoses.no_data(), "report.docx")


def test_an_unwritable_place_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RenderError, match="choose another place"):
        render(diagnoses.no_data(), tmp_path / "file" / "report.json")


def test_a_failed_report_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def fail(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(RenderError, match="No space left"):
        render(diagnoses.no_data(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "old"


def _plugins(monkeypatch: pytest.MonkeyPatch, loaded: Mapping[str, Any], broken: Mapping[str, str]) -> None:
    monkeypatch.setattr(formats, "load_plugins", lambda group: (dict(loaded), dict(broken)))


def test_a_strangers_format(monkeypatch: pytest.MonkeyPatch) -> None:
    def shout(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
        return diagnosis.verdict.sentence.upper().encode()

    _plugins(monkeypatch, {"shout": shout}, {})
    stream = io.StringIO()
    render(diagnoses.healthy(), stream, "shout")
    assert stream.getvalue() == "NOTHING WAS FOUND."
    assert formats.format_names() == (*formats.BUILT_INS, "shout")


def test_a_strangers_broken_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _plugins(
        monkeypatch, {"bad": lambda d, m: 1 / 0, "wrong": lambda d, m: "text"}, {"gone": "plugin 'gone'"}
    )
    for name, sentence in (
        ("bad", "ZeroDivisionError"),
        ("wrong", "expected bytes"),
        ("gone", "plugin 'gone'"),
    ):
        with pytest.raises(PluginError, match=sentence):
            render(diagnoses.no_data(), io.BytesIO(), name)


def test_importing_loads_neither_drawing_nor_torch() -> None:
    code = (
        "import sys, traindoctor.report_templates.formats; "
        "print([m for m in ('matplotlib', 'jinja2', 'weasyprint', 'torch', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rendering_never_loads_pyplot(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom traindoctor.finding import Diagnosis, Verdict\n"
        "from traindoctor.run import Run, Series\n"
        "from traindoctor.report_templates.formats import render\nimport numpy as np\n"
        "run = Run('r', 'r', {'loss/train': Series(np.arange(9), np.arange(9.0))})\n"
        f"render(Diagnosis(run, Verdict('healthy', 'Fine.')), {str(tmp_path / 'r.html')!r})\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
