"""What a run is judged by."""

import math

import numpy as np
import pytest

from tests.runs import build
from traindoctor.analyzer.schedule.objective import judge_of
from traindoctor.run import Predictions, Run

N = 1000


def run_with(**kwargs):
    return build(np.linspace(2, 1, N), **kwargs)


def test_validation_loss_comes_first():
    judge = judge_of(run_with(validation=np.array([2.0, 1.0]), accuracy=np.array([0.1, 0.9])))
    assert judge.objective == "validation loss"
    assert judge.score(run_with(validation=np.array([2.0, 1.0]))) == 1.0


def test_without_a_loss_it_is_the_error_rate():
    run = run_with(accuracy=np.array([0.1, 0.75]))
    judge = judge_of(run)
    assert judge.objective == "validation error rate"
    assert judge.score(run) == pytest.approx(0.25)


def test_no_error_at_all_is_half_a_sample():
    run = run_with(accuracy=np.array([0.5, 1.0]))
    assert judge_of(run).score(run) == 1e-4
    labels = np.zeros(200, dtype=np.int64)
    known = Predictions(labels, np.zeros((200, 3)), N - 1)
    run = Run(run.id, run.name, run.series, predictions=known, info=run.info)
    assert judge_of(run).score(run) == pytest.approx(0.5 / 200)


def test_without_validation_it_says_what_to_do():
    why = judge_of(run_with())
    assert why.startswith("No validation")
    assert "torch.no_grad" in why


def test_a_loss_that_is_not_positive_cannot_be_compared_relatively():
    assert "positive" in judge_of(run_with(validation=np.array([1.0, -1.0])))


def test_only_late_evaluations_are_averaged():
    judge = judge_of(run_with(validation=np.array([2.0, 1.0])))
    assert judge.score(run_with(validation=np.array([9.0, 5.0, 1.0]))) == 1.0
    many = np.full(40, 3.0)
    many[-2:] = 1.0, 2.0
    assert judge.score(run_with(validation=many)) == 1.5


def test_a_run_that_diverged_is_infinitely_bad():
    losses = np.linspace(2, 1, N)
    losses[-1] = math.nan
    diverged = build(losses, validation=np.array([2.0, 1.0]))
    assert judge_of(diverged).score(diverged) == math.inf
    at_last = run_with(validation=np.array([2.0, math.inf]))
    assert judge_of(at_last).score(at_last) == math.inf


def test_without_a_late_evaluation_there_is_no_score():
    run = run_with(validation=np.array([2.0, 1.0]))
    early = Run(
        run.id, run.name, {**run.series, "loss/validation": run.series["loss/validation"].between(0, 600)}
    )
    assert math.isnan(judge_of(run).score(early))
