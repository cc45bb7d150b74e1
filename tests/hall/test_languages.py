"""Reports in another language: nothing English is left, JSON stays as it is, and who chooses."""

from __future__ import annotations

import doctest
import html
import io
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

import traindoctor
from tests import runs
from tests.report_templates import diagnoses
from traindoctor import diagnose, render
from traindoctor import run as run_module
from traindoctor.analyzer.catalog import CATALOG
from traindoctor.cli import cli
from traindoctor.comparing import compare
from traindoctor.errors import UsageError
from traindoctor.report_templates.comparison_formats import comparison_bytes
from traindoctor.report_templates.language import LANGUAGES, speaking
from traindoctor.report_templates.pull_request import pull_request_text
from traindoctor.run import Run
from traindoctor.text import Text

from . import comparisons

NOT_PROSE = re.compile(
    r"`[^`]*`|\b(?:traindoctor|torch|optimizer|scheduler|model|loss)[.][\w.()=]+|\btraindoctor\b"
    r"|\bPASS\b|\b[A-Z][A-Za-z]*(?:[A-Z]\w*)+\b|--[\w-]+|\w+[-_.]\w[\w.-]*|\bln\b|\bR²"
    r"|Theil-Sen|Mann-Kendall|He|Xavier|Adam|SGD|ROC AUC|test accuracy"
)
"""Quoted code, names from PyTorch, options, identifiers, names of people and methods."""
ENGLISH = re.compile(r"[A-Za-z]{2,}(?:[ ,:;]+[A-Za-z]{2,})+")
"""Two words in a row."""


def visible(page: bytes) -> str:
    """What a reader sees of an HTML page, without code and without names that a log brought."""
    text = page.decode("utf-8")
    for element in ("style", "script", "pre"):
        text = re.sub(rf"<{element}\b.*?</{element}>", " | ", text, flags=re.DOTALL)
    text = re.sub(r"</?(?:bdi|strong|em|span|b)\b[^>]*>", "", text)
    return html.unescape(re.sub(r"<[^>]*>", " | ", text))


def english(text: str, *names: str) -> list[str]:
    """Stretches of English prose."""
    for name in names:
        text = text.replace(name, "|")
    text = re.sub(r" {2,}", "|", text)  # columns of a table
    return [found for found in ENGLISH.findall(NOT_PROSE.sub("|", text)) if found.strip()]


def example_runs(detector: object) -> list[Run]:
    """The runs of the example in a detector's documentation."""
    module = __import__(type(detector).__module__, fromlist=["x"])
    found = doctest.DocTestFinder(recurse=False).find(
        type(detector), globs={"np": np, **vars(run_module), **vars(module)}
    )
    made: list[Run] = []
    for test in found:
        doctest.DocTestRunner(verbose=False).run(test, out=lambda text: None, clear_globs=False)
        made += [value for value in test.globs.values() if isinstance(value, Run)]
        for example in test.examples:  # many examples build their run inside the last expression
            source = re.search(r"\bRun\(.*", example.source, re.DOTALL)
            if source and not made:
                made += [run for run in [_evaluated(source.group(), test.globs)] if run is not None]
    return made


def _evaluated(source: str, globs: dict[str, object]) -> Run | None:
    """The first balanced call at the beginning of a text."""
    depth = 0
    for at, character in enumerate(source):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == ")" and depth == 0:
            value = eval(source[: at + 1], {"Run": Run, **globs})  # our own documentation
            return value if isinstance(value, Run) else None
    return None


def rendered(diagnosis: object, format: str, language: str) -> bytes:
    stream = io.BytesIO()
    render(diagnosis, stream, format, language=language)  # type: ignore[arg-type]
    return stream.getvalue()


DRAWN = (runs.healthy_run, runs.nan_run, runs.overfitted_run)
TOLD = (
    runs.diverged_run,
    runs.spiked_run,
    runs.plateaued_run,
    runs.unlearning_run,
    runs.marginal_run,
    runs.memorised_run,
    runs.improving_run,
)


@pytest.mark.parametrize("make", DRAWN, ids=lambda make: make.__name__)
def test_no_english_prose_is_left_on_a_chinese_page(make):
    run = make()
    left = english(visible(rendered(diagnose(run), "html", "zh")), run.name, *run.series)
    assert not left, left


@pytest.mark.parametrize("make", TOLD, ids=lambda make: make.__name__)
def test_no_english_prose_is_left_in_chinese_markdown(make):
    run = make()
    text = re.sub(r"```.*?```", "|", rendered(diagnose(run), "md", "zh").decode(), flags=re.DOTALL)
    left = english(re.sub(r"<[^>]*>", "|", html.unescape(text.replace("\\", ""))), run.name, *run.series)
    assert not left, left


@pytest.mark.parametrize("detector", CATALOG, ids=lambda detector: detector.code)
def test_what_a_check_says_of_its_own_example_is_chinese(detector):
    made = example_runs(detector)
    for run in made[:1]:
        diagnosis = diagnose(run, select=[detector.code])
        for found in diagnosis.findings:
            assert isinstance(found.message, Text)
            assert isinstance(found.remedy.text, Text) or not found.remedy.text
        assert all(isinstance(skipped.why, Text) for skipped in diagnosis.skipped)
        left = english(rendered(diagnosis, "text", "zh").decode(), run.name, detector.name)
        assert not left, left


