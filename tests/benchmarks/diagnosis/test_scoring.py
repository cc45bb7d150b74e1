"""Tests of the counts: Wilson interval, labels, what counts as the right cause."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.diagnosis.configuration import Config, draw
from benchmarks.diagnosis.faults import FAULTS, fault_named, kinds_of
from benchmarks.diagnosis.scoring import (
    Share,
    by_detector,
    cause_first,
    false_alarms,
    faulty,
    judge,
    onset,
    onset_errors,
    recall,
)
from benchmarks.diagnosis.table import render
from benchmarks.diagnosis.tasks import SPLITS, TASKS, tasks_of
from benchmarks.diagnosis.trials import Trial, is_worse, natural_fault, plan
from traindoctor.finding import Diagnosis, Finding, Remedy, Severity, Skipped, Verdict
from traindoctor.run import Run


def test_wilson_interval_of_a_textbook_case():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263
    low, high = Share(81, 263).interval
    assert low == pytest.approx(0.2553, abs=5e-5)
    assert high == pytest.approx(0.3662, abs=5e-5)


def test_wilson_interval_at_the_ends():
    assert Share(0, 20).interval == pytest.approx((0.0, 0.1611), abs=5e-5)  # Newcombe 1998, 0 of 20
    assert Share(20, 20).interval == pytest.approx((0.8389, 1.0), abs=5e-5)
    assert Share(0, 0).interval == (0.0, 1.0)
    assert str(Share(0, 0)) == "0/0"


def finding(code: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(code, code, severity, 0.9, 0, 1, "message", {}, {}, Remedy("remedy"))


def trial(fault: str, *, harmful: bool = True, held_out: bool = False) -> Trial:
    return Trial(
        fault or "healthy",
        Run("0", "0"),
        "moons",
        draw("tune", 1),
        fault,
        harmful and bool(fault),
        0.5,
        0.5,
        "healthy",
        held_out,
    )


def judged(one: Trial, *found: Finding):
    said = Diagnosis(one.run, Verdict("findings", ""), found, (Skipped("TD999", "x", "no data"),))
    return judge(one, lambda run: said)


def test_counts():
    note = finding("TD106", Severity.INFO)
    judgements = [
        judged(trial("")),
        judged(trial(""), note),
        judged(trial(""), finding("TD101")),
        judged(trial("nan-in-data"), note, finding("TD103", Severity.CRITICAL), finding("TD101")),
        judged(trial("nan-in-data"), finding("TD101"), finding("TD103")),
        judged(trial("nan-in-data")),
        judged(trial("nan-in-data", harmful=False)),
        judged(trial("head-lr", held_out=True), finding("TD301")),
    ]
    seen, unseen = faulty(judgements, held_out=False), faulty(judgements, held_out=True)
    assert false_alarms(judgements) == Share(1, 3)
    assert recall(seen) == Share(2, 3)
    assert cause_first(seen) == Share(1, 3)
    assert recall(unseen) == cause_first(unseen) == Share(1, 1)
    text = render("tune", judgements)
    assert "| false alarms on healthy runs | 1/3 = 33.3 %" in text
    assert "| head-lr (held out) | 1/1" in text
    assert "| TD999 | 8/8" in text


@pytest.mark.parametrize(
    ("loss", "reference", "worse"),
    [(1.0, 0.5, True), (0.54, 0.5, False), (0.56, 0.5, True), (0.011, 0.001, False), (math.inf, 0.5, True)],
)
def test_harm_needs_ten_percent_and_more_than_noise(loss, reference, worse):
    assert is_worse(loss, reference) is worse


def test_labels_of_runs_that_go_wrong_by_themselves():
    assert natural_fault(0.3, 0.3) == ""
    assert natural_fault(0.5, 0.3) == "overfits-by-itself"
    assert natural_fault(0.95, 0.95) == "learns-nothing"
    assert natural_fault(math.inf, math.inf) == "learns-nothing"


def test_splits_share_no_task_and_held_out_kinds_never_reach_tuning():
    tasks = [{t.name for t in tasks_of(split)} for split in SPLITS]
    assert sum(map(len, tasks)) == len(set().union(*tasks)) == len(TASKS)
    held_out = {kind.name for kind in FAULTS if kind.held_out}
    assert len(held_out) >= 5
    for split in SPLITS[:-1]:
        assert not held_out & {kind.name for kind in kinds_of(split)}
        assert not any(kind.name in held_out for _, _, kinds in plan(split, 40) for kind in kinds)
    assert held_out <= {kind.name for kind in kinds_of("report")}
    for earlier, later in pairwise(SPLITS):
        brought = {kind.name for kind in FAULTS if kind.since == later}
        assert brought
        assert {k.name for k in kinds_of(later)} == {k.name for k in kinds_of(earlier)} | brought


def test_onset_errors_are_shares_of_the_run():
    config = fault_named("nan-in-data").of(draw("tune", 1), 0)
    began = onset(replace(trial("nan-in-data"), config=config))
    assert 0.05 * config.n_steps - 1 <= began <= 0.9 * config.n_steps + 1
    assert math.isnan(onset(trial("lr-too-high")))
    late = judged(replace(trial("nan-in-data"), config=config), finding("TD103"))
    ((kind, errors),) = onset_errors([late, judged(trial("nan-in-data")), judged(trial(""))]).items()
    assert (kind, errors) == ("nan-in-data", [pytest.approx(began / config.n_steps)])


def test_each_detector_is_counted_by_runs():
    judgements = [
        judged(trial(""), finding("TD103"), finding("TD101")),
        judged(trial("")),
        judged(trial("nan-in-data"), finding("TD103")),
        judged(trial("lr-too-high"), finding("TD103"), finding("TD301")),
    ]
    assert {code: rest for code, *rest in by_detector(judgements)} == {
        "TD101": [Share(1, 2), Share(0, 2), Share(0, 0)],
        "TD103": [Share(1, 2), Share(2, 2), Share(1, 2)],
        "TD301": [Share(0, 2), Share(1, 2), Share(0, 0)],
    }


def test_a_longer_plan_only_adds():
    assert list(plan("report", 12)) == list(plan("report", 30))[:12]


def test_every_kind_changes_the_draw_and_keeps_its_seed():
    base = replace(draw("tune", 1), task="templates-8", schedule="cosine", dropout=0.1, width=64)
    for kind in FAULTS:
        config = kind.of(base, 3)
        assert config.seed == base.seed
        assert config.fault.kind == kind.name
        assert replace(config, fault=replace(config.fault, kind="")) != base
        assert kind.of(base, 3) == config
        assert Config.from_json(config.to_json()) == config


def test_severity_of_the_fault_is_drawn_within_its_bounds():
    base = draw("tune", 1)
    factors = [fault_named("lr-too-high").of(base, seed).lr / base.lr for seed in range(20)]
    assert 30 <= np.min(factors) < np.max(factors) <= 300
