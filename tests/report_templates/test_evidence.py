"""The plots inside findings: one for each built-in check, zoomed, marked with numbers of the evidence."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest

import traindoctor
from traindoctor import names
from traindoctor.analyzer.catalog import CATALOG
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.report_templates import number_format as fmt
from traindoctor.report_templates.chart_model import Stack
from traindoctor.report_templates.evidence_views import PLACES, VIEWS, WITHOUT
from traindoctor.report_templates.page import build_page
from traindoctor.report_templates.page_evidence import WIDTH, evidence_figure, evidence_value
from traindoctor.report_templates.page_findings import finding_cards
from traindoctor.run import Run, RunInfo, Series

from . import diagnoses
from .diagnoses import series


def stack_of(run: Run, finding: Finding) -> Stack:
    figure = evidence_figure(run, finding, "finding-1", "A message")
    assert figure is not None
    assert figure.title == "A message"
    assert isinstance(figure.drawing, Stack)
    return figure.drawing


def test_every_check_has_a_plot_or_a_reason() -> None:
    codes = {detector.code for detector in CATALOG}
    assert set(VIEWS) | WITHOUT == codes
    assert not set(VIEWS) & WITHOUT


@pytest.mark.parametrize("code", sorted(VIEWS))
def test_what_is_marked_is_evidence_of_that_check(code: str) -> None:
    detector = next(one for one in CATALOG if one.code == code)
    source, view = inspect.getsource(inspect.getmodule(detector)), VIEWS[code]  # type: ignore[arg-type]
    marked = {*(view.levels or ()), *view.moments, *(view.point or ()), *([view.focus] if view.focus else [])}
    assert [name for name in sorted(marked) if f'"{name}"' not in source] == []
    assert set(view.moments) <= PLACES
    assert all(0 <= index < len(view.panels) for index in (view.levels or {}).values())


def spiked() -> Run:
    rng = np.random.default_rng(0)
    loss = 0.5 + 1.5 * np.exp(-np.arange(4000) / 500) + 0.02 * rng.normal(size=4000)
    loss[2500:2560] += 3.0
    return Run("r", "r", {names.LOSS_TRAIN: series(loss)}, info=RunInfo(status="finished"))


def test_a_spike_is_shown_from_close_by() -> None:
    diagnosis = traindoctor.diagnose(spiked())
    finding = next(one for one in diagnosis.findings if one.code == "TD104")
    drawing = stack_of(diagnosis.run, finding)
    first, last = drawing.x_limits
    assert drawing.is_fixed
    assert drawing.width == WIDTH
    assert first < 2500 < 2559 < last
    assert last - first < 400
    (panel,) = drawing.panels
    (span,) = (mark for mark in panel.marks if mark.kind == "span")
    assert (span.first, span.last) == (finding.first_step, finding.last_step)
    (moment,) = (mark for mark in panel.marks if mark.kind == "moment")
    assert moment.first == finding.evidence["worst at"]
    assert moment.label == f"worst at step {fmt.count(moment.first)}"
    (curve,) = panel.curves
    assert (
        max(curve.y.max(), curve.high.max(initial=-np.inf))
        == diagnosis.run.series[names.LOSS_TRAIN].values.max()
    )


def test_levels_stand_at_the_numbers_of_the_table() -> None:
    run = diagnoses.overfitting_run()
    diagnosis = traindoctor.diagnose(run)
    card = next(card for card in finding_cards(diagnosis) if card.code == "TD401")
    finding = next(one for one in diagnosis.findings if one.code == "TD401")
    assert card.figure is not None
    assert isinstance(card.figure.drawing, Stack)
    marks = {mark.kind: mark for mark in card.figure.drawing.panels[0].marks}
    assert marks["level"].y == finding.evidence["final"]
    assert marks["level"].label == f"final {fmt.number(finding.evidence['final'], 3)}"
    assert (marks["point"].first, marks["point"].y) == (finding.evidence["best at"], finding.evidence["best"])
    assert card.figure.id in {figure.id for figure in build_page(diagnosis).figures}


def finding(
    code: str, first: int, last: int, evidence: dict[str, float], unit: str = "loss units"
) -> Finding:
    units = dict.fromkeys(evidence, unit)
    return Finding(code, "x", Severity.WARNING, 0.9, first, last, "It is.", evidence, units, Remedy("Do."))


def test_a_metric_is_shown_where_the_evidence_is_about_one() -> None:
    at = np.arange(9, 1000, 10)
    accuracy = Series(at, np.where(at < 500, at / 600, 0.1))
    run = Run("r", "r", {names.LOSS_TRAIN: series(np.ones(1000)), names.ACCURACY_VALIDATION: accuracy})
    found = finding("TD409", 500, 999, {"best": 0.8, "final": 0.1, "nothing or chance": 0.1}, "fraction")
    assert stack_of(run, found).panels[0].curves[0].y.max() == accuracy.values.max()
    beyond = replace(found, evidence={"best": 12.0, "final": 0.1, "nothing or chance": 0.1})
    assert evidence_figure(run, beyond, "finding-1", "") is None, "no metric of the log reaches 12"


def test_no_plot_where_nothing_was_recorded() -> None:
    run = diagnoses.no_data().run
    for code in VIEWS:
        assert evidence_figure(run, finding(code, 0, 0, {"level": 1.0}), "finding-1", "") is None
    assert evidence_figure(diagnoses.overfitting_run(), finding("XX100", 0, 9, {"a": 1.0}), "f", "") is None


def test_a_place_is_no_length() -> None:
    assert evidence_value("optimizer steps", "since", 1.0, "steps") == "step 1"
    assert evidence_value("epochs", "best at", 12.0, "epochs") == "epoch 12"
    assert evidence_value("optimizer steps", "length", 1.0, "steps") == "1 step"
    assert evidence_value("optimizer steps", "at", 3.0, "s") == "3 s"