def test_the_examples_of_most_checks_are_reached():
    assert sum(bool(example_runs(detector)) for detector in CATALOG) >= 0.9 * len(CATALOG)


@pytest.mark.parametrize("name", ["proven", "healthy", "no_data", "single_step", "nan_losses"])
def test_layout_of_gold_diagnoses_is_chinese(name):
    diagnosis = getattr(diagnoses, name)()
    own = [diagnosis.verdict.sentence, *diagnosis.prescription.assumptions, *diagnosis.prescription.falsify]
    own += [
        diagnosis.prescription.why,
        *(skipped.why for skipped in diagnosis.skipped),
        *diagnosis.passed.values(),
    ]
    own += [
        text
        for f in diagnosis.findings
        for text in (f.message, f.remedy.text, f.name, *(name.replace("_", " ") for name in f.evidence))
    ]
    proof = diagnosis.prescription.proof
    own += [proof.why, *proof.notes] if proof else []
    own += [str(diagnosis.metrics.get("classification", {}).get("source", ""))]
    own += [*diagnosis.run.info.diagnostics, *diagnosis.run.series, diagnosis.run.name]
    sentences = [part for text in own for part in re.split(r"(?<=\.)\s+|(?<=\.)$", str(text)) if part]
    page = visible(rendered(diagnosis, "html", "zh"))
    left = english(page, *sorted({s.rstrip(".") for s in sentences if s}, key=len, reverse=True))
    assert not left, left


def test_comparison_and_pull_request_are_chinese():
    a, b = (comparisons.diagnosis(comparisons.run(name, n=n)) for name, n in (("a", 200), ("b", 400)))
    found = compare([a, b])
    with speaking("zh"):
        texts = [visible(comparison_bytes(found, "html")), comparison_bytes(found, "text").decode()]
        texts.append(pull_request_text(traindoctor.diagnose(runs.overfitted_run())))
    for text in texts:
        text = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL)
        left = english(text, *a.run.series, a.verdict.sentence, b.verdict.sentence.rstrip("."))
        assert not left, left


def test_notes_of_the_recorder_are_translated_as_it_writes_them():
    from traindoctor.collectors.recorders.inferences import EPOCHS, TRAINING_LOSS, evaluated
    from traindoctor.report_templates.stored_sentences import told_again

    notes = [TRAINING_LOSS, EPOCHS]
    notes += [
        evaluated("mse_loss", has_loader=a, in_evaluation_mode=b)
        for a in (True, False)
        for b in (True, False)
    ]
    for note in notes:
        assert told_again(note) == note
        with speaking("zh"):
            assert not english(told_again(note)), told_again(note)


def test_json_is_english_in_every_language():
    diagnosis = diagnose(runs.overfitted_run())
    assert rendered(diagnosis, "json", "zh") == rendered(diagnosis, "json", "en")
    assert json.loads(rendered(diagnosis, "json", "zh"))["findings"][0]["message"].startswith(
        "The model overfits"
    )


def test_numbers_of_both_languages_are_the_same():
    diagnosis = diagnose(runs.overfitted_run())
    pages = [visible(rendered(diagnosis, "html", language)) for language in LANGUAGES]
    facts = [re.findall(r"\d[\d,]*\.\d+(?:e-?\d+)?", page) for page in pages]
    assert sorted(facts[0]) == sorted(facts[1])
    assert len(facts[0]) > 50


def test_the_page_says_its_language():
    diagnosis = diagnose(runs.healthy_run())
    assert b'<html lang="zh-Hans">' in rendered(diagnosis, "html", "zh")
    assert b'<html lang="en">' in rendered(diagnosis, "html", "en")
    assert not re.search(r"[\u4e00-\u9fff]", rendered(diagnosis, "html", "en").decode())


def test_an_unknown_language_is_an_error_that_names_the_known_ones():
    with pytest.raises(UsageError, match="expected a language out of en, zh, found 'fr'"):
        rendered(diagnose(runs.healthy_run()), "md", "fr")


def test_option_environment_and_project_choose_the_language(tmp_path, monkeypatch):
    rows = "\n".join(f"{step},{2.3 * 0.99**step:.6g}" for step in range(300))
    (tmp_path / "log.csv").write_text(f"step,loss\n{rows}\n")
    (tmp_path / "pyproject.toml").write_text('[tool.traindoctor]\nlang = "zh"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINDOCTOR_LANG", raising=False)

    def is_chinese(*arguments: str) -> bool:
        found = CliRunner().invoke(cli, list(arguments))
        assert found.exit_code in (0, 3), found.output
        return bool(re.search(r"[\u4e00-\u9fff]", found.output))

    assert is_chinese("check", "log.csv")
    assert is_chinese("report", "log.csv", "--format", "md", "-o", "-")
    assert is_chinese("compare", "log.csv", "log.csv")
    assert is_chinese("comment", "log.csv", "--dry-run")
    monkeypatch.setenv("TRAINDOCTOR_LANG", "en")
    assert not is_chinese("check", "log.csv")
    assert is_chinese("check", "log.csv", "--lang", "zh")
    (tmp_path / "pyproject.toml").write_text('[tool.traindoctor]\nlang = "chinese"\n')
    refused = CliRunner().invoke(cli, ["check", "log.csv"])
    assert "expected one of en, zh for lang, found 'chinese'" in str(refused.exception)
