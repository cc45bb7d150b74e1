"""First steps that throw a run up: with and without a warm-up, for long and for a moment."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.missing_warmup import MissingWarmup
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Series

N = 1000
T = np.arange(N)


def check(width, lr=None, height=20.0, first=0):
    losses = 2.3 * np.exp(-T / 300) + height * np.exp(-T / width) * (T > 1)
    run = runs.build(losses, lr=runs.lr_trace(N) if lr is None else lr)
    if first:
        run = runs.with_series(run, loss__train=Series(T[first:], losses[first:]))
    return list(MissingWarmup().check(run))


def test_a_moment_is_a_note_and_a_tenth_of_the_run_a_warning():
    (finding,) = check(15.0)
    assert finding.severity is Severity.INFO
    assert "total_iters=50" in finding.remedy.code
    assert [f.severity for f in check(80.0)] == [Severity.WARNING]


def test_no_warmup_by_itself_is_nothing():
    assert not check(15.0, height=0.0)
    assert not check(15.0, height=0.5)


def test_a_run_with_a_warmup_or_that_never_comes_back_is_left_to_others():
    assert not check(15.0, lr=runs.lr_trace(N, "warmup-linear"))
    assert not check(1e5)


def test_needs_the_beginning():
    with pytest.raises(NotAssessable, match="beginning"):
        check(15.0, first=100)
