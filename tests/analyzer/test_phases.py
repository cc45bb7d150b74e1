"""The phases of a learning-rate trace."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.phases import is_hot, main_group, phases
from traindoctor.run import ParameterInfo, Run, Series


def of(lr):
    return phases(runs.build(np.ones(len(lr)), lr=np.asarray(lr, dtype=float)))


def test_no_learning_rate_no_phases():
    run = runs.build(np.ones(100))
    assert phases(run) is None
    assert main_group(run) is None
    assert is_hot(run, np.array([0, 1, 2, 99])).tolist() == [False, False, True, True]


def test_constant():
    found = of(runs.lr_trace(1000, "constant"))
    assert found.final_share == pytest.approx(1.0)
    assert (found.peak, found.warmup_end, found.decay_start) == (0.1, 0, None)
    assert (found.drops, found.restarts, found.is_annealed) == ((), (), False)


def test_warmup_then_linear():
    found = of(runs.lr_trace(1000, "warmup-linear"))
    assert found.warmup_end == pytest.approx(48, abs=2)
    assert found.decay_start == pytest.approx(146, abs=3)
    assert found.is_annealed
    assert found.restarts == ()


def test_steps_are_drops():
    assert of(runs.lr_trace(900, "step")).drops == (300, 600)
    assert of(runs.lr_trace(900, "cosine")).drops == ()


def test_restart_after_decay():
    found = of(np.concatenate([runs.lr_trace(500, "cosine"), runs.lr_trace(500, "cosine")]))
    assert found.restarts == (500,)
    assert found.warmup_end == 0


def test_a_bumpy_rise_is_no_warmup():
    assert of([0.01, 0.05, 0.02, 0.1, 0.1, 0.1]).warmup_end == 0


@pytest.mark.parametrize("values", [[0.0] * 30, [-1.0] * 30])
def test_learning_rates_that_make_no_sense(values):
    found = of(values)
    assert found.decay_start is None
    assert found.drops == found.restarts == ()


def test_main_group_holds_most_elements():
    lr = Series(np.arange(10), np.full(10, 0.1))
    parameters = (ParameterInfo("head", (10,), group="0"), ParameterInfo("body", (100, 10), group="1"))
    run = Run("two", "two", {"lr/0": lr, "lr/1": lr}, info=runs.known_info(parameters=parameters))
    assert main_group(run) == "1"
    assert phases(run).group == "1"


def test_hot_steps_have_at_least_half_the_peak():
    run = runs.build(np.ones(1000), lr=runs.lr_trace(1000, "linear"))
    hot = is_hot(run, np.arange(1000))
    assert np.flatnonzero(hot).tolist() == list(range(20, 501))
