"""Training solved, validation not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.memorisation_gap import MemorisationGap
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Predictions, Series


def check(run):
    return list(MemorisationGap().check(run))


@pytest.mark.parametrize("seed", range(3))
def test_finds_a_gap_without_a_rise(seed):
    (finding,) = check(runs.memorised_run(seed=seed))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["gap"] == pytest.approx((1.0 - 0.02) / runs.B0, abs=0.02)
    assert 100 < finding.first_step < 2000


def test_a_gap_that_cost_nothing_is_a_note():
    run = runs.memorised_run()
    (finding,) = check(replace(run, info=replace(run.info, epochs=10.0)))
    assert finding.severity is Severity.INFO


def test_a_gap_with_a_rising_validation_loss_is_a_warning():
    run = runs.memorised_run()
    worse = Series(runs.evaluation_steps(3000, 20), np.linspace(0.7, 1.2, 20))
    run = runs.with_series(replace(run, info=replace(run.info, epochs=10.0)), loss__validation=worse)
    (finding,) = check(run)
    assert finding.severity is Severity.WARNING


def test_a_healthy_gap_is_nothing():
    assert check(runs.memorised_run(validation_level=0.2)) == []
    assert check(runs.healthy_run()) == []


def test_a_gap_over_unsolved_training_data_is_nothing():
    training = np.full(1000, 0.5)
    assert check(runs.build(training, validation=np.full(10, 1.5))) == []


def test_an_unknown_baseline_is_refused():
    info = runs.known_info(baseline=math.nan, n_classes=0)
    with pytest.raises(NotAssessable, match="constant predictor is unknown"):
        check(runs.build(np.linspace(2.0, 0.1, 100), validation=np.ones(5), info=info))


@pytest.mark.parametrize(("n", "is_found"), [(20, False), (5000, True)])
def test_a_gap_inside_the_error_of_a_small_validation_set_is_none(n, is_found):
    rng = np.random.default_rng(0)
    truth = rng.integers(10, size=n)
    scores = rng.normal(size=(n, 10)) * 4.0
    scores[np.arange(n), truth] += 5.0
    run = runs.memorised_run(validation_level=0.5)
    assert bool(check(replace(run, predictions=Predictions(truth, scores, 3000, kind="logits")))) is is_found
    assert check(run)


def test_a_few_samples_need_no_baseline_and_a_smaller_gap():
    def few(run, n):
        steps = np.arange(3000)
        sizes, epochs = Series(steps, np.full(3000, n / 2.0)), Series(steps, steps // 2.0)
        return runs.with_series(run, batch_size=sizes, epoch=epochs)

    run = runs.memorised_run()
    unknown = replace(run, info=replace(run.info, baseline=math.nan, n_classes=0))
    assert [f.severity for f in check(few(unknown, 20))] == [Severity.WARNING]
    with pytest.raises(NotAssessable, match="constant predictor is unknown"):
        check(few(unknown, 2000))
    near = Series(runs.evaluation_steps(3000, 20), np.full(20, 0.02 + 0.12 * runs.B0))
    assert len(check(few(runs.with_series(run, loss__validation=near), 20))) == 1
    assert check(few(runs.with_series(run, loss__validation=near), 2000)) == []
