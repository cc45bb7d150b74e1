"""Step times that stall, grow, wait, and memory that grows."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.slow_steps import SlowSteps
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Run, Series

N = 1000
USUAL = 0.05 * np.exp(runs.noise(N, 0.1))


def check(seconds, **extra):
    series = {"time/step": Series(np.arange(len(seconds)), seconds)}
    series |= {name.replace("__", "/"): value for name, value in extra.items()}
    return list(SlowSteps().check(Run("s", "s", series)))


def changed(at, value):
    seconds = USUAL.copy()
    seconds[at] = value
    return seconds


def test_a_stall_is_a_warning():
    (finding,) = check(changed(500, 3600.0))
    assert (finding.severity, finding.first_step) == (Severity.WARNING, 500)


def test_growing_steps_and_waiting_steps_are_notes():
    (finding,) = check(USUAL * np.geomspace(1.0, 20.0, N))
    assert "slower" in finding.message
    (finding,) = check(changed(slice(7, None, 20), 2.0))
    assert finding.evidence["slow steps"] == 50
    assert finding.severity is Severity.INFO


def test_time_of_evaluations_and_of_epoch_starts_does_not_count():
    at = np.arange(99, N, 100)
    epochs = Series(np.arange(N), (np.arange(N) - 50) // 100)
    seconds = changed(at[:-1] + 1, 4.0)
    seconds[50::100] = 4.0
    assert not check(seconds, loss__validation=Series(at, np.ones(10)), epoch=epochs)


def test_steady_times_are_none_and_memory_that_grows_is_a_note():
    assert not check(USUAL)
    memory = Series(np.arange(N), 1e9 * (1.0 + np.arange(N) / N))
    (finding,) = check(USUAL, memory__gpu=memory)
    assert finding.evidence["growth"] > 0.5
    assert not check(USUAL, memory__gpu=replace(memory, values=np.full(N, 1e9)))


def test_short_runs_are_not_judged():
    with pytest.raises(NotAssessable, match="at least 5 s"):
        check(USUAL[:50])
