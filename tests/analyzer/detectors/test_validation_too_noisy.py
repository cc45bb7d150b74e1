"""Validation losses that swing, and noise that is usual."""

import numpy as np
import pytest

from tests import foreign, runs
from traindoctor.analyzer.detectors.validation_too_noisy import ValidationTooNoisy
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity

X = foreign.epochs(60)


def check(validation, train=None):
    train = foreign.falling(60) if train is None else train
    series = {"loss/train": (X, train), "loss/validation": (X[: len(validation)], validation)}
    return list(ValidationTooNoisy().check(foreign.imported(series)))


@pytest.mark.parametrize(("sd", "severity"), [(0.25, Severity.INFO), (0.6, Severity.WARNING)])
def test_finds_swings_and_weighs_them(sd, severity):
    (finding,) = check(1.2 + sd * np.resize([1.0, -0.8, 0.3, -1.0, 0.7], 60))
    assert finding.severity is severity


@pytest.mark.parametrize("seed", range(5))
def test_usual_noise_is_sound(seed):
    assert check(foreign.falling(60, 2.0, 0.5) * (1.0 + runs.noise(60, 0.05, 0.0, seed))) == []


def test_noise_around_a_solved_task_is_sound():
    assert check(np.abs(0.002 + runs.noise(60, 0.002, 0.0, 1))) == []


def test_training_that_is_as_noisy_is_another_matter():
    swings = np.abs(1.0 + runs.noise(60, 0.4, 0.0, 2))
    assert check(swings, train=np.abs(1.0 + runs.noise(60, 0.4, 0.0, 3))) == []


def test_losses_below_zero_are_not_judged_by_their_level():
    assert check(-1.0 + 0.5 * np.resize([1.0, -0.8, 0.3], 60)) == []


def test_few_evaluations_are_refused():
    with pytest.raises(NotAssessable, match="only 8 evaluations"):
        check(np.ones(8))
