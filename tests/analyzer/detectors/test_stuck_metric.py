"""Metrics that never move, and some that are sound."""

import numpy as np
import pytest

from tests import foreign
from traindoctor.analyzer.detectors.stuck_metric import StuckMetric
from traindoctor.detector import NotAssessable

X = foreign.epochs(20)
ZERO = np.zeros(20)


def check(metrics, train=None, better="higher"):
    series = {"loss/train": (X, foreign.falling(20) if train is None else train)}
    series |= {name: (X, values) for name, values in metrics.items()}
    return list(StuckMetric().check(foreign.imported(series, better=dict.fromkeys(metrics, better))))


@pytest.mark.parametrize("values", [ZERO, np.full(20, 0.1), np.linspace(0.0, 0.004, 20)])
def test_finds_a_metric_at_zero_or_at_one_value(values):
    (finding,) = check({"dice/validation": values})
    assert "is stuck" in finding.message
    assert finding.evidence["evaluations"] == 20


@pytest.mark.parametrize("values", [np.ones(20), np.full(20, 100.0), np.linspace(0.0, 0.5, 20)])
def test_perfect_and_moving_metrics_are_sound(values):
    assert check({"dice/validation": values}) == []


def test_a_loss_that_does_not_fall_explains_a_metric_that_does_not_move():
    assert check({"dice/validation": ZERO}, train=np.full(20, 2.0)) == []


def test_a_hard_metric_beside_one_that_moves_is_not_broken():
    assert check({"map/validation": ZERO, "recall/validation": np.linspace(0.0, 0.6, 20)}) == []


def test_an_error_rate_of_zero_is_no_trouble():
    assert check({"wer/validation": ZERO}, better="lower") == []


def test_a_metric_without_direction_is_not_judged():
    with pytest.raises(NotAssessable, match="known direction"):
        check({"quux/validation": ZERO}, better="")
