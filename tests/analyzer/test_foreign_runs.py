"""Logs of other tools: other x units, few points, held-out values only, metrics only, hostile names."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tests import foreign, runs
from tests.analyzer.test_laws import TROUBLED
from traindoctor.analyzer.engine import diagnose
from traindoctor.finding import Severity
from traindoctor.run import Run, RunInfo

STEPS = re.compile(r"\bsteps?\b(?!\()")
X = foreign.epochs(40)


def loud(diagnosis):
    return [f.code for f in diagnosis.findings if f.severity is not Severity.INFO]


def texts(diagnosis):
    yield diagnosis.verdict.sentence
    yield diagnosis.prescription.why
    for finding in diagnosis.findings:
        yield finding.message
        yield finding.remedy.text
        yield " ".join(finding.units.values())
    for skipped in diagnosis.skipped:
        yield skipped.why


@pytest.mark.parametrize("trouble", TROUBLED)
@pytest.mark.parametrize("unit", ["epochs", "samples", "evaluations", "log rows"])
def test_no_sentence_says_step_where_the_log_counts_something_else(trouble, unit):
    run = TROUBLED[trouble]()
    run = replace(run, info=replace(run.info, x_unit=unit, source="Keras CSV"), parameters={})
    diagnosis = diagnose(run)
    for text in texts(diagnosis):
        if text != diagnosis.prescription.why:
            assert not STEPS.search(text), text
    assert "does not count optimizer steps" in diagnosis.prescription.why


def test_what_only_our_recorder_knows_is_not_asked_of_another_log():
    run = foreign.imported(
        {"loss/train": (X, foreign.falling(40)), "loss/validation": (X, foreign.falling(40))}
    )
    skipped = {s.code: s.why for s in diagnose(run).skipped}
    assert skipped["TD203"].endswith("record the script with `traindoctor run`")
    assert skipped["TD306"] == (
        "needs the learning rate, which was not recorded; to get it, log the learning rate beside the loss, "
        "or record the script with `traindoctor run`"
    )
    assert not [why for why in skipped.values() if "backward()" in why or "watched process" in why]


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ({}, "holds no values over the course of the training"),
        ({"lr/0": (X, np.ones(40))}, "1 series, but no finite training loss, validation loss or metric"),
        ({"loss/train": ([1], [2.0])}, "only 1 finite training loss; 10 are the least"),
        ({"loss/train": (X[:8], foreign.falling(8))}, "only 8 finite training losses; 10 are the least"),
        ({"loss/validation": (X[:4], foreign.falling(4))}, "only 4 finite validation losses; 10 are"),
        ({"quux/validation": (X, foreign.falling(40))}, "no finite training loss, validation loss or metric"),
        ({"loss/train": (X, np.linspace(0.5, 0.52, 40))}, "hardly improved either"),
    ],
)
def test_what_cannot_be_judged_is_said_with_a_way_out(series, words):
    diagnosis = diagnose(foreign.imported(series))
    assert diagnosis.verdict.state == "not-assessable"
    assert words in diagnosis.verdict.sentence
    assert "backward()" not in diagnosis.verdict.sentence


def test_an_objective_that_is_no_progress_signal_is_not_judged_by_any_check():
    values = foreign.turning(40, 10, 0.1, 0.8, 0.1)
    series = {"loss/train": (X, -foreign.falling(40)), "accuracy/validation": (X, values)}
    diagnosis = diagnose(foreign.imported(series, loss_role="rl", better={"accuracy/validation": "higher"}))
    assert diagnosis.verdict.state == "not-assessable"
    assert loud(diagnosis) == []


@pytest.mark.parametrize("n", [12, 20, 40])
@pytest.mark.parametrize("scale", [1.0, 1e4, -1.0])
def test_healthy_logs_of_few_points_are_healthy(n, scale):
    x, rng = foreign.epochs(n), np.random.default_rng(n)
    train = foreign.falling(n) * (1.0 + 0.02 * rng.normal(size=n))
    validation = foreign.falling(n, 2.0, 0.4) * (1.0 + 0.03 * rng.normal(size=n))
    if scale < 0.0:
        train, validation = train - 3.0, validation - 3.0
    series = {"loss/train": (x, train), "loss/validation": (x, validation * abs(scale))}
    diagnosis = diagnose(foreign.imported(series))
    assert diagnosis.verdict.state == "healthy", diagnosis.verdict.sentence
    assert loud(diagnosis) == []
    assert f"over epochs 1 to {n}" in diagnosis.verdict.sentence


def test_held_out_values_alone_say_what_they_can_and_what_not():
    diagnosis = diagnose(
        foreign.imported({"loss/validation": (1000 * X, foreign.falling(40))}, x_unit="samples")
    )
    assert diagnosis.verdict.state == "healthy"
    assert diagnosis.verdict.sentence.startswith("Healthy as far as the validation loss tells")
    assert "holds no training loss" in diagnosis.verdict.sentence


@pytest.mark.parametrize(("name", "better"), [("wer/validation", "lower"), ("bleu/validation", "higher")])
def test_a_metric_alone_is_judged_in_its_own_direction(name, better):
    good = np.linspace(0.9, 0.1, 40) if better == "lower" else np.linspace(2.0, 30.0, 40)
    for values, state in ((good, "healthy"), (good[::-1], "findings")):
        diagnosis = diagnose(foreign.imported({name: (X, values)}, better={name: better}))
        assert diagnosis.verdict.state == state, diagnosis.verdict.sentence


def test_a_log_that_begins_late_and_stays_level_is_a_plateau_and_no_failure_to_learn():
    x = np.arange(179_000, 198_000, 1000)
    values = 41_500.0 + runs.noise(x.size, 10.0)
    diagnosis = diagnose(foreign.imported({"loss/validation": (x, values)}, x_unit="optimizer steps"))
    assert [f.code for f in diagnosis.findings] == ["TD101"]


def test_epoch_losses_without_any_trend_are_found_from_a_dozen_points():
    x = foreign.epochs(12)
    (finding,) = diagnose(
        foreign.imported({"loss/train": (x, 2.303 + runs.noise(12, 0.004))}), select=["TD107"]
    ).findings
    assert finding.severity is Severity.WARNING
    assert "12 epochs" in finding.message


def test_hundreds_of_series_with_hostile_names_are_no_obstacle():
    names = [f"x{i}\x1b[31m<script>{'y' * 300}/validation" for i in range(500)]
    series = {name: (X, np.linspace(0.0, 1.0, 40)) for name in names}
    run = foreign.imported(
        {"loss/train": (X, foreign.falling(40)), **series}, better=dict.fromkeys(names, "higher")
    )
    diagnosis = diagnose(run)
    assert diagnosis.verdict.state == "healthy"
    assert not [s.why for s in diagnosis.skipped if "failed" in s.why]


def test_a_run_without_any_series_is_no_obstacle():
    assert (
        diagnose(Run("a", "a", info=RunInfo(source="x", x_unit="epochs"))).verdict.state == "not-assessable"
    )
