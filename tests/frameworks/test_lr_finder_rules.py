"""The finders' rules in the policy benchmark are those of the packages, on tests of many shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmarks.prescription.finders import FINDERS, STEPS, Finder, smoothed, until_above
from traindoctor.run import Floats


def curves(finder: Finder, n: int = 100) -> Iterator[Floats]:
    """Training losses of `n` tests, shape (STEPS,): a fall around one rate, then an explosion."""
    rng = np.random.default_rng(0)
    decades = np.log10(finder.plan())
    for _ in range(n):
        centre, steepness = rng.uniform(-4, 0), rng.uniform(1, 4)
        fall = rng.uniform(0.3, 2) / (1 + np.exp(-(decades - centre) * steepness))
        explosion = np.exp((decades - centre - rng.uniform(0.5, 2)) * rng.uniform(2, 6))
        yield 2.3 - fall + explosion + rng.normal(0, rng.choice([0, 0.01, 0.1]), STEPS)


def seen(finder: Finder, losses: Floats) -> tuple[list[float], list[float]]:
    """LRs and smoothed losses of the test as both packages collect them, with the one that ended it."""
    curve = smoothed(losses, 0.98)
    end = until_above(curve, 4.0)
    return finder.plan()[:end].tolist(), curve[:end].tolist()


def test_lightning():
    lr_finder = pytest.importorskip("lightning.pytorch.tuner.lr_finder", reason="needs Lightning")
    finder = FINDERS["Lightning"]
    for losses in curves(finder):
        theirs = lr_finder._LRFinder("exponential", finder.low, finder.high, STEPS)
        theirs.results = dict(zip(("lr", "loss"), seen(finder, losses), strict=True))
        expected = theirs.suggestion()
        np.testing.assert_equal(finder.suggestion(losses), math.nan if expected is None else expected)


def test_fastai():
    schedule = pytest.importorskip("fastai.callback.schedule", reason="needs fastai")
    finder = FINDERS["fastai valley"]
    for losses in curves(finder):
        lrs, curve = (
            torch.tensor(values[STEPS // 10 : -5], dtype=torch.float64) for values in seen(finder, losses)
        )
        assert finder.suggestion(losses) == schedule.valley(lrs, curve, STEPS)[0]
