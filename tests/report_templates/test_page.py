"""The page: what stands on it, in which order, and how findings fold."""

from __future__ import annotations

import doctest
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from traindoctor import names
from traindoctor.finding import Diagnosis, Finding, Remedy, Severity, Verdict
from traindoctor.report_templates import markdown, number_format, page_findings
from traindoctor.report_templates.page import build_page
from traindoctor.report_templates.page_classification import classification_section
from traindoctor.report_templates.page_findings import finding_cards
from traindoctor.report_templates.page_model import Figure, Spark, Table
from traindoctor.run import Run, RunInfo

from . import diagnoses


@pytest.mark.parametrize("module", [number_format, page_findings, markdown])
def test_examples_in_docstrings(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def _texts(diagnosis: Diagnosis) -> dict[str, str]:
    return {fact.label: fact.value for fact in build_page(diagnosis).headline.key_numbers.items}


def test_sections_in_order() -> None:
    page = build_page(diagnoses.realistic(), {"TD401": "How."})
    assert [section.id for section in page.sections] == [
        "findings",
        "prescription",
        "recognised",
        "curves",
        "parameters",
        "classification",
        "run",
        "passed",
        "skipped",
        "methods",
    ]
    assert [figure.id for figure in page.figures] == [
        "overview",
        "evidence-finding-1",
        "evidence-finding-2",
        "evidence-finding-4",
        "schedule",
        "curves",
        "heat-update-ratio",
        "heat-grad-norm",
        "heat-weight-rms",
        "confusion",
        "curves-pr-roc",
    ]


def test_an_empty_run_still_has_a_page() -> None:
    page = build_page(diagnoses.no_data())
    assert [section.id for section in page.sections] == ["findings", "prescription", "recognised", "run"]
    assert page.figures == ()
    assert page.headline.title == "empty"
    assert page.headline.checks == "0 checks run · 0 passed · 0 found · 0 could not run"


def test_page_one() -> None:
    head = build_page(diagnoses.realistic()).headline
    assert head.checks == "13 checks run · 9 passed · 4 found · 1 could not run"
    assert head.subtitle == (
        "finished", "20,000 steps", "40 epochs", "2 h 52 min", "SGD",
        "commit 3f9a1c07d2 (main, with uncommitted changes)",
    )  # fmt: skip
    assert head.top is not None
    assert head.top.title == "Overfitting from step 11,499"
    assert head.top.severity == "Critical"
    assert head.tone == "critical"


def test_page_one_says_nothing_twice() -> None:
    diagnosis = diagnoses.realistic()
    first = diagnosis.findings[0]
    both = Verdict("findings", f"{first.message} {first.remedy.text}")
    head = build_page(replace(diagnosis, verdict=both)).headline
    assert (head.top_title, head.top_action) == ("overfitting", "")
    other = build_page(diagnosis).headline
    assert other.top_title == "Overfitting from step 11,499"
    assert other.top_action.startswith("Stop near step 11,499")


def test_key_numbers_come_from_the_run() -> None:
    validation = diagnoses.series([3.0, 1.0, 2.0], [9, 49, 99])
    run = Run("r", "r", {names.LOSS_VALIDATION: validation, names.LOSS_TRAIN: diagnoses.series(np.ones(100))})
    run = replace(run, info=RunInfo(seconds=200.0))
    facts = build_page(diagnoses.of_run(run)).headline.key_numbers.items
    assert [(fact.label, fact.value, fact.note.replace("\u00a0", " ")) for fact in facts] == [
        ("best validation loss", "1", "at step 49"),
        ("final validation loss", "2", "100 % above the best"),
        ("trained past best", "50\u00a0%", "1 min 40 s"),
        ("final training loss", "1", "median of the last 5 %"),
    ]


def _finding(code: str, explains: tuple[str, ...] = ()) -> Finding:
    return Finding(code, code, Severity.INFO, 0.5, 0, 1, f"{code}.", {}, {}, Remedy(""), explains)


def _tree(*found: Finding) -> list[object]:
    def shape(card: object) -> object:
        children = getattr(card, "symptoms", ())
        return (
            (getattr(card, "code", ""), [shape(c) for c in children])
            if children
            else getattr(card, "code", "")
        )

    diagnosis = replace(diagnoses.no_data(), findings=found)
    return [shape(card) for card in finding_cards(diagnosis)]


def test_symptoms_fold_beneath_the_first_cause() -> None:
    assert _tree(_finding("A", ("B", "C")), _finding("B"), _finding("C"), _finding("D", ("B",))) == [
        ("A", ["B", "C"]),
        "D",
    ]


def test_chains_and_circles_lose_no_finding() -> None:
    assert _tree(_finding("A", ("B",)), _finding("B", ("C",)), _finding("C")) == [("A", [("B", ["C"])])]
    assert _tree(_finding("A", ("B",)), _finding("B", ("A",))) == [("A", ["B"])]
    assert _tree(_finding("A", ("A",))) == ["A"]


def test_rows_are_as_wide_as_their_columns() -> None:
    for make in (diagnoses.realistic, *diagnoses.AWKWARD.values()):
        tables = [
            block if isinstance(block, Table) else block.table
            for section in build_page(make()).sections
            for block in section.blocks
            if isinstance(block, (Table, Figure))
        ]
        for table in tables:
            assert table is None or {len(row) for row in table.rows} <= {len(table.columns)}


def test_outliers_put_the_frozen_parameter_first() -> None:
    page = build_page(diagnoses.realistic())
    section = next(section for section in page.sections if section.id == "parameters")
    table = section.blocks[1]
    assert isinstance(table, Table)
    assert table.rows[0][0] == "fc1.weight"
    assert table.rows[0][2] == "0"
    assert isinstance(table.rows[0][-1], Spark)


def test_most_confused_pair_first() -> None:
    section = classification_section(diagnoses.classification())
    assert section is not None
    pairs = next(b for b in section.blocks if isinstance(b, Table) and b.caption == "Most confused pairs")
    assert pairs.rows[0][:3] == ("cat", "dog", "31")


@pytest.mark.parametrize("missing", [*diagnoses.classification()["classification"], None])
def test_any_key_of_the_metrics_may_be_missing(missing: str | None) -> None:
    metrics = diagnoses.classification()
    group = metrics["classification"]
    if missing:
        group[missing] = None
    without = {key: value for key, value in group.items() if value is not None}
    for variant in (group, without):
        assert classification_section({"classification": variant}) is not None


def test_metrics_that_are_not_what_they_should_be() -> None:
    assert classification_section({}) is None
    assert classification_section({"classification": "text"}) is None
    assert classification_section({"classification": {"confusion_matrix": [[1, 2]], "accuracy": "x"}}) is None
    odd = {"pr": [{"class": "a", "precision": [1.0], "recall": [0.0, float("nan")]}], "accuracy": 0.5}
    assert classification_section({"classification": odd}) is not None


def test_unscored_predictions_say_why() -> None:
    section = classification_section({"classification_unavailable": "the predictions could not be scored: x"})
    assert section is not None
    assert "could not be scored" in str(section.blocks[0])
