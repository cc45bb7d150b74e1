"""Results are computed once per run and forgotten with it."""

import gc
import weakref

import pytest

from traindoctor.analyzer.memo import memoised
from traindoctor.run import Run


def test_computes_once_per_run_and_arguments():
    calls = []

    @memoised
    def scaled(run, factor=1):
        calls.append((run.id, factor))
        return factor

    first, second = Run("a", "a"), Run("a", "a")
    assert [scaled(first), scaled(first), scaled(first, 2), scaled(first, factor=2), scaled(second)] == [
        1,
        1,
        2,
        2,
        1,
    ]
    assert calls == [("a", 1), ("a", 2), ("a", 2), ("a", 1)]


def test_forgets_the_run():
    @memoised
    def length(run):
        return len(run.id)

    run = Run("abc", "abc")
    assert length(run) == 3
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None


def test_does_not_remember_a_failure():
    outcomes = iter([ValueError("first"), 5])

    @memoised
    def flaky(run):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    run = Run("a", "a")
    with pytest.raises(ValueError, match="first"):
        flaky(run)
    assert flaky(run) == 5
