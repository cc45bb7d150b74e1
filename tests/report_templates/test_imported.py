"""Reports of logs of other tools: metrics with their direction, x units, the source's names, hostile ones."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from tests import foreign
from tests.report_templates.diagnoses import HOSTILE
from traindoctor.analyzer.catalog import CATALOG
from traindoctor.analyzer.engine import diagnose
from traindoctor.report_templates.formats import render
from traindoctor.report_templates.page import build_page

X = foreign.epochs(40)
STEP = re.compile(r"\bsteps?\b(?!\()", re.IGNORECASE)


def detector_log(**info):
    names = {"map50_95_b/validation": "metrics/mAP50-95(B)", "box_loss/train": "train/box_loss"}
    return foreign.imported(
        {
            "loss/train": (X, foreign.falling(40)),
            "loss/validation": (X, foreign.turning(40, 14, 2.0, 0.6, 1.5)),
            "map50_95_b/validation": (X, foreign.turning(40, 16, 0.01, 0.4, 0.3)),
            "wer/validation": (X, foreign.falling(40)),
            "quux/validation": (X, foreign.falling(40)),
            "box_loss/train": (X, foreign.falling(40)),
            "lr/0": (X, np.linspace(0.01, 0.0001, 40)),
        },
        better={"map50_95_b/validation": "higher", "wer/validation": "lower"},
        source_names=names,
        source="Ultralytics results.csv",
        path="runs/train/results.csv",
        diagnostics=("2 rows were torn (first at line 7)",),
        **info,
    )


def written(run, form="md"):
    stream = io.BytesIO()
    render(diagnose(run), stream, form)
    return stream.getvalue().decode()


def section(run, name):
    return next(s for s in build_page(diagnose(run)).sections if s.id == name)


def test_metrics_have_panels_that_tell_their_direction():
    figure = section(detector_log(), "curves").blocks[0]
    labels = [panel.y_label for panel in figure.drawing.panels]
    assert labels[0] == "loss"
    assert labels[1] == "metrics/mAP50-95(B) (higher is better)"
    assert "source wer/validation (lower is better)" in labels
    assert "source quux/validation (direction unknown)" in labels
    assert not [label for label in labels if "box_loss" in label]


def test_component_losses_and_origins_stand_in_tables():
    values, origins = section(detector_log(), "series").blocks
    assert [row[0] for row in values.rows] == ["box_loss/train"]
    assert ("map50_95_b/validation", "metrics/mAP50-95(B)", "40", "epochs 1 to 40", "") in origins.rows
    assert origins.is_folded


def test_the_run_is_told_in_the_words_of_its_log():
    text = written(detector_log())
    assert "Ultralytics results.csv" in text
    assert "epochs 1 to 40" in text
    assert "2 rows were torn" in text
    assert "best metrics/mAP50-95\\(B\\)" in text


def test_no_page_says_step_where_the_log_counts_epochs():
    page = build_page(diagnose(detector_log()))
    words = [page.headline.verdict, *page.headline.subtitle, page.headline.top_action]
    words += [fact.note for fact in page.headline.key_numbers.items]
    for part in page.sections:
        for block in part.blocks:
            words += [
                getattr(block, name, "") for name in ("title", "caption", "text", "note", "span", "detail")
            ]
            words += [cell for row in getattr(block, "rows", ()) for cell in row if isinstance(cell, str)]
            words += [column.title for column in getattr(block, "columns", ())]
    words = [word for word in words if word not in {detector.name for detector in CATALOG}]
    mentions = [w for w in words if STEP.search(w) and "optimizer steps" not in w and "stale" not in w]
    assert mentions == []


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_hundreds_of_hostile_series_break_nothing(form):
    names = [f"{HOSTILE[i % len(HOSTILE)]}{i}/validation" for i in range(500)]
    series = {name: (X, np.linspace(0.0, 1.0 + i, 40)) for i, name in enumerate(names)}
    run = foreign.imported(
        {"loss/train": (X, foreign.falling(40)), **series},
        better=dict.fromkeys(names, "higher"),
        source_names={name: name for name in names},
        source=HOSTILE[0],
        x_unit=HOSTILE[-1],
    )
    text = written(run, form)
    assert len(text) < 2_000_000
    if form != "json":
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_a_log_of_one_metric_or_of_nothing_has_a_page():
    only = foreign.imported(
        {"bleu/validation": (X, np.linspace(1.0, 30.0, 40))}, better={"bleu/validation": "higher"}
    )
    assert "best source bleu" in written(only)
    assert "Not assessable" in written(foreign.imported({}))
