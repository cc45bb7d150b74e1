"""The report of a hyper-parameter search in every format."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.analyzer.search.studies import LR, lr_study, with_trials
from traindoctor.analyzer.search.summary import summarise
from traindoctor.finding import Diagnosis, Verdict
from traindoctor.report_templates.chart_model import Scatter
from traindoctor.report_templates.figures import figure_svg
from traindoctor.report_templates.formats import render
from traindoctor.report_templates.page import build_page
from traindoctor.search import Parameter, Search, Study, Trial

from . import diagnoses
from .schema_check import violations

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "diagnosis.schema.json").read_text())


def rich_study() -> Study:
    study = lr_study(24)
    batch = Parameter("batch_size", "choice", choices=("16", "64"))
    trials = tuple(
        replace(trial, parameters={**trial.parameters, "batch_size": ("16", "64")[k % 2]}, seconds=2.0)
        for k, trial in enumerate(study.trials)
    )
    return with_trials(
        replace(
            study, parameters=(LR, batch), trials=trials, command=("train.py", "--lr", "{lr:log:1e-5:1}")
        ),
        Trial(24, "diverged", {"lr": 0.9, "batch_size": "16"}, value=4.6, why="ended as nan"),
        Trial(
            25, "pruned", {"lr": 1e-4, "batch_size": "64"}, value=2.1, reports=((1.0, 2.1),), why="Hyperband"
        ),
        Trial(26, "failed", {"lr": 0.1, "batch_size": "64"}, why="no memory"),
    )


def diagnosis_of(search: Search) -> Diagnosis:
    return replace(diagnoses.realistic(), search=search, verdict=Verdict("healthy", search.sentence))


def rendered(search: Search, name: str) -> str:
    stream = io.BytesIO()
    render(diagnosis_of(search), stream, name)
    return stream.getvalue().decode()


@pytest.fixture(scope="module")
def search() -> Search:
    return summarise(rich_study())


def test_the_page_holds_everything_the_search_says(search: Search) -> None:
    page = build_page(diagnosis_of(search))
    assert page.headline.state == "Best found"
    assert page.sections[0].id == "search"
    tables = {block.caption: block for block in page.sections[0].blocks if block.kind == "table"}
    assert len(tables["Trials, best first"].rows) == 27
    assert tables["Trials, best first"].rows[0][0] == str(search.best.number)
    assert {row[0] for row in tables["Importance of the parameters"].rows} == {"lr", "batch_size"}
    assert "27 trials" in page.headline.subtitle[0]


def test_figures_show_each_state_by_its_own_mark(search: Search) -> None:
    page = build_page(diagnosis_of(search))
    figures = {figure.id: figure for figure in page.figures}
    drawing = figures["search"].drawing
    assert isinstance(drawing, Scatter)
    assert [(points.shape, len(points.x)) for points in drawing.points] == [
        ("dot", 24),
        ("ring", 1),
        ("cross", 1),
    ]
    svg = figure_svg(figures["search"]).svg
    for label in ("completed", "pruned (last value)", "diverged", "divergence begins", "best trial"):
        assert label in svg
    assert "batch_size 64" in figure_svg(figures["interaction"]).svg


def test_json_fits_the_schema(search: Search) -> None:
    document = json.loads(rendered(search, "json"))
    assert violations(document, SCHEMA, SCHEMA) == []
    assert set(document["search"]) == set(SCHEMA["properties"]["search"]["properties"])
    assert [trial["state"] for trial in document["search"]["trials"]].count("diverged") == 1


def test_the_numbers_are_the_same_in_html_and_markdown(search: Search) -> None:
    html, markdown = rendered(search, "html"), rendered(search, "md")
    sentence = re.search(r"Best lr: [^(]+", markdown).group().replace("\xa0", " ").rstrip(", ")
    assert sentence.split(",")[0] in html
    assert "python train.py --lr" in html
    assert "python train.py --lr" in markdown


def test_a_search_without_a_result_and_with_hostile_names() -> None:
    empty = summarise(Study("s", "lower", "loss", (LR,), (Trial(0, "diverged", {"lr": 1.0}),)))
    assert build_page(diagnosis_of(empty)).headline.state == "No result"
    parameters = tuple(Parameter(name, "choice", choices=diagnoses.HOSTILE) for name in diagnoses.HOSTILE)
    values = dict(zip(diagnoses.HOSTILE, diagnoses.HOSTILE, strict=True))
    trials = tuple(Trial(k, "complete", values, value=float(k), why=diagnoses.HOSTILE[0]) for k in range(3))
    hostile = summarise(Study(diagnoses.HOSTILE[0], "lower", diagnoses.HOSTILE[3], parameters, trials))
    for name in ("html", "md", "json"):
        assert "<script>alert(1)" not in rendered(hostile, name).replace("\\u003c", "<") or name == "json"
