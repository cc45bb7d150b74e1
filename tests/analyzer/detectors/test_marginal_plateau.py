"""Losses at the constant predictor's level, for good or for a while."""

import math

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.marginal_plateau import MarginalPlateau
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity


def check(run):
    return list(MarginalPlateau().check(run))


@pytest.mark.parametrize("seed", range(3))
def test_stuck_to_the_end_is_a_warning(seed):
    (finding,) = check(runs.marginal_run(seed=seed))
    assert finding.severity is Severity.WARNING
    assert 100 <= finding.first_step <= 400
    assert finding.last_step == 1999


def test_leaving_it_is_a_note_with_the_steps_lost():
    (finding,) = check(runs.marginal_run(leaves_at=1200))
    assert finding.severity is Severity.INFO
    assert 1100 <= finding.last_step <= 1300
    assert "then it got away" in finding.message


def test_passing_through_is_nothing():
    assert check(runs.healthy_run()) == []
    assert check(runs.marginal_run(leaves_at=200)) == []


def test_a_flat_loss_elsewhere_is_nothing():
    assert check(runs.plateaued_run(level=1.5)) == []


def test_an_unknown_baseline_is_refused():
    run = runs.build(np.ones(100), info=runs.known_info(baseline=math.nan, n_classes=0))
    with pytest.raises(NotAssessable, match="labels were not seen"):
        check(run)
