"""Where the yardsticks come from, and when there are none."""

import math

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.reference import levels, training_curve, validation_baseline, validation_curve
from traindoctor.detector import NotAssessable
from traindoctor.run import Run, RunInfo, Series

FALLING = np.linspace(4.0, 1.0, 200)
UNKNOWN = RunInfo(baseline=math.nan)


def test_baseline_from_the_labels_comes_first():
    level = levels(runs.build(FALLING, info=runs.known_info(baseline=2.0)))
    assert (level.baseline, level.baseline_known, level.baseline_source) == (2.0, True, "the training labels")


def test_baseline_from_the_number_of_classes():
    level = levels(runs.build(FALLING, info=runs.known_info(baseline=math.nan, n_classes=4)))
    assert level.baseline == pytest.approx(math.log(4))
    assert level.baseline_known
    assert level.baseline_source == "ln 4 (balanced classes)"


@pytest.mark.parametrize("loss_name", ["mse_loss", ""])
def test_number_of_classes_says_nothing_about_other_losses(loss_name):
    info = runs.known_info(baseline=math.nan, loss_name=loss_name)
    assert not levels(runs.build(FALLING, info=info)).baseline_known


def test_evaluation_before_training_stands_in():
    run = runs.build(
        FALLING, info=UNKNOWN, extra={"loss/validation": Series(np.array([0, 100]), np.array([5.0, 2.0]))}
    )
    level = levels(run)
    assert (level.baseline, level.baseline_known) == (5.0, False)


def test_first_losses_stand_in_last():
    level = levels(runs.build(FALLING, info=UNKNOWN))
    assert level.baseline == level.initial == pytest.approx(FALLING[1])
    assert not level.baseline_known


def test_progress_is_a_quarter_of_the_baseline_at_least():
    level = levels(runs.build(FALLING, info=runs.known_info(baseline=2.0)))
    assert level.best == pytest.approx(np.median(FALLING[-10:]))
    assert level.progress == pytest.approx(2.0 - level.best)
    assert levels(runs.unlearning_run()).progress == pytest.approx(0.25 * runs.B0)


def test_skill_is_unknown_for_losses_below_zero():
    level = levels(runs.build(np.linspace(-0.1, -0.9, 100), info=UNKNOWN))
    assert math.isnan(level.skill(-0.5))
    assert level.progress == pytest.approx(-0.1 + 0.9, rel=0.1)


def test_skill_is_the_share_of_the_baseline_that_is_gone():
    level = levels(runs.build(FALLING, info=runs.known_info(baseline=2.0)))
    assert level.skill(0.5) == 0.75


def test_too_few_losses_are_refused_with_the_number():
    with pytest.raises(NotAssessable, match="only 19 finite training losses; 20"):
        training_curve(runs.build(np.ones(19)))
    with pytest.raises(NotAssessable, match="only 0 finite"):
        training_curve(Run("empty", "empty"))


def test_losses_that_are_not_finite_do_not_count():
    values = np.where(np.arange(100) % 2, np.nan, 1.0)
    curve = training_curve(runs.build(values))
    assert curve.values.size == 50
    assert list(curve.steps[:3]) == [0, 2, 4]


def test_objectives_that_do_not_fall_are_refused():
    with pytest.raises(NotAssessable, match="the objective is gan"):
        training_curve(runs.build(FALLING, info=runs.known_info(loss_role="gan")))
    with pytest.raises(NotAssessable, match="the objective is rl"):
        validation_curve(runs.build(FALLING, info=runs.known_info(loss_role="rl")))


def test_validation_needs_six_evaluations():
    with pytest.raises(NotAssessable, match="only 5 evaluations"):
        validation_curve(runs.build(FALLING, validation=np.ones(5)))


def test_validation_baseline_follows_its_own_first_values_when_unknown():
    run = runs.build(FALLING, validation=np.array([900.0, 7.0, 6.0, 5.0, 4.0, 3.0]), info=UNKNOWN)
    assert validation_baseline(levels(run), validation_curve(run)) == 7.0


def test_blocks_know_their_steps():
    curve = training_curve(runs.build(FALLING))
    assert (curve.first_step(0), curve.last_step(0), curve.first_step(19), curve.last_step(19)) == (
        0,
        9,
        190,
        199,
    )
    assert curve.best_block() == 19
