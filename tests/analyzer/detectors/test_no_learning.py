"""Runs that never beat a constant answer, with and without a known baseline."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.no_learning import NoLearning
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Series

UNKNOWN = {"baseline": math.nan, "n_classes": 0, "loss_name": ""}


def check(run):
    return list(NoLearning().check(run))


@pytest.mark.parametrize("seed", range(3))
def test_finds_a_run_that_never_learned(seed):
    (finding,) = check(runs.unlearning_run(seed=seed))
    assert finding.severity is Severity.CRITICAL
    assert (finding.first_step, finding.last_step) == (0, 1999)
    assert "overfit one batch" in finding.remedy.text


def test_memorising_without_generalising_points_at_the_labels():
    k = np.arange(20)
    run = runs.build(runs.decay(runs.lr_trace(2000), floor=0.05), validation=runs.B0 + 0.05 * k)
    (finding,) = check(run)
    assert finding.severity is Severity.CRITICAL
    assert "does not generalise" in finding.message
    assert "labels" in finding.remedy.text


def test_one_that_still_falls_is_a_note():
    losses = runs.B0 - 0.1 * np.linspace(0.0, 1.0, 2000) + runs.noise(2000, 0.02)
    (finding,) = check(runs.build(losses))
    assert finding.severity is Severity.INFO
    assert "still falling" in finding.message


def test_a_little_skill_is_enough():
    assert check(runs.build(np.linspace(2.3, 1.9, 1000))) == []


def test_short_runs_are_refused():
    with pytest.raises(NotAssessable, match="only 150 steps; 200"):
        check(runs.cut(runs.unlearning_run(), 150))


def test_a_loss_in_other_units_is_refused():
    with pytest.raises(NotAssessable, match="other units"):
        check(runs.build(np.linspace(150.0, 20.0, 1000)))


def test_without_a_baseline_only_a_loss_without_trend_counts():
    flat = runs.unlearning_run()
    (finding,) = check(replace(flat, info=runs.known_info(**UNKNOWN)))
    assert finding.severity is Severity.WARNING
    assert "no trend" in finding.message
    for losses in (np.linspace(2.3, 2.2, 1000), np.linspace(2.2, 2.3, 1000)):
        slow = runs.build(losses + runs.noise(1000, 0.02), info=runs.known_info(**UNKNOWN))
        assert check(slow) == []


def test_memorising_a_handful_of_samples_is_left_to_the_memorisation_check():
    run = runs.build(runs.decay(runs.lr_trace(2000), floor=0.02), validation=np.full(20, 2.4))
    epochs = Series(np.arange(2000), np.arange(2000) // 4)
    few = runs.with_series(run, epoch=epochs, batch_size=Series(np.arange(2000), np.full(2000, 10)))
    many = runs.with_series(run, epoch=epochs, batch_size=Series(np.arange(2000), np.full(2000, 64)))
    assert check(few) == []
    assert [f.severity for f in check(many)] == [Severity.CRITICAL]
